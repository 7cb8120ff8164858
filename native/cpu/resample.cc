// Interpolation of any number of spatial dimensions, one after the other: an output is a weighted sum of inputs along
// its line. Every mode is a table of weights, and the gradient applies the same table the other way round. Source of
// the rules: aten/src/ATen/native/UpSample.h, cpu/UpSampleKernel.cpp of PyTorch.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/extern_common.h"
#include "cpu/scratch.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

// Output o of a line reads index[k] with weight[k] for k in [first[o], first[o + 1]).
struct Taps {
  int64_t in = 0, out = 0;
  std::vector<int64_t> first{0}, index;
  std::vector<double> weight;
  void add(int64_t i, double w) {
    index.push_back(std::clamp<int64_t>(i, 0, in - 1));
    weight.push_back(w);
  }
  void close() { first.push_back(static_cast<int64_t>(index.size())); }
  /// Taps of an output, 0 where their numbers differ.
  int64_t each() const {
    for (int64_t n : {1, 2}) {
      bool all = static_cast<int64_t>(index.size()) == n * out;
      for (int64_t o = 0; all && o <= out; ++o) all = first[o] == n * o;
      if (all) return n;
    }
    return 0;
  }
};

// PyTorch computes places in the precision of the values (R): which input is nearest depends on it.
template <class R>
R stepOf(int64_t in, int64_t out, bool alignCorners, double factor) {
  if (alignCorners) return out > 1 ? static_cast<R>(in - 1) / static_cast<R>(out - 1) : R(0);
  return factor > 0 ? static_cast<R>(1.0 / factor) : static_cast<R>(in) / static_cast<R>(out);
}

template <class R>
double cubicNear(R x, R a) {
  return static_cast<double>(((a + 2) * x - (a + 3)) * x * x + 1);
}
template <class R>
double cubicFar(R x, R a) {
  return static_cast<double>(((a * x - 5 * a) * x + 8 * a) * x - 4 * a);
}

template <class R>
void smooth(Taps& t, bool cubic, R step) {
  // Windows as wide as the step, so that every input counts when shrinking.
  const R half = cubic ? R(2) : R(1), support = step >= 1 ? half * step : half, inverse = step >= 1 ? 1 / step : R(1);
  for (int64_t o = 0; o < t.out; ++o) {
    const R center = step * (static_cast<R>(o) + R(0.5));
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(center - support + R(0.5)), 0),
                  end = std::min<int64_t>(static_cast<int64_t>(center + support + R(0.5)), t.in);
    std::vector<R> w;
    R total = 0;
    for (int64_t i = begin; i < end; ++i) {
      const R x = std::abs((static_cast<R>(i) - center + R(0.5)) * inverse);
      R v = 0;
      if (!cubic)
        v = x < 1 ? 1 - x : R(0);
      else if (x < 1)
        v = static_cast<R>(cubicNear<R>(x, R(-0.5)));
      else if (x < 2)
        v = static_cast<R>(cubicFar<R>(x, R(-0.5)));
      w.push_back(v);
      total += v;
    }
    for (size_t k = 0; k < w.size(); ++k)
      t.add(begin + static_cast<int64_t>(k), static_cast<double>(total != 0 ? w[k] / total : w[k]));
    t.close();
  }
}

template <class R>
Taps tapsOf(int64_t in, int64_t out, std::string_view mode, bool alignCorners, double factor, bool antialias) {
  Taps t;
  t.in = in;
  t.out = out;
  const R step = stepOf<R>(in, out, alignCorners, factor);
  const bool cubic = mode == "cubic";
  if (antialias) {
    smooth<R>(t, cubic, step);
    return t;
  }
  for (int64_t o = 0; o < out; ++o) {
    if (mode == "nearest") {
      t.add(static_cast<int64_t>(std::floor(static_cast<R>(o) * step)), 1);
    } else if (mode == "nearest-exact") {
      t.add(static_cast<int64_t>(std::floor((static_cast<R>(o) + R(0.5)) * step)), 1);
    } else {
      R at = alignCorners ? step * static_cast<R>(o) : step * (static_cast<R>(o) + R(0.5)) - R(0.5);
      if (!cubic) at = std::max(at, R(0));
      const R floor = std::floor(at);
      int64_t i = static_cast<int64_t>(floor);
      if (cubic) {
        const R x = at - floor, a = R(-0.75);
        t.add(i - 1, cubicFar<R>(x + 1, a));
        t.add(i, cubicNear<R>(x, a));
        t.add(i + 1, cubicNear<R>(1 - x, a));
        t.add(i + 2, cubicFar<R>(2 - x, a));
      } else if (in == out) {
        t.add(o, 1);
      } else {
        i = std::min(i, in - 1);
        const R x = std::clamp<R>(at - static_cast<R>(i), 0, 1);
        t.add(i, static_cast<double>(1 - x));
        t.add(i + 1, static_cast<double>(x));
      }
    }
    t.close();
  }
  return t;
}

// Loops in pieces of a size that the compiler knows and makes vectors of.
template <class F>
void pieces(int64_t n, F f) {
  constexpr int kPiece = 16;
  int64_t i = 0;
  for (; i + kPiece <= n; i += kPiece)
    for (int l = 0; l < kPiece; ++l) f(i + l);
  for (; i < n; ++i) f(i);
}
template <class C>
void add(const C* __restrict from, C w, int64_t n, C* __restrict to) {
  pieces(n, [&](int64_t i) { to[i] += w * from[i]; });
}
template <class C>
void mix(const C* __restrict a, C v, const C* __restrict b, C w, int64_t n, C* __restrict to) {
  pieces(n, [&](int64_t i) { to[i] = v * a[i] + w * b[i]; });
}

// One dimension of a plane.
template <class C>
struct Pass {
  Taps taps;
  std::vector<C> weight;
  int64_t outer, inner, each;
  bool copies, doubled;  // every output is an input; output o is input o / 2

  Pass(Taps t, int64_t before, int64_t behind)
      : taps(std::move(t)),
        weight(taps.weight.begin(), taps.weight.end()),
        outer(before),
        inner(behind),
        each(taps.each()),
        copies(each == 1 && std::ranges::all_of(weight, [](C w) { return w == C(1); })),
        doubled(taps.out == 2 * taps.in) {
    for (int64_t o = 0; doubled && o < taps.out; ++o) doubled = each == 1 && taps.index[o] == o / 2;
  }

  int64_t size(bool forward) const { return outer * (forward ? taps.out : taps.in) * inner; }
  void run(bool forward, const C* x, C* y) const {
    const int64_t from = (forward ? taps.in : taps.out) * inner, to = (forward ? taps.out : taps.in) * inner;
    for (int64_t r = 0; r < outer; ++r, x += from, y += to) {
      if (!forward)
        adjoint(x, y);
      else if (inner == 1)
        line(x, y);
      else
        rows(x, y);
    }
  }

 private:
  void line(const C* x, C* y) const {
    const int64_t* at = taps.index.data();
    const C* w = weight.data();
    if (copies && doubled)
      pieces(taps.in, [&](int64_t i) { y[2 * i] = y[2 * i + 1] = x[i]; });
    else if (copies)
      for (int64_t o = 0; o < taps.out; ++o) y[o] = x[at[o]];
    else if (each == 2)
      for (int64_t o = 0; o < taps.out; ++o) y[o] = w[2 * o] * x[at[2 * o]] + w[2 * o + 1] * x[at[2 * o + 1]];
    else
      for (int64_t o = 0; o < taps.out; ++o) {
        C sum = 0;
        for (int64_t k = taps.first[o]; k < taps.first[o + 1]; ++k) sum += w[k] * x[at[k]];
        y[o] = sum;
      }
  }
  void rows(const C* x, C* y) const {
    for (int64_t o = 0; o < taps.out; ++o, y += inner) {
      const int64_t k = taps.first[o], end = taps.first[o + 1];
      const C* from = x + taps.index[k] * inner;
      if (copies) {
        std::copy_n(from, inner, y);
      } else if (each == 2) {
        mix(from, weight[k], x + taps.index[k + 1] * inner, weight[k + 1], inner, y);
      } else {
        std::fill_n(y, inner, C(0));
        for (int64_t j = k; j < end; ++j) add(x + taps.index[j] * inner, weight[j], inner, y);
      }
    }
  }
  void adjoint(const C* x, C* y) const {
    std::fill_n(y, taps.in * inner, C(0));
    for (int64_t o = 0; o < taps.out; ++o)
      for (int64_t k = taps.first[o]; k < taps.first[o + 1]; ++k)
        add(x + o * inner, weight[k], inner, y + taps.index[k] * inner);
  }
};

// `image` is the input's sizes, `size` the output's spatial ones. Plane by plane: what one dimension gives stays in the
// cache for the next, in the compute type.
template <class T>
void resampleAll(const Tensor& x, const Tensor& out, IntSpan image, IntSpan size, std::string_view mode,
                 bool alignCorners, std::span<const double> scales, bool antialias, bool forward) {
  using C = std::conditional_t<std::is_integral_v<T>, float, Compute<T>>;
  using R = std::conditional_t<std::is_same_v<C, double>, double, float>;
  const size_t nd = size.size();
  Dims plane(x.sizes().last(nd));
  const int64_t in = product(plane);
  std::vector<Pass<C>> passes;
  int64_t most = in;
  for (size_t k = nd; k-- > 0;) {
    const double factor = scales.size() == nd ? scales[k] : 0;
    Taps taps = tapsOf<R>(image[2 + k], size[k], mode, alignCorners, factor, antialias);
    const IntSpan all = plane;
    passes.emplace_back(std::move(taps), product(all.first(k)), product(all.last(nd - 1 - k)));
    plane[k] = forward ? passes.back().taps.out : passes.back().taps.in;
    most = std::max(most, product(plane));
  }
  const int64_t result = product(plane);
  const T* from = x.ptr<T>();
  T* to = out.ptr<T>();
  parallelFor(x.sizes()[0] * x.sizes()[1], std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, most)),
              [&](int64_t begin, int64_t end) {
                static thread_local Scratch work;
                C* rooms[2] = {work.get<C>(2 * most), nullptr};
                rooms[1] = rooms[0] + most;
                for (int64_t p = begin; p < end; ++p) {
                  const C* now = nullptr;
                  if constexpr (std::is_same_v<T, C>)
                    now = from + p * in;
                  else
                    now = std::copy_n(from + p * in, in, rooms[1]) - in;
                  for (size_t k = 0; k < passes.size(); ++k) {
                    C* next = rooms[k % 2];
                    if constexpr (std::is_same_v<T, C>)
                      if (k + 1 == passes.size()) next = to + p * result;
                    passes[k].run(forward, now, next);
                    now = next;
                  }
                  if constexpr (!std::is_same_v<T, C>)
                    std::transform(now, now + result, to + p * result, [](C v) { return static_cast<T>(v); });
                }
              });
}

Dims check(IntSpan image, IntSpan size) {
  FB_CHECK(image.size() >= 3 && image.size() <= 5 && size.size() == image.size() - 2, Shape,
           "It is expected output_size equals to %zu, but got size %zu", image.size() - 2, size.size());
  Dims sizes{image[0], image[1]};
  for (size_t d = 0; d < size.size(); ++d) {
    FB_CHECK(image[2 + d] > 0 && size[d] > 0, Value,
             "Input and output sizes should be greater than 0, but got input of size %s and output of size %s",
             shapeString(image).c_str(), shapeString(size).c_str());
    sizes.push_back(size[d]);
  }
  FB_CHECK(image[1] > 0, Shape, "Non-empty %zuD data tensor expected but got a tensor with sizes %s", image.size(),
           shapeString(image).c_str());
  return sizes;
}

}  // namespace

Tensor resample(const Tensor& input, IntSpan outputSize, std::string_view mode, bool alignCorners,
                std::span<const double> scales, bool antialias) {
  Tensor out = emptyTensor(check(input.sizes(), outputSize), input.dtype(), input.device());
  const Tensor x = contiguousOf(input);
  const auto body = [&](auto tag) {
    using T = typename decltype(tag)::type;
    resampleAll<T>(x, out, input.sizes(), outputSize, mode, alignCorners, scales, antialias, true);
  };
  if (input.dtype() == DType::UInt8 && mode.starts_with("nearest"))
    body(Tag<uint8_t>{});
  else
    dispatchFloat(input.dtype(), mode.starts_with("nearest") ? "upsample_nearest" : "upsample", body);
  return out;
}

Tensor resampleBackward(const Tensor& gradOutput, IntSpan inputSize, std::string_view mode, bool alignCorners,
                        std::span<const double> scales, bool antialias) {
  const IntSpan size = gradOutput.sizes().last(std::max<size_t>(2, gradOutput.sizes().size()) - 2);
  FB_CHECK(check(inputSize, size) == Dims(gradOutput.sizes()), Shape,
           "upsample_backward: a gradient of shape %s does not fit an input of shape %s",
           shapeString(gradOutput.sizes()).c_str(), shapeString(inputSize).c_str());
  Tensor out = emptyTensor(inputSize, gradOutput.dtype(), gradOutput.device());
  const Tensor g = contiguousOf(gradOutput);
  dispatchFloat(out.dtype(), "upsample_backward", [&](auto tag) {
    using T = typename decltype(tag)::type;
    resampleAll<T>(g, out, inputSize, size, mode, alignCorners, scales, antialias, false);
  });
  return out;
}

}  // namespace flambeau::cpu
