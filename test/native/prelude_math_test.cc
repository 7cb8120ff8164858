// Accuracy of the vector prelude's float32 math against double precision, over bit patterns spread across the whole
// range, with special values and signs of zero; loads, stores and conversions round-trip. `--quick`: fewer samples;
// `--bench`: throughput.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "../../native/kernels/prelude.h"
#include "../../native/kernels/programs.h"

namespace {

int failures = 0;
uint32_t sparse = 1;  // --quick: every so-many-th of the samples

float fromBits(uint32_t u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

// Distance in units of the last place of the float nearest to `want`.
double ulps(float got, double want) {
  float w = (float)want;
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  if (std::isnan(got)) return 1e9;
  if (std::isinf(w) || std::isinf(got)) return got == w ? 0 : (std::isinf(w) && std::fabs(got) > 3.4028e38f ? 1 : 1e9);
  if (want == 0) return got == 0 && std::signbit(got) == std::signbit(want) ? 0 : std::fabs(got) / 0x1p-149;
  int e = std::max(std::ilogb(w == 0 ? 1e-45f : w), -126);
  return std::fabs((double)got - want) / std::ldexp(1.0, e - 23);
}

template <class F, class R>
void check1(const char* name, F f, R ref, double limit, float lo, float hi, uint32_t step = 977) {
  double worst = 0;
  float at = 0, gotAt = 0;
  std::vector<float> xs = {0.0f,   -0.0f,   1.0f,    -1.0f,    INFINITY, -INFINITY, NAN,    0.5f,   -0.5f,
                           1e-40f, -1e-40f, 3.4e38f, -3.4e38f, 88.7f,    88.8f,     -87.4f, -103.9f};
  for (uint64_t u = 0; u < 0x100000000ull; u += (uint64_t)step * sparse) {
    float x = fromBits((uint32_t)u);
    if (x >= lo && x <= hi) xs.push_back(x);
  }
  while (xs.size() % FB_W) xs.push_back(1.0f);
  for (size_t i = 0; i < xs.size(); i += FB_W) {
    f32v r = f(fb_load_f32(&xs[i]));
    for (int k = 0; k < FB_W; k++) {
      if (i + k >= 17 && !(xs[i + k] >= lo && xs[i + k] <= hi)) continue;
      double u = ulps(r[k], ref((double)xs[i + k]));
      if (u > worst) worst = u, at = xs[i + k], gotAt = r[k];
    }
  }
  bool ok = worst <= limit;
  if (!ok) failures++;
  std::printf("%-8s %.3f ulp at %.9g (got %.9g want %.9g)%s\n", name, worst, at, gotAt, ref((double)at),
              ok ? "" : "  FAILED");
}

void checkPow() {
  double worst = 0;
  float wa = 0, wb = 0;
  const float special[] = {0.0f, -0.0f,    1.0f,      -1.0f, 2.0f,   -2.0f, 0.5f,        -0.5f,      3.0f,  -3.0f,
                           2.5f, INFINITY, -INFINITY, NAN,   1e-40f, 3e38f, 16777217.0f, 33554432.f, 1e30f, -1e30f};
  auto one = [&](float a, float b) {
    f32v r = fb_pow(fb_splat_f32(a), fb_splat_f32(b));
    double u = ulps(r[0], std::pow((double)a, (double)b));
    if (u > worst) worst = u, wa = a, wb = b;
  };
  for (float a : special)
    for (float b : special) one(a, b);
  uint32_t s = 1;
  for (int i = 0; i < 400000 / (int)sparse; i++) {
    s = s * 1664525u + 1013904223u;
    float a = std::exp2((float)(int)(s >> 8) / (float)(1 << 24) * 60 - 30);
    s = s * 1664525u + 1013904223u;
    float b = (float)(int)(s >> 8) / (float)(1 << 24) * 20 - 10;
    one(a, b);
    one(-a, std::floor(b));
  }
  bool ok = worst <= 1;
  if (!ok) failures++;
  std::printf("pow      %.3f ulp at %.9g ^ %.9g%s\n", worst, wa, wb, ok ? "" : "  FAILED");
}

// Quotients by a value that is prepared once are those of a division, also of zeros, infinities and NaNs by each other;
// where the error term underflows (numerators or quotients below 2^-100) they may be the neighbour.
void checkDivideBy() {
  const float special[] = {0.0f,   -0.0f,   1.0f,     -1.0f,   3.0f,   -7.0f,    INFINITY, -INFINITY, NAN,
                           1e-40f, -3e-39f, 1.2e-38f, 3.4e38f, -3e38f, 0x1p-91f, 0x1p91f,  0x1p126f};
  double worst = 0;
  float wa = 0, wb = 0;
  auto one = [&](float a, float b) {
    const f32v d = fb_splat_f32(b);
    const float got = fb_div_by(fb_splat_f32(a), d, fb_div_prepare(d))[0], want = a / b;
    const bool tiny = (a != 0 && std::fabs(a) < 0x1p-100f) || (want != 0 && std::fabs(want) < 0x1p-100f);
    double off = ulps(got, want);
    if (!tiny && std::signbit(got) != std::signbit(want) && !std::isnan(want)) off = 1e9;
    if (!tiny && off > 0) off += 1;
    if (off > worst) worst = off, wa = a, wb = b;
  };
  for (float a : special)
    for (float b : special) one(a, b);
  uint32_t s = 1;
  for (int i = 0; i < 4000000 / (int)sparse; i++) {
    const float a = fromBits(s = s * 1664525u + 1013904223u);
    const float b = fromBits(s = s * 1664525u + 1013904223u);
    one(a, i % 2 ? b : std::exp2(std::fmod(b, 20.0f)));
    one(i % 3 ? a : std::exp2(std::fmod(b, 60.0f)), 1 + (float)(s >> 8));
  }
  const bool ok = worst <= 1;
  if (!ok) failures++;
  std::printf("div by   %.3f ulp at %.9g / %.9g%s\n", worst, wa, wb, ok ? "" : "  FAILED");
}

void expect(bool ok, const char* what) {
  if (ok) return;
  failures++;
  std::printf("FAILED: %s\n", what);
}

void checkMemory() {
  // Every half and bfloat16 survives a round trip, and rounding goes to even.
  for (uint32_t u = 0; u < 0x10000; u += FB_W) {
    uint16_t h[FB_W], back[FB_W];
    for (int k = 0; k < FB_W; k++) h[k] = (uint16_t)(u + k);
    auto same = [&](bool bf) {
      for (int k = 0; k < FB_W; k++) {
        bool nan = bf ? (h[k] & 0x7fff) > 0x7f80 : (h[k] & 0x7fff) > 0x7c00;
        if (!nan) expect(back[k] == h[k], bf ? "bf16 round trip" : "f16 round trip");
      }
    };
    fb_store_f16(back, fb_load_f16(h)), same(false);
    fb_store_bf16(back, fb_load_bf16(h)), same(true);
  }
  uint16_t t[FB_W];
  fb_store_f16(t, fb_splat_f32(1.0f + 0x1p-11f)), expect(t[0] == 0x3c00, "f16 tie to even");
  fb_store_f16(t, fb_splat_f32(1.0f + 0x1.8p-10f)), expect(t[0] == 0x3c02, "f16 tie to even, upwards");
  fb_store_f16(t, fb_splat_f32(65520.f)), expect(t[0] == 0x7c00, "f16 overflow");
  fb_store_f16(t, fb_splat_f32(0x1p-24f)), expect(t[0] == 1, "f16 smallest");
  fb_store_bf16(t, fb_splat_f32(1.0f + 0x1p-8f)), expect(t[0] == 0x3f80, "bf16 tie to even");
  float a[FB_W + 1];
  for (int n = 0; n <= FB_W; n++) {
    for (float& x : a) x = -7;
    fb_storen_f32(a, fb_splat_f32(3), n);
    for (int i = 0; i <= FB_W; i++) expect(a[i] == (i < n ? 3 : -7), "storen");
  }
  double d[3 * FB_W];
  for (int i = 0; i < 3 * FB_W; i++) d[i] = i;
  f64v g = fb_loads_f64(d, 24, FB_W);
  for (int i = 0; i < FB_W; i++) expect(g[i] == 3 * i, "loads");
  expect(fb_hsum(fb_cvt_i32_f32(fb_iota_i32())) == FB_W * (FB_W - 1) / 2, "hsum");
  expect(fb_hsum(fb_cvt_i32_i64(fb_iota_i32())) == FB_W * (FB_W - 1) / 2, "hsum i64");
  expect(fb_hmax(fb_cvt_i32_f64(fb_iota_i32())) == FB_W - 1, "hmax f64");
  expect(fb_hmax(fb_iota_i32()) == FB_W - 1 && fb_hmin(fb_iota_i32()) == 0, "hmax i32");
  f32v nan1 = fb_cvt_i32_f32(fb_iota_i32());
  nan1[2] = NAN;
  expect(std::isnan(fb_hmax(nan1)) && std::isnan(fb_hmin(nan1)), "hmax keeps NaN");
  for (float other : {1.0f, -0.0f, INFINITY, -INFINITY, 1e-40f, (float)NAN}) {
    const f32v nan = fb_splat_f32(NAN), x = fb_splat_f32(other);
    expect(std::isnan(fb_max(x, nan)[0]) && std::isnan(fb_max(nan, x)[0]), "max keeps NaN");
    expect(std::isnan(fb_min(x, nan)[0]) && std::isnan(fb_min(nan, x)[0]), "min keeps NaN");
    const f32v two = fb_splat_f32(-2);
    if (other == other)
      expect(fb_max(x, two)[0] == std::fmax(other, -2.0f) && fb_min(x, two)[0] == std::fmin(other, -2.0f),
             "max and min");
  }
  expect(fb_mod(fb_splat_i32(-7), fb_splat_i32(3))[1] == 2 && fb_idiv(fb_splat_i64(-7), fb_splat_i64(2))[1] == -3,
         "integer division");
  expect(fb_mod(fb_splat_f32(-7), fb_splat_f32(3))[1] == 2, "float mod");
  // The published test vector of Philox4x32-10 for counter 0 and key 0.
  expect((uint32_t)fb_philox(fb_splat_i64(0), 0)[0] == 0x6627e8d5u, "philox");
  expect((uint32_t)fb_philox(fb_splat_i64(-1), ~0ull)[0] != 0x6627e8d5u, "philox key");
}

template <class F>
void bench(const char* name, F f) {
  std::vector<float> x(4096), y(4096);
  for (int i = 0; i < 4096; i++) x[i] = (float)((i * 37) % 4096) / 512 - 4;
  double best = 1e9;
  for (int rep = 0; rep < 20; rep++) {
    auto t0 = std::chrono::steady_clock::now();
    for (int k = 0; k < 200; k++) {
      for (int i = 0; i < 4096; i += FB_W) fb_store_f32(&y[i], f(fb_load_f32(&x[i])));
      asm volatile("" ::: "memory");
    }
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count());
  }
  std::printf("%-8s %.2f Gelem/s\n", name, 4096 * 200 / best * 1e-9);
}

}  // namespace

#define FN(NAME) [](f32v v) { return NAME(v); }
#define REF(NAME) [](double v) { return NAME(v); }

int main(int argc, char** argv) {
  if (argc > 1 && !std::strcmp(argv[1], "--bench")) {
    bench("exp", FN(fb_exp)), bench("expm1", FN(fb_expm1)), bench("tanh", FN(fb_tanh)), bench("erf", FN(fb_erf)),
        bench("erfc", FN(fb_erfc));
    bench("log", FN(fb_log)), bench("log1p", FN(fb_log1p)), bench("sin", FN(fb_sin)), bench("tan", FN(fb_tan));
    bench("pow", [](f32v v) { return fb_pow(fb_abs(v), fb_splat_f32(1.7f)); });
    bench("asin", FN(fb_asin)), bench("atan", FN(fb_atan)), bench("sinh", FN(fb_sinh)), bench("sqrt", FN(fb_sqrt)),
        bench("div", [](f32v v) { return 1.0f / v; });
    return 0;
  }
  if (argc > 1 && !std::strcmp(argv[1], "--quick")) sparse = 29;
  const float big = 3.4e38f;
  check1("exp", FN(fb_exp), REF(std::exp), 1.5, -104, 89);
  check1(
      "exp or 0", FN(fb_exp_or_zero), [](double x) { return x < -104 ? 0 : std::exp(x); }, 1.5, -big, big);
  check1("exp2", FN(fb_exp2), REF(std::exp2), 1.5, -150, 128);
  check1("expm1", FN(fb_expm1), REF(std::expm1), 1.5, -big, 89);
  check1("log", FN(fb_log), REF(std::log), 1.5, -1, big);
  check1("log2", FN(fb_log2), REF(std::log2), 2, -1, big);
  check1("log10", FN(fb_log10), REF(std::log10), 2, -1, big);
  check1("log1p", FN(fb_log1p), REF(std::log1p), 2, -2, big);
  check1("tanh", FN(fb_tanh), REF(std::tanh), 2, -big, big);
  check1("erf", FN(fb_erf), REF(std::erf), 2, -big, big);
  check1("erfc", FN(fb_erfc), REF(std::erfc), 1, -big, big);
  check1("sin", FN(fb_sin), REF(std::sin), 1, -big, big, 4999);
  check1("cos", FN(fb_cos), REF(std::cos), 1, -big, big, 4999);
  check1("tan", FN(fb_tan), REF(std::tan), 1.1, -big, big, 4999);
  check1("asin", FN(fb_asin), REF(std::asin), 2, -1, 1);
  check1("acos", FN(fb_acos), REF(std::acos), 2, -1, 1);
  check1("atan", FN(fb_atan), REF(std::atan), 2, -big, big);
  check1("sinh", FN(fb_sinh), REF(std::sinh), 2, -89, 89);
  check1("cosh", FN(fb_cosh), REF(std::cosh), 2, -89, 89);
  check1("asinh", FN(fb_asinh), REF(std::asinh), 2, -big, big);
  check1("acosh", FN(fb_acosh), REF(std::acosh), 2, 1, big);
  check1("atanh", FN(fb_atanh), REF(std::atanh), 2, -1, 1);
  check1("sqrt", FN(fb_sqrt), REF(std::sqrt), 0.5, -1, big);
  check1(
      "rsqrt", FN(fb_rsqrt), [](double v) { return 1 / std::sqrt(v); }, 1.5, 0, big);
  check1("floor", FN(fb_floor), REF(std::floor), 0, -big, big);
  check1("ceil", FN(fb_ceil), REF(std::ceil), 0, -big, big);
  check1("trunc", FN(fb_trunc), REF(std::trunc), 0, -big, big);
  check1("round", FN(fb_round), REF(std::nearbyint), 0, -big, big);
  checkPow();
  checkDivideBy();
  checkMemory();
  std::printf(failures ? "%d failures\n" : "ok\n", failures);
  return failures != 0;
}
