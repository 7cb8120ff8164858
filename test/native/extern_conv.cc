// Convolutions against the definition: 1 to 3 dimensions, groups, dilation, stride, padding, transposed, gradients;
// both libraries.
#include "cpu/conv.h"
#include "driver_test.h"
#include "extern_kernels.h"
#include "flambeau/parallel.h"

using namespace flambeau;
using namespace flambeau::testing;
using cpu::ConvSpec;

namespace {

// The three sums straight from the definition, in doubles.
std::vector<double> naive(const ConvSpec& s, const Tensor& a, const Tensor& b, const Tensor& bias) {
  const int64_t pixels = s.pixels(), depth = s.depth(), outGroup = s.outChannels / s.groups,
                inGroup = s.channels / s.groups;
  const bool forward = s.kind == ConvSpec::Kind::Forward, input = s.kind == ConvSpec::Kind::BackwardInput;
  std::vector<double> out(static_cast<size_t>(forward ? s.batch * s.outChannels * pixels
                                              : input ? s.batch * s.channels * s.inPixels()
                                                      : s.outChannels * depth));
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t o = 0; o < s.outChannels; ++o)
      for (int64_t q = 0; q < pixels; ++q) {
        const int64_t y = (n * s.outChannels + o) * pixels + q;
        if (forward && bias.defined()) out[y] += at(bias, o);
        for (int64_t t = 0; t < depth; ++t) {
          const int64_t kw = t % s.kernel[2], kh = t / s.kernel[2] % s.kernel[1],
                        kd = t / (s.kernel[2] * s.kernel[1]) % s.kernel[0];
          const int64_t w = q % s.out[2] * s.stride[2] + kw * s.dilation[2] - s.pad[2],
                        h = q / s.out[2] % s.out[1] * s.stride[1] + kh * s.dilation[1] - s.pad[1];
          const int64_t d = q / (s.out[2] * s.out[1]) * s.stride[0] + kd * s.dilation[0] - s.pad[0];
          if (w < 0 || h < 0 || d < 0 || w >= s.in[2] || h >= s.in[1] || d >= s.in[0]) continue;
          const int64_t x =
              ((n * s.channels + o / outGroup * inGroup + t / s.taps()) * s.in[0] + d) * s.in[1] * s.in[2] +
              h * s.in[2] + w;
          if (forward)
            out[y] += at(a, x) * at(b, o * depth + t);
          else if (input)
            out[x] += at(a, y) * at(b, o * depth + t);
          else
            out[o * depth + t] += at(a, y) * at(b, x);
        }
        if (forward && s.relu) out[y] = std::max(out[y], 0.0);
      }
  return out;
}

Tensor small(int64_t n, DType t, Random& rng) {
  Tensor x = emptyTensor(Dims{n}, t);
  for (int64_t i = 0; i < n; ++i) storeScalar(address(x, i), t, Scalar(rng.below(7) - 3));
  return x;
}

void checkSpec(const ConvSpec& s, Random& rng) {
  const int64_t nx = s.batch * s.channels * s.inPixels(), nw = s.outChannels * s.depth(),
                ny = s.batch * s.outChannels * s.pixels();
  const bool forward = s.kind == ConvSpec::Kind::Forward, input = s.kind == ConvSpec::Kind::BackwardInput;
  const Tensor a = small(forward ? nx : ny, s.dtype, rng),
               b = small(s.kind == ConvSpec::Kind::BackwardWeight ? nx : nw, s.dtype, rng);
  const Tensor bias = s.bias ? small(s.outChannels, s.dtype, rng) : Tensor();
  const std::vector<double> want = naive(s, a, b, bias);
  for (int way = 0; way < 7; ++way) {
    const Ref<cpu::ConvPlan> plan = way == 0                    ? cpu::planConv(s)
                                    : way == 1                  ? cpu::planOwnConv(s)
                                    : way == 2                  ? cpu::planPointwiseConv(s)
                                    : way == 3                  ? cpu::planPackedConv(s)
                                    : way == 4                  ? cpu::planWindowConv(s, true)
                                    : way == 5                  ? cpu::planDepthwiseConv(s)
                                    : s.dtype == DType::Float32 ? cpu::planOneDnnConv(s)
                                                                : Ref<cpu::ConvPlan>();
    if (!plan) continue;
    const Tensor out = small(forward ? ny : input ? nx : nw, s.dtype, rng);
    const void* add = bias.defined() ? bias.data() : nullptr;
    // Filters in the plan's own form give the same results.
    if (plan->packedFloats() && rng.below(2)) {
      const Tensor packed = emptyTensor(Dims{plan->packedFloats()}, DType::Float32);
      plan->pack(b.data(), packed.data());
      plan->runPacked(a.data(), packed.data(), add, out.data());
    } else {
      plan->run(a.data(), b.data(), add, out.data());
    }
    int bad = 0;
    for (size_t i = 0; i < want.size(); ++i)
      bad += !check::close(at(out, static_cast<int64_t>(i)), want[i], 1e-5, 1e-3);
    CHECK_EQ(bad, 0);
    if (bad)
      std::fprintf(stderr, "  %s kind %d in %lldx%lldx%lld out width %lld\n", plan->via(), int(s.kind),
                   (long long)s.in[0], (long long)s.in[1], (long long)s.in[2], (long long)s.out[2]);
  }
}

constexpr int64_t kUnit[1] = {1}, kNone[1] = {0};

}  // namespace

TEST(random) {
  Random rng;
  for (int round = 0; round < 400; ++round) {
    ConvSpec s;
    s.kind = static_cast<ConvSpec::Kind>(rng.below(3));
    s.dtype = rng.below(4) ? DType::Float32 : rng.below(2) ? DType::Float64 : DType::Int64;
    s.batch = 1 + rng.below(3);
    s.groups = rng.below(3) ? 1 : 1 + rng.below(3);
    s.channels = s.groups * (1 + rng.below(4));
    s.outChannels = s.groups * (1 + rng.below(8));
    const int64_t first = rng.below(5) == 0 ? 0 : rng.below(4) == 0 ? 2 : 1;
    bool fits = true;
    for (int64_t d = first; d < 3; ++d) {
      s.kernel[d] = 1 + rng.below(5);
      s.stride[d] = rng.below(2) ? 1 : 1 + rng.below(3);
      s.dilation[d] = rng.below(3) ? 1 : 1 + rng.below(2);
      s.pad[d] = rng.below(2) ? 0 : rng.below(4);
      // Half of the rounds have rows of whole chunks, which take the direct way.
      s.in[d] = rng.below(2) && s.stride[d] == 1
                    ? 8 * (1 + rng.below(d == 2 ? 4 : 1)) + s.dilation[d] * (s.kernel[d] - 1) - 2 * s.pad[d]
                    : 1 + rng.below(12);
      const int64_t room = s.in[d] + 2 * s.pad[d] - s.dilation[d] * (s.kernel[d] - 1) - 1;
      fits &= room >= 0 && s.in[d] > 0;
      s.out[d] = room / s.stride[d] + 1;
    }
    if (!fits) continue;
    s.bias = s.kind == ConvSpec::Kind::Forward && rng.below(2);
    s.relu = s.kind == ConvSpec::Kind::Forward && isFloating(s.dtype) && rng.below(2);
    checkSpec(s, rng);
  }
}

TEST(depthwise) {
  Random rng;
  for (int round = 0; round < 120; ++round) {
    ConvSpec s;
    s.batch = 1 + rng.below(2);
    s.groups = s.channels = 1 + rng.below(4);
    s.outChannels = s.groups * (1 + rng.below(2));
    for (int64_t d = rng.below(3) ? 1 : 2; d < 3; ++d) {
      s.kernel[d] = 1 + rng.below(7);
      s.dilation[d] = rng.below(3) ? 1 : 2;
      s.pad[d] = rng.below(4);
      const int64_t span = s.dilation[d] * (s.kernel[d] - 1) + 1;
      s.in[d] = std::max<int64_t>(1, span - 2 * s.pad[d]) + rng.below(d == 2 ? 120 : 12);
      s.out[d] = s.in[d] + 2 * s.pad[d] - span + 1;
    }
    s.bias = rng.below(2);
    s.relu = rng.below(2);
    checkSpec(s, rng);
  }
}

TEST(pointwiseGroups) {
  Random rng;
  for (int64_t batch : {1, 3})
    for (int64_t groups : {1, 2, 4})
      for (int64_t width : {1, 7, 16}) {
        ConvSpec s;
        s.batch = batch;
        s.groups = groups;
        s.channels = groups * (8 + rng.below(20));
        s.outChannels = groups * (8 + rng.below(20));
        s.in = s.out = {1, 5, width};
        s.bias = rng.below(2);
        s.relu = rng.below(2);
        CHECK(static_cast<bool>(cpu::planPointwiseConv(s)));
        checkSpec(s, rng);
      }
}

// An image in blocks of 16 channels and back: position of element `i`.
int64_t blockAt(int64_t i, int64_t channels, int64_t pixels) {
  const int64_t n = i / (channels * pixels), c = i / pixels % channels, p = i % pixels;
  return ((n * channels + c / 16 * 16) * pixels) + p * 16 + c % 16;
}

TEST(blockedImages) {
  Random rng;
  for (int round = 0; round < 24; ++round) {
    ConvSpec s;
    s.batch = 1 + rng.below(2);
    s.blockedIn = round % 3 != 0;
    s.blockedOut = round % 3 != 1;
    s.channels = s.blockedIn ? 16 * (1 + rng.below(3)) : 3;
    s.outChannels = s.blockedOut ? 16 * (1 + rng.below(3)) : 20;
    if (s.blockedIn && s.blockedOut && rng.below(2)) s.groups = s.outChannels = s.channels;
    const int64_t k = 1 + 2 * rng.below(2);
    s.kernel = {1, k, k};
    s.pad = {0, k / 2, k / 2};
    s.stride = {1, 1 + rng.below(2), 1};
    s.in = {1, 1 + rng.below(9), 3 + rng.below(12)};
    s.out = {1, (s.in[1] - 1) / s.stride[1] + 1, s.in[2]};
    s.bias = rng.below(2);
    s.relu = rng.below(2);
    const int64_t nx = s.batch * s.channels * s.inPixels(), ny = s.batch * s.outChannels * s.pixels();
    const Tensor x = small(nx, s.dtype, rng), w = small(s.outChannels * s.depth(), s.dtype, rng);
    const Tensor bias = s.bias ? small(s.outChannels, s.dtype, rng) : Tensor();
    const std::vector<double> want = naive(s, x, w, bias);
    const Tensor in = small(nx, s.dtype, rng);
    for (int64_t i = 0; i < nx; ++i)
      in.ptr<float>()[s.blockedIn ? blockAt(i, s.channels, s.inPixels()) : i] = x.ptr<float>()[i];
    for (const Ref<cpu::ConvPlan>& plan : {cpu::planConv(s), cpu::planOneDnnConv(s), cpu::planUnblockedConv(s)}) {
      if (!plan) continue;
      const Tensor out = small(ny, s.dtype, rng);
      plan->run(in.data(), w.data(), bias.defined() ? bias.data() : nullptr, out.data());
      int bad = 0;
      for (int64_t i = 0; i < ny; ++i)
        bad += !check::close(at(out, s.blockedOut ? blockAt(i, s.outChannels, s.pixels()) : i),
                             want[static_cast<size_t>(i)], 1e-5, 1e-3);
      CHECK_EQ(bad, 0);
    }
  }
}

TEST(lenetShapes) {
  Random rng;
  for (int64_t batch : {1, 3, 64})
    for (int kind = 0; kind < 3; ++kind)
      for (int layer = 0; layer < 2; ++layer) {
        ConvSpec s;
        s.kind = static_cast<ConvSpec::Kind>(kind);
        s.batch = batch;
        s.channels = layer ? 6 : 1;
        s.outChannels = layer ? 16 : 6;
        s.in = {1, layer ? 12 : 28, layer ? 12 : 28};
        s.kernel = {1, 5, 5};
        s.out = {1, layer ? 8 : 24, layer ? 8 : 24};
        if (batch == 64 && !layer) continue;
        checkSpec(s, rng);
      }
}

// Gradients of garbage-free neighbours: values outside the image must not leak in as 0 * inf.
TEST(infiniteNeighbours) {
  ConvSpec s;
  s.kind = ConvSpec::Kind::BackwardWeight;
  s.batch = 1;
  s.channels = 1;
  s.outChannels = 1;
  s.in = {1, 3, 9};
  s.kernel = {1, 2, 2};
  s.out = {1, 2, 8};
  std::vector<float> dy(17, INFINITY), x(28, INFINITY), dw(4);
  std::fill_n(dy.data(), 16, 0.0f);
  std::fill_n(x.data(), 27, 1.0f);
  cpu::planOwnConv(s)->run(dy.data(), x.data(), nullptr, dw.data());
  for (float v : dw) CHECK_EQ(v, 0.0f);
}

TEST(opsAndTransposed) {
  Random rng;
  for (int round = 0; round < 80; ++round) {
    const size_t nd = static_cast<size_t>(1 + rng.below(3));
    const int64_t groups = 1 + rng.below(2), cin = groups * (1 + rng.below(3)), cout = groups * (1 + rng.below(3)),
                  batch = rng.below(8) ? 1 + rng.below(2) : 0;
    const DType t = rng.below(3) ? DType::Float32 : rng.below(2) ? DType::Float64 : DType::BFloat16;
    Dims stride, pad, dil, none, xs{batch, cin}, ws{cin, cout / groups};
    for (size_t d = 0; d < nd; ++d) {
      stride.push_back(1 + rng.below(3));
      dil.push_back(1 + rng.below(2));
      ws.push_back(1 + rng.below(3));
      pad.push_back(rng.below(2));
      none.push_back(rng.below(std::max(stride[d], dil[d])));
      xs.push_back(3 + rng.below(4));
    }
    const Tensor x = randomLayout(xs, t, rng), w = randomLayout(ws, t, rng), b = randomLayout(Dims{cout}, t, rng);
    const Tensor y = cpu::convolution(x, w, b, stride, pad, dil, true, none, groups);
    // <convT(x) - bias, g> = <x, conv(g)>: the transposed convolution is the adjoint of the plain one.
    const Tensor g = randomLayout(Dims(y.sizes()), t, rng);
    const Tensor back = cpu::convolution(g, w, {}, stride, pad, dil, false, none, groups);
    const Tensor gx = cpu::convolutionBackwardInput(g, w, xs, stride, pad, dil, true, none, groups);
    const Tensor gw = cpu::convolutionBackwardWeight(g, x, ws, stride, pad, dil, true, none, groups);
    CHECK_EQ(Dims(gx.sizes()), xs);
    CHECK_EQ(Dims(gw.sizes()), ws);
    double left = 0, right = 0, viaInput = 0, viaWeight = 0;
    const int64_t plane = y.numel() ? y.numel() / (y.sizes()[0] * cout) : 1;
    for (int64_t i = 0; i < y.numel(); ++i) left += (at(y, i) - at(b, i / plane % cout)) * at(g, i);
    for (int64_t i = 0; i < gx.numel(); ++i) viaInput += at(gx, i) * at(x, i);
    for (int64_t i = 0; i < gw.numel(); ++i) viaWeight += at(gw, i) * at(w, i);
    if (Dims(back.sizes()) == xs)
      for (int64_t i = 0; i < back.numel(); ++i) right += at(back, i) * at(x, i);
    else
      right = left;
    const double tolerance = t == DType::BFloat16 ? 2e-2 : 1e-5;
    CHECK_CLOSE(right, left, tolerance, 1);
    CHECK_CLOSE(viaInput, left, tolerance, 1);
    CHECK_CLOSE(viaWeight, left, tolerance, 1);
  }
  const Tensor image = cpu::full(Dims{3, 8, 8}, Scalar(1), DType::Float32),
               filter = cpu::full(Dims{4, 3, 3, 3}, Scalar(1), DType::Float32);
  constexpr int64_t one[1] = {1}, zero[1] = {0};
  CHECK_EQ(Dims(cpu::convolution(image, filter, {}, one, zero, one, false, zero, 1).sizes()), (Dims{4, 6, 6}));
}

TEST(twoThreads) {
  Random rng;
  for (int kind = 0; kind < 3; ++kind) {
    ConvSpec s;
    s.kind = static_cast<ConvSpec::Kind>(kind);
    s.batch = 64;
    s.channels = 6;
    s.outChannels = 16;
    s.in = {1, 12, 12};
    s.kernel = {1, 5, 5};
    s.out = {1, 8, 8};
    setNumThreads(2);
    checkSpec(s, rng);
    setNumThreads(1);
  }
}

TEST(messages) {
  const auto f = [](Dims d, DType t = DType::Float32) { return cpu::full(d, Scalar(1), t); };
  constexpr int64_t one[1] = {1}, zero[1] = {0}, minus[1] = {-1}, three[3] = {1, 1, 1}, two[1] = {2};
  const auto conv = [&](const Tensor& x, const Tensor& w, const Tensor& b = {}, IntSpan stride = kUnit,
                        IntSpan pad = kNone, IntSpan dil = kUnit, int64_t groups = 1) {
    return cpu::convolution(x, w, b, stride, pad, dil, false, zero, groups);
  };
  const Tensor x = f({1, 3, 8, 8}), w = f({4, 3, 3, 3});
  CHECK_THROWS(conv(f({3, 3}), w),
               "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [3, 3]");
  CHECK_THROWS(conv(x, f({4, 2, 3, 3})),
               "Given groups=1, weight of size [4, 2, 3, 3], expected input[1, 3, 8, 8] to have 2 channels, but got 3 "
               "channels instead");
  CHECK_THROWS(conv(f({1, 4, 8, 8}), f({3, 2, 3, 3}), {}, one, zero, one, 2),
               "Given groups=2, expected weight to be divisible by 2 at dimension 0");
  CHECK_THROWS(conv(f({1, 3, 2, 2}), w),
               "Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size can't be greater "
               "than actual input size");
  CHECK_THROWS(conv(x, w, f({5})),
               "Given weight of size [4, 3, 3, 3], expected bias to be 1-dimensional with 4 elements, but got bias of "
               "size [5] instead");
  CHECK_THROWS(conv(x, f({4, 3, 3, 3}, DType::Float64)), "expected scalar type Float but found Double");
  CHECK_THROWS(conv(x, w, {}, zero), "non-positive stride is not supported");
  CHECK_THROWS(conv(x, w, {}, one, minus), "negative padding is not supported");
  CHECK_THROWS(conv(x, w, {}, one, zero, zero), "dilation should be greater than zero");
  CHECK_THROWS(conv(x, w, {}, three),
               "expected stride to be a single integer value or a list of 2 values to match the convolution "
               "dimensions, but got stride=[1, 1, 1]");
  CHECK_THROWS(cpu::convolution(x, f({3, 4, 3, 3}), {}, one, zero, one, true, two, 1),
               "output padding must be smaller than either stride or dilation");
}

TEST_MAIN()
