// Softmax and layer normalisation of one row over the vector prelude. Source of the formulas: their declarations in
// codegen/ops/nn.ts.
#include "cpu/row_kernels.h"

#include "kernels/traits.h"

#define FB_JOIN2(a, b) a##_##b
#define FB_JOIN(a, b) FB_JOIN2(a, b)
#define FB_ISA_NAME(name) FB_JOIN(name, FB_ISA)

namespace flambeau::kernels::FB_ISA {
namespace {

/// Past the cache where the target is aligned to whole vectors (float32 only: the driver asks for no other).
inline void streamTo(char* p, f32v v) {
  if (((uintptr_t)p & (4 * FB_W - 1)) == 0)
    fb_stream_f32(p, v);
  else
    fb_store_f32(p, v);
}
inline void streamTo(char* p, f64v v) { fb_store_f64(p, v); }
inline f32v larger(f32v a, f32v b) { return fb_maxq(a, b); }
inline f64v larger(f64v a, f64v b) { return f64v{a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi}; }

template <class T>
struct Rows {
  using V = typename T::V;
  using In = const char*;
  static constexpr int U = 4;                  // accumulators side by side: an addition takes four cycles
  static constexpr int64_t kBlock = 4096 * 2;  // elements between widenings
  static inline V one(double x) { return splatAs(V{}, x); }

  /// W elements of the row from the i-th on, or the m that are left.
  struct Whole {
    int64_t i;
    V load(In p) const { return T::load(p + i * T::size); }
    void store(char* p, V v) const { T::store(p + i * T::size, v); }
    void stream(char* p, V v) const { streamTo(p + i * T::size, v); }
    V chosen(V v, V) const { return v; }
  };
  struct Part {
    int64_t i, m;
    V load(In p) const { return T::loadn(p + i * T::size, m); }
    void store(char* p, V v) const { T::storen(p + i * T::size, v, m); }
    void stream(char* p, V v) const { store(p, v); }
    V chosen(V v, V other) const { return fb_select(fb_lt(fb_iota_i32(), fb_splat_i32((int)m)), v, other); }
  };

  template <class F>
  static inline void each(int64_t n, F&& body) {
    int64_t i = 0;
    for (; i + FB_W <= n; i += FB_W) body(Whole{i});
    if (i < n) body(Part{i, n - i});
  }
  /// K sums over the row; body(at, add) calls add(k, term). In blocks, whose sums are added up in double.
  template <int K, class F>
  static inline void sums(int64_t n, double (&total)[K], F&& body) {
    for (double& t : total) t = 0;
    for (int64_t i = 0; i < n;) {
      const int64_t end = n - i > kBlock ? i + kBlock : n;
      V acc[K][U];
      for (auto& a : acc)
        for (V& v : a) v = one(0);
      for (; i + U * FB_W <= end; i += U * FB_W)
        for (int u = 0; u < U; u++) body(Whole{i + u * FB_W}, [&](int k, V v) { acc[k][u] = fb_add(acc[k][u], v); });
      for (; i + FB_W <= end; i += FB_W) body(Whole{i}, [&](int k, V v) { acc[k][0] = fb_add(acc[k][0], v); });
      if (i < end) {
        const Part at{i, end - i};
        body(at, [&](int k, V v) { acc[k][0] = fb_add(acc[k][0], at.chosen(v, one(0))); });
        i = end;
      }
      for (int k = 0; k < K; k++)
        total[k] += (double)fb_hsum(fb_add(fb_add(acc[k][0], acc[k][1]), fb_add(acc[k][2], acc[k][3])));
    }
  }
  template <class F>
  static inline double sum(int64_t n, F&& term) {
    double total[1];
    sums(n, total, [&](auto at, auto add) { add(0, term(at)); });
    return total[0];
  }
  /// The largest element that is a number: a row with a NaN becomes NaN by its sum.
  static inline V largest(int64_t n, In x) {
    V m[U];
    for (V& v : m) v = one(-__builtin_inf());
    int64_t i = 0;
    for (; i + U * FB_W <= n; i += U * FB_W)
      for (int u = 0; u < U; u++) m[u] = larger(Whole{i + u * FB_W}.load(x), m[u]);
    for (; i + FB_W <= n; i += FB_W) m[0] = larger(Whole{i}.load(x), m[0]);
    if (i < n) {
      const Part at{i, n - i};
      m[0] = at.chosen(larger(at.load(x), m[0]), m[0]);
    }
    return one((double)fb_hmax(larger(larger(m[0], m[1]), larger(m[2], m[3]))));
  }

  static void softmax(int64_t n, In x, char* work, char* y) {
    const V top = largest(n, x);
    char* e = work ? work : y;
    const V all = one(sum(n, [&](auto at) {
      const V v = fb_exp(fb_sub(at.load(x), top));
      at.store(e, v);
      return v;
    }));
    if (work)
      each(n, [&](auto at) { at.stream(y, fb_div(at.load(e), all)); });
    else
      each(n, [&](auto at) { at.store(y, fb_div(at.load(e), all)); });
    if (work) fb_stream_fence();
  }
  static void logSoftmax(int64_t n, In x, char* y) {
    const V top = largest(n, x);
    const V log = fb_log(one(sum(n, [&](auto at) { return fb_exp(fb_sub(at.load(x), top)); })));
    each(n, [&](auto at) { at.store(y, fb_sub(fb_sub(at.load(x), top), log)); });
  }
  static void softmaxBackward(int64_t n, In grad, In out, char* dx) {
    const V all = one(sum(n, [&](auto at) { return fb_mul(at.load(grad), at.load(out)); }));
    each(n, [&](auto at) {
      const V o = at.load(out);
      at.store(dx, fb_sub(fb_mul(at.load(grad), o), fb_mul(o, all)));
    });
  }
  static void logSoftmaxBackward(int64_t n, In grad, In out, char* dx) {
    const V all = one(sum(n, [&](auto at) { return at.load(grad); }));
    each(n, [&](auto at) { at.store(dx, fb_sub(at.load(grad), fb_mul(fb_exp(at.load(out)), all))); });
  }

  /// Mean and reciprocal standard deviation in every lane.
  struct Moments {
    V mean, rstd;
    Moments(int64_t n, In x, double eps) {
      mean = one(sum(n, [&](auto at) { return at.load(x); }) / (double)n);
      const V m = mean;
      const V var = one(sum(n,
                            [&](auto at) {
                              const V c = fb_sub(at.load(x), m);
                              return fb_mul(c, c);
                            }) /
                        (double)n);
      rstd = fb_rsqrt(fb_add(var, one(eps)));
    }
  };
  static void layerNorm(int64_t n, In x, In weight, In bias, double eps, bool stream, char* y) {
    const Moments s(n, x, eps);
    const auto row = [&](auto put, auto scaled, auto shifted) {
      each(n, [&](auto at) {
        V v = fb_mul(fb_sub(at.load(x), s.mean), s.rstd);
        if (scaled.value) v = fb_mul(v, at.load(weight));
        if (shifted.value) v = fb_add(v, at.load(bias));
        put(at, v);
      });
    };
    const auto all = [&](auto put) {
      if (weight && bias)
        row(put, Yes{}, Yes{});
      else if (weight)
        row(put, Yes{}, No{});
      else if (bias)
        row(put, No{}, Yes{});
      else
        row(put, No{}, No{});
    };
    if (stream) {
      all([&](auto at, V v) { at.stream(y, v); });
      fb_stream_fence();
    } else {
      all([&](auto at, V v) { at.store(y, v); });
    }
  }
  static void layerNormBackward(int64_t n, In grad, In x, In weight, double eps, char* dx, char* dweight, char* dbias) {
    const Moments s(n, x, eps);
    if (dx) {
      const auto row = [&](auto scaled) {
        const auto gradOf = [&](auto at) {
          return scaled.value ? fb_mul(at.load(grad), at.load(weight)) : at.load(grad);
        };
        const auto normal = [&](auto at) { return fb_mul(fb_sub(at.load(x), s.mean), s.rstd); };
        double total[2];
        sums(n, total, [&](auto at, auto add) {
          const V g = gradOf(at);
          add(0, g);
          add(1, fb_mul(g, normal(at)));
        });
        const V mean = one(total[0] / (double)n), slope = one(total[1] / (double)n);
        each(n, [&](auto at) {
          at.store(dx, fb_mul(s.rstd, fb_sub(fb_sub(gradOf(at), mean), fb_mul(normal(at), slope))));
        });
      };
      if (weight)
        row(Yes{});
      else
        row(No{});
    }
    if (dweight)
      each(n, [&](auto at) {
        const V normal = fb_mul(fb_sub(at.load(x), s.mean), s.rstd);
        at.store(dweight, fb_add(at.load(dweight), fb_mul(at.load(grad), normal)));
      });
    if (dbias) each(n, [&](auto at) { at.store(dbias, fb_add(at.load(dbias), at.load(grad))); });
  }
  static void sumRows(int64_t n, int64_t count, In from, char* to) {
    each(n, [&](auto at) {
      f64v total = fb_splat_f64(0);
      for (int64_t k = 0; k < count; k++) total = fb_add(total, wide(at.load(from + k * n * T::size)));
      at.store(to, narrow(V{}, total));
    });
  }
  static constexpr cpu::RowKernels table = {softmax,   logSoftmax,        softmaxBackward, logSoftmaxBackward,
                                            layerNorm, layerNormBackward, sumRows};

 private:
  struct Yes {
    static constexpr bool value = true;
  };
  struct No {
    static constexpr bool value = false;
  };
  static inline f64v wide(f32v v) { return fb_cvt_f32_f64(v); }
  static inline f64v wide(f64v v) { return v; }
  static inline f32v narrow(f32v, f64v v) { return fb_cvt_f64_f32(v); }
  static inline f64v narrow(f64v, f64v v) { return v; }
};

}  // namespace
}  // namespace flambeau::kernels::FB_ISA

namespace flambeau::cpu {
extern const RowKernels FB_ISA_NAME(rowKernelsF32);
extern const RowKernels FB_ISA_NAME(rowKernelsF64);
const RowKernels FB_ISA_NAME(rowKernelsF32) = kernels::FB_ISA::Rows<kernels::FB_ISA::f32>::table;
const RowKernels FB_ISA_NAME(rowKernelsF64) = kernels::FB_ISA::Rows<kernels::FB_ISA::f64>::table;
}  // namespace flambeau::cpu
