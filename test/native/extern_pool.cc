// Pooling against the definition, with padding, dilation, ceil mode, NaN; gradients as adjoints; PyTorch's messages.
#include "driver_test.h"
#include "extern_kernels.h"

using namespace flambeau;
using namespace flambeau::testing;

namespace {

Tensor noise(Dims shape, DType t, Random& rng) {
  const Tensor x = randomLayout(shape, t, rng, false);
  for (int64_t i = 0; i < x.numel(); ++i)
    storeScalar(address(x, i), t, Scalar(static_cast<double>(rng.below(64)) / 8 - 4));
  return x;
}

}  // namespace

TEST(maxPool) {
  Random rng;
  for (int round = 0; round < 300; ++round) {
    const DType t = rng.below(2) ? DType::Float32 : static_cast<DType>(rng.below(4));
    const bool fast = rng.below(2);
    const Dims kernel{fast ? 2 : 1 + rng.below(4), fast ? 2 : 1 + rng.below(4)},
        stride = fast ? Dims{} : Dims{1 + rng.below(3), 1 + rng.below(3)};
    const Dims pad = fast ? Dims{0, 0} : Dims{rng.below(kernel[0] / 2 + 1), rng.below(kernel[1] / 2 + 1)},
               dil = fast ? Dims{1} : Dims{1 + rng.below(2), 1 + rng.below(2)};
    const bool ceilMode = !fast && rng.below(2);
    Dims shape{1 + rng.below(2), 1 + rng.below(3), 8 + rng.below(60), 8 + rng.below(60)};
    if (rng.below(4) == 0) shape.erase(0);
    const Tensor x = noise(shape, t, rng);
    if (rng.below(3) == 0) storeScalar(address(x, rng.below(x.numel())), t, Scalar(NAN));
    const auto [y, ix] = cpu::maxPoolNd(x, kernel, stride, pad, dil, ceilMode);
    const int64_t nd = x.dim(), inH = shape[static_cast<size_t>(nd - 2)], inW = shape[static_cast<size_t>(nd - 1)],
                  oh = y.size(-2), ow = y.size(-1);
    const int64_t sh = stride.empty() ? 2 : stride[0], sw = stride.empty() ? 2 : stride[1], dh = dil[0],
                  dw = dil.back();
    int bad = 0;
    for (int64_t i = 0; i < y.numel(); ++i) {
      const int64_t plane = i / (oh * ow) * inH * inW, r = i / ow % oh * sh - pad[0], c = i % ow * sw - pad[1];
      double best = -INFINITY;
      int64_t where = -1;
      for (int64_t kh = 0; kh < kernel[0]; ++kh)
        for (int64_t kw = 0; kw < kernel[1]; ++kw) {
          const int64_t h = r + kh * dh, w = c + kw * dw;
          if (h < 0 || w < 0 || h >= inH || w >= inW) continue;
          const double v = at(x, plane + h * inW + w);
          if (where < 0 || v > best || std::isnan(v)) best = v, where = h * inW + w;
        }
      bad += !check::close(at(y, i), best, 0, 0) || static_cast<int64_t>(at(ix, i)) != where;
    }
    CHECK_EQ(bad, 0);
    const Tensor g = noise(Dims(y.sizes()), t, rng), dx = cpu::maxPoolNdBackward(g, ix, shape, 2);
    std::vector<double> want(static_cast<size_t>(x.numel()));
    for (int64_t i = 0; i < g.numel(); ++i)
      want[static_cast<size_t>(i / (oh * ow) * inH * inW + static_cast<int64_t>(at(ix, i)))] += at(g, i);
    for (int64_t i = 0; i < dx.numel(); ++i)
      bad += !check::close(at(dx, i), want[static_cast<size_t>(i)], t == DType::BFloat16 ? 2e-2 : 1e-3, 0);
    CHECK_EQ(bad, 0);
  }
}

TEST(averagePool) {
  Random rng;
  for (int round = 0; round < 200; ++round) {
    const Dims kernel{1 + rng.below(4), 1 + rng.below(4)}, stride{1 + rng.below(3), 1 + rng.below(3)},
        pad{rng.below(kernel[0] / 2 + 1), rng.below(kernel[1] / 2 + 1)};
    const bool ceilMode = rng.below(2), count = rng.below(2);
    const std::optional<int64_t> divisor = rng.below(3) ? std::nullopt : std::optional<int64_t>(3);
    const Dims shape{2, 1 + rng.below(3), 5 + rng.below(9), 5 + rng.below(9)};
    const Tensor x = noise(shape, DType::Float64, rng);
    const Tensor y = cpu::avgPoolNd(x, kernel, stride, pad, ceilMode, count, divisor);
    const int64_t oh = y.size(2), ow = y.size(3), inH = shape[2], inW = shape[3];
    for (int64_t i = 0; i < y.numel(); ++i) {
      const int64_t plane = i / (oh * ow) * inH * inW, r = i / ow % oh * stride[0] - pad[0],
                    c = i % ow * stride[1] - pad[1];
      double sum = 0, inside = 0, padded = 0;
      for (int64_t h = r; h < r + kernel[0]; ++h)
        for (int64_t w = c; w < c + kernel[1]; ++w) {
          padded += h < inH + pad[0] && w < inW + pad[1];
          if (h < 0 || w < 0 || h >= inH || w >= inW) continue;
          sum += at(x, plane + h * inW + w);
          ++inside;
        }
      CHECK_CLOSE(at(y, i), inside ? sum / (divisor ? 3 : count ? padded : inside) : 0, 1e-12, 0);
    }
    // The gradient is the adjoint.
    const Tensor g = noise(Dims(y.sizes()), DType::Float64, rng),
                 dx = cpu::avgPoolNdBackward(g, shape, kernel, stride, pad, ceilMode, count, divisor);
    double left = 0, right = 0;
    for (int64_t i = 0; i < y.numel(); ++i) left += at(y, i) * at(g, i);
    for (int64_t i = 0; i < x.numel(); ++i) right += at(x, i) * at(dx, i);
    CHECK_CLOSE(left, right, 1e-9, 1e-9);
    const Dims target{1 + rng.below(7), 1 + rng.below(7)};
    const Tensor a = cpu::adaptiveAvgPoolNd(x, target), ga = noise(Dims(a.sizes()), DType::Float64, rng),
                 dxa = cpu::adaptiveAvgPoolNdBackward(ga, shape, 2);
    left = right = 0;
    for (int64_t i = 0; i < a.numel(); ++i) {
      left += at(a, i) * at(ga, i);
      const int64_t p = i / (target[0] * target[1]), r = i / target[1] % target[0], c = i % target[1];
      double sum = 0;
      int64_t n = 0;
      for (int64_t h = r * inH / target[0]; h < ((r + 1) * inH + target[0] - 1) / target[0]; ++h)
        for (int64_t w = c * inW / target[1]; w < ((c + 1) * inW + target[1] - 1) / target[1]; ++w, ++n)
          sum += at(x, p * inH * inW + h * inW + w);
      CHECK_CLOSE(at(a, i), sum / static_cast<double>(n), 1e-12, 0);
    }
    for (int64_t i = 0; i < x.numel(); ++i) right += at(x, i) * at(dxa, i);
    CHECK_CLOSE(left, right, 1e-9, 1e-9);
  }
  CHECK(cpu::avgPoolNd(cpu::full(Dims{1, 1, 4, 4}, Scalar(3), DType::Int64), Dims{2, 2}, Dims{}, Dims{0}, false, true,
                       std::nullopt)
            .dtype() == DType::Int64);
}

TEST(messages) {
  const auto f = [](Dims d, DType t = DType::Float32) { return cpu::full(d, Scalar(1), t); };
  const auto pool = [](const Tensor& x, Dims k, Dims s = {}, Dims p = {0}, Dims d = {1}) {
    return cpu::maxPoolNd(x, k, s, p, d, false);
  };
  CHECK_EQ(Dims(std::get<0>(pool(f({0, 3, 8, 8}), {2, 2})).sizes()), (Dims{0, 3, 4, 4}));
  CHECK_EQ(Dims(std::get<0>(pool(f({3, 8}), {2})).sizes()), (Dims{3, 4}));
  CHECK_EQ(Dims(std::get<0>(pool(f({2, 3, 4, 6, 8}), {2, 3, 4})).sizes()), (Dims{2, 3, 2, 2, 2}));
  CHECK_THROWS(
      pool(f({3, 3}), {2, 2}),
      "max_pool2d: Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:[3, 3]");
  CHECK_THROWS(pool(f({1, 3, 1, 1}), {2, 2}),
               "Given input size: (3x1x1). Calculated output size: (3x0x0). Output size is too small");
  CHECK_THROWS(pool(f({1, 3, 8, 8}), {2, 2}, {}, {2}),
               "pad should be at most half of kernel size, but got pad=2 and kernel_size=2");
  CHECK_THROWS(pool(f({1, 3, 8, 8}), {2, 2}, {0}), "stride should not be zero");
  CHECK_THROWS(pool(f({1, 3, 8, 8}), {2, 2}, {1, 1, 1}),
               "max_pool2d: stride must either be a single int, or a tuple of two ints");
  CHECK_THROWS(pool(f({1, 3, 8, 8}), {2, 2}, {}, {0}, {0}),
               "dilation should be greater than zero, but got dilationH: 0 dilationW: 0");
  CHECK_THROWS(pool(f({1, 3, 8, 8}, DType::Bool), {2, 2}), "\"max_pool\" not implemented for 'Bool'");
  CHECK_THROWS(pool(f({1, 0, 8, 8}), {2, 2}),
               "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:[1, 0, 8, 8]");
  CHECK_THROWS(cpu::avgPoolNd(f({1, 3, 8, 8}), Dims{2, 2}, Dims{}, Dims{0}, false, true, 0),
               "divisor must be not zero");
  CHECK_THROWS(cpu::adaptiveAvgPoolNd(f({3, 3}), Dims{2, 2}),
               "adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got [3, 3]");
  CHECK_THROWS(cpu::adaptiveAvgPoolNd(f({1, 3, 0, 3}), Dims{2, 2}),
               "Expected input to have non-zero size for non-batch dimensions");
  CHECK_THROWS(
      cpu::maxPoolNdBackward(f({1, 1, 1}), cpu::full(Dims{1, 1, 1}, Scalar(9), DType::Int64), Dims{1, 2, 2}, 2),
      "index 9 is out of bounds");
}

TEST_MAIN()
