// Bodies about images: padding by index, sampling on grids, shuffles.
#include <algorithm>

#include "core/promotion.h"
#include "nn/bodies.h"

namespace flambeau::support {

Dims negatedDims(IntSpan dims) {
  Dims out(dims);
  for (int64_t& d : out) d = -d;
  return out;
}

namespace {

Tensor range(int64_t begin, int64_t end) {
  return ops::arange(Scalar(begin), Scalar(end), Scalar(int64_t{1}), DType::Int64);
}

// Which element of a line of n stands at each position of the padded line.
Tensor paddedIndex(std::string_view mode, int64_t before, int64_t n, int64_t after) {
  if (mode == "circular") {
    // What negative padding cuts off does not come round again.
    const int64_t first = std::max<int64_t>(0, -before), length = n - first - std::max<int64_t>(0, -after);
    const Tensor i = range(-std::max<int64_t>(0, before), length + std::max<int64_t>(0, after));
    return ops::add(ops::remainder(i, Operand(Scalar(length))), Operand(Scalar(first)));
  }
  const Tensor i = range(-before, n + after);
  if (mode == "replicate") return ops::clamp(i, Scalar(int64_t{0}), Scalar(n - 1));
  // The border is a mirror: |i|, and the same at the far end.
  const Tensor far = ops::sub(ops::abs(i), Operand(Scalar(n - 1)));
  return ops::rsub(ops::abs(far), Operand(Scalar(n - 1)));
}

}  // namespace

Tensor padByIndex(const Tensor& input, IntSpan pad, std::string_view mode, std::optional<double> value) {
  const std::string name(mode);
  FB_CHECK(mode == "reflect" || mode == "replicate" || mode == "circular", Value, "Unrecognised padding mode %s",
           name.c_str());
  FB_CHECK(!value || *value == 0, Value, "Padding mode \"%s\" doesn't take in value argument", name.c_str());
  const int64_t spatial = static_cast<int64_t>(pad.size()) / 2, rank = input.dim();
  FB_CHECK(pad.size() % 2 == 0, Value, "Padding length must be divisible by 2");
  FB_CHECK(spatial >= 1 && spatial <= 3 && (rank == spatial + 1 || rank == spatial + 2), Value,
           "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now, but got an input of shape %s "
           "and padding %s",
           shapeString(input.sizes()).c_str(), shapeString(pad).c_str());
  Tensor x = input;
  for (int64_t k = 0; k < spatial; ++k) {
    const int64_t d = rank - 1 - k, n = input.size(d), before = pad[static_cast<size_t>(2 * k)],
                  after = pad[static_cast<size_t>(2 * k + 1)];
    if (before == 0 && after == 0) continue;
    if (mode == "reflect")
      FB_CHECK(before < n && after < n, Value,
               "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
               "(%lld, %lld) at dimension %lld of input %s",
               static_cast<long long>(before), static_cast<long long>(after), static_cast<long long>(d),
               shapeString(input.sizes()).c_str());
    if (mode == "circular")
      FB_CHECK(before <= n && after <= n, Value, "Padding value causes wrapping around more than once.");
    FB_CHECK(n > 0, Shape, "Expected input's non-batch dimensions to have non-zero size for padding mode '%s', got %s",
             name.c_str(), shapeString(input.sizes()).c_str());
    FB_CHECK(mode != "circular" || n + std::min<int64_t>(0, before) + std::min<int64_t>(0, after) > 0, Value,
             "Negative padding value is resulting in an empty dimension");
    FB_CHECK(before + n + after >= 1, Value,
             "input (of size %s) is too small: the calculated size of dimension %lld is %lld",
             shapeString(input.sizes()).c_str(), static_cast<long long>(d), static_cast<long long>(before + n + after));
    x = ops::indexSelect(x, d, paddedIndex(mode, before, n, after));
  }
  // PyTorch always returns a new tensor.
  return x.is(input) ? ops::clone(input) : x;
}

// ---- sampling on grids ----

namespace {

// One point per output and dimension that a value is a weighted sum of.
struct Tap {
  Tensor index;   // whole numbers in the input's float type
  Tensor weight;  // undefined: one
};

// Outside the image: clipped to its border, without gradient there.
Tensor clipped(const Tensor& x, int64_t n) {
  Tensor inside, border;
  {
    autograd::GradGuard off(false);
    inside = ops::logicalAnd(ops::gt(x, Operand(Scalar(0.0))), ops::lt(x, Operand(Scalar(double(n - 1)))));
    border = ops::clamp(x, Scalar(0.0), Scalar(double(n - 1)));
  }
  return ops::where(inside, Operand(x), Operand(border));
}

// Mirrored at low / 2 and high / 2, as often as needed.
Tensor reflected(const Tensor& x, int64_t low, int64_t high) {
  if (low == high) return ops::mul(x, Operand(Scalar(0.0)));
  const double least = double(low) / 2, span = double(high - low) / 2;
  const Tensor far = ops::abs(ops::sub(x, Operand(Scalar(least))));
  Tensor flips;
  {
    autograd::GradGuard off(false);
    flips = ops::floor(ops::trueDivide(far, Operand(Scalar(span))));
  }
  const Tensor extra = ops::sub(far, Operand(ops::mul(flips, Operand(Scalar(span)))));
  const Tensor even = ops::eq(ops::remainder(flips, Operand(Scalar(2.0))), Operand(Scalar(0.0)));
  return ops::where(even, Operand(ops::add(extra, Operand(Scalar(least)))),
                    Operand(ops::rsub(extra, Operand(Scalar(span + least)))));
}

Tensor placed(const Tensor& x, int64_t n, std::string_view padding, bool align) {
  if (padding == "border") return clipped(x, n);
  if (padding == "reflection") return clipped(align ? reflected(x, 0, 2 * (n - 1)) : reflected(x, -1, 2 * n - 1), n);
  return x;
}

// The cubic kernel (a = -0.75) at distance x: below one, and between one and two.
Tensor cubicNear(const Tensor& x) {
  const Tensor inner = ops::sub(ops::mul(x, Operand(Scalar(1.25))), Operand(Scalar(2.25)));
  return ops::add(ops::mul(ops::mul(inner, Operand(x)), Operand(x)), Operand(Scalar(1.0)));
}
Tensor cubicFar(const Tensor& x) {
  const Tensor a = ops::add(ops::mul(x, Operand(Scalar(-0.75))), Operand(Scalar(3.75)));
  const Tensor b = ops::sub(ops::mul(a, Operand(x)), Operand(Scalar(6.0)));
  return ops::add(ops::mul(b, Operand(x)), Operand(Scalar(3.0)));
}

std::vector<Tap> tapsAlong(const Tensor& coordinate, int64_t n, std::string_view mode, std::string_view padding,
                           bool align) {
  const Tensor x =
      align ? ops::mul(ops::add(coordinate, Operand(Scalar(1.0))), Operand(Scalar(double(n - 1) / 2)))
            : ops::div(ops::sub(ops::mul(ops::add(coordinate, Operand(Scalar(1.0))), Operand(Scalar(double(n)))),
                                Operand(Scalar(1.0))),
                       Operand(Scalar(2.0)));
  std::vector<Tap> taps;
  if (mode == "nearest") {
    taps.push_back({ops::round(placed(x, n, padding, align)), {}});
  } else if (mode == "bilinear") {
    const Tensor at = placed(x, n, padding, align), low = ops::floor(at), high = ops::add(low, Operand(Scalar(1.0)));
    taps.push_back({low, ops::sub(high, Operand(at))});
    taps.push_back({high, ops::sub(at, Operand(low))});
  } else {
    const Tensor low = ops::floor(x), f = ops::sub(x, Operand(low)), g = ops::rsub(f, Operand(Scalar(1.0)));
    const Tensor weights[] = {cubicFar(ops::add(f, Operand(Scalar(1.0)))), cubicNear(f), cubicNear(g),
                              cubicFar(ops::add(g, Operand(Scalar(1.0))))};
    for (int k = 0; k < 4; ++k)
      taps.push_back({placed(ops::add(low, Operand(Scalar(double(k - 1)))), n, padding, align), weights[k]});
  }
  return taps;
}

}  // namespace

Tensor gridSample(const Tensor& input, const Tensor& grid, std::string_view mode, std::string_view padding,
                  bool alignCorners) {
  FB_CHECK(mode == "bilinear" || mode == "nearest" || mode == "bicubic", Value,
           "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '%s'",
           std::string(mode).c_str());
  FB_CHECK(padding == "zeros" || padding == "border" || padding == "reflection", Value,
           "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: '%s'",
           std::string(padding).c_str());
  const int64_t nd = input.dim() - 2;
  FB_CHECK(
      (nd == 2 || nd == 3) && grid.dim() == input.dim(), Shape,
      "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes %s "
      "and grid with sizes %s",
      shapeString(input.sizes()).c_str(), shapeString(grid.sizes()).c_str());
  FB_CHECK(input.dtype() == grid.dtype(), Type,
           "grid_sampler(): expected input and grid to have same dtype, but input has %s and grid has %s",
           std::string(dtypeName(input.dtype())).c_str(), std::string(dtypeName(grid.dtype())).c_str());
  FB_CHECK(isFloating(input.dtype()), Type, "\"grid_sampler\" not implemented for '%s'", scalarTypeName(input.dtype()));
  FB_CHECK(input.size(0) == grid.size(0), Shape,
           "grid_sampler(): expected grid and input to have same batch size, but got input with sizes %s and grid with "
           "sizes %s",
           shapeString(input.sizes()).c_str(), shapeString(grid.sizes()).c_str());
  FB_CHECK(grid.size(-1) == nd, Shape,
           "grid_sampler(): expected grid to have size %lld in last dimension, but got grid with sizes %s",
           static_cast<long long>(nd), shapeString(grid.sizes()).c_str());
  FB_CHECK(mode != "bicubic" || nd == 2, Value, "grid_sampler(): bicubic interpolation only supports 4D input");
  for (int64_t d = 2; d < nd + 2; ++d)
    FB_CHECK(
        input.size(d) > 0, Shape,
        "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes %s with dimension "
        "%lld being empty",
        shapeString(input.sizes()).c_str(), static_cast<long long>(d));
  const int64_t batch = input.size(0), channels = input.size(1);
  Dims places{batch};
  int64_t points = 1;
  for (int64_t d = 0; d < nd; ++d) {
    places.push_back(grid.size(1 + d));
    points *= grid.size(1 + d);
  }
  // Taps of each dimension, first spatial one first; the grid names the last dimension first.
  std::vector<std::vector<Tap>> taps;
  for (int64_t d = 0; d < nd; ++d)
    taps.push_back(tapsAlong(ops::select(grid, -1, nd - 1 - d), input.size(2 + d), mode, padding, alignCorners));
  const Tensor flat = ops::flatten(input, 2, -1);
  std::vector<size_t> choice(static_cast<size_t>(nd), 0);
  Tensor out;
  for (bool more = true; more;) {
    Tensor weight, inside, position;
    for (int64_t d = 0; d < nd; ++d) {
      const Tap& tap = taps[static_cast<size_t>(d)][choice[static_cast<size_t>(d)]];
      const int64_t n = input.size(2 + d);
      const Tensor index = ops::detach(tap.index);
      const Tensor ok =
          ops::logicalAnd(ops::ge(index, Operand(Scalar(0.0))), ops::lt(index, Operand(Scalar(double(n)))));
      const Tensor whole = ops::clamp(ops::toDtype(index, DType::Int64), Scalar(int64_t{0}), Scalar(n - 1));
      inside = inside.defined() ? ops::logicalAnd(inside, ok) : ok;
      position = position.defined() ? ops::add(ops::mul(position, Operand(Scalar(n))), Operand(whole)) : whole;
      if (tap.weight.defined()) weight = weight.defined() ? ops::mul(weight, Operand(tap.weight)) : tap.weight;
    }
    const auto perChannel = [&](const Tensor& t) {
      return ops::expand(ops::reshape(t, Dims{batch, 1, points}), Dims{batch, channels, points});
    };
    const Tensor picked = ops::gather(flat, 2, perChannel(position));
    Tensor value = ops::where(perChannel(inside), Operand(picked), Operand(Scalar(0.0)));
    if (weight.defined()) value = ops::mul(value, Operand(ops::reshape(weight, Dims{batch, 1, points})));
    out = out.defined() ? ops::add(out, Operand(value)) : value;
    more = false;
    for (size_t d = choice.size(); d-- > 0 && !more;) {
      more = ++choice[d] < taps[d].size();
      if (!more) choice[d] = 0;
    }
  }
  Dims sizes{batch, channels};
  for (int64_t d = 0; d < nd; ++d) sizes.push_back(places[static_cast<size_t>(1 + d)]);
  return ops::reshape(out, sizes);
}

Tensor affineGrid(const Tensor& theta, IntSpan size, bool alignCorners) {
  const int64_t nd = static_cast<int64_t>(size.size()) - 2;
  FB_CHECK(isFloating(theta.dtype()), Type, "Expected theta to have floating point type, but got %s",
           scalarTypeName(theta.dtype()));
  FB_CHECK(nd == 2 || nd == 3, Value,
           "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size %s.",
           shapeString(size).c_str());
  FB_CHECK(theta.dim() == 3 && theta.size(1) == nd && theta.size(2) == nd + 1 && theta.size(0) == size[0], Shape,
           "Expected a batch of %lldD affine matrices of shape Nx%lldx%lld for size %s. Got %s.",
           static_cast<long long>(nd), static_cast<long long>(nd), static_cast<long long>(nd + 1),
           shapeString(size).c_str(), shapeString(theta.sizes()).c_str());
  Dims space;
  for (int64_t d = 0; d < nd; ++d) {
    FB_CHECK(size[static_cast<size_t>(2 + d)] > 0, Value, "Expected non-zero, positive output size. Got %s",
             shapeString(size).c_str());
    space.push_back(size[static_cast<size_t>(2 + d)]);
  }
  space.push_back(1);
  TensorList parts;
  for (int64_t d = nd - 1; d >= 0; --d) {
    const int64_t n = size[static_cast<size_t>(2 + d)];
    Tensor line =
        n > 1 ? ops::linspace(Scalar(-1.0), Scalar(1.0), n, theta.dtype()) : ops::zeros(Dims{1}, theta.dtype());
    if (!alignCorners) line = ops::div(ops::mul(line, Operand(Scalar(double(n - 1)))), Operand(Scalar(double(n))));
    Dims shape(space.size(), 1);
    shape[static_cast<size_t>(d)] = n;
    parts.push_back(ops::expand(ops::reshape(line, shape), space));
  }
  parts.push_back(ops::ones(space, theta.dtype()));
  const Tensor base = ops::reshape(ops::cat(parts, -1), Dims{1, -1, nd + 1});
  Dims sizes{size[0]};
  for (int64_t d = 0; d < nd; ++d) sizes.push_back(space[static_cast<size_t>(d)]);
  sizes.push_back(nd);
  return ops::reshape(ops::matmul(base, ops::transpose(theta, 1, 2)), sizes);
}

// ---- shuffles ----

Tensor pixelShuffle(const Tensor& self, int64_t factor) {
  FB_CHECK(self.dim() >= 3, Shape,
           "pixel_shuffle expects input to have at least 3 dimensions, but got input with %lld dimension(s)",
           static_cast<long long>(self.dim()));
  FB_CHECK(factor > 0, Value, "pixel_shuffle expects a positive upscale_factor, but got %lld",
           static_cast<long long>(factor));
  const int64_t c = self.size(-3), h = self.size(-2), w = self.size(-1);
  int64_t square = 0;
  FB_CHECK(!__builtin_mul_overflow(factor, factor, &square), Value,
           "pixel_shuffle: the square of upscale_factor=%lld is out of range", static_cast<long long>(factor));
  // Also where there are no channels, whose number every square divides.
  int64_t height = 0, width = 0;
  FB_CHECK(!__builtin_mul_overflow(h, factor, &height) && !__builtin_mul_overflow(w, factor, &width), Value,
           "pixel_shuffle: an image of %lld x %lld enlarged %lld times is out of range", static_cast<long long>(h),
           static_cast<long long>(w), static_cast<long long>(factor));
  FB_CHECK(c % square == 0, Shape,
           "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
           "input.size(-3)=%lld is not divisible by %lld",
           static_cast<long long>(c), static_cast<long long>(square));
  Dims split, order, sizes;
  const int64_t lead = self.dim() - 3;
  for (int64_t d = 0; d < lead; ++d) {
    split.push_back(self.size(d));
    order.push_back(d);
    sizes.push_back(self.size(d));
  }
  const int64_t out = c / square;
  for (int64_t n : {out, factor, factor, h, w}) split.push_back(n);
  for (int64_t d : {0, 3, 1, 4, 2}) order.push_back(lead + d);
  for (int64_t n : {out, height, width}) sizes.push_back(n);
  return ops::reshape(ops::permute(ops::reshape(self, split), order), sizes);
}

Tensor pixelUnshuffle(const Tensor& self, int64_t factor) {
  FB_CHECK(self.dim() >= 3, Shape,
           "pixel_unshuffle expects input to have at least 3 dimensions, but got input with %lld dimension(s)",
           static_cast<long long>(self.dim()));
  FB_CHECK(factor > 0, Value, "pixel_unshuffle expects a positive downscale_factor, but got %lld",
           static_cast<long long>(factor));
  const int64_t c = self.size(-3), h = self.size(-2), w = self.size(-1);
  FB_CHECK(
      h % factor == 0, Shape,
      "pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=%lld is not divisible "
      "by %lld",
      static_cast<long long>(h), static_cast<long long>(factor));
  FB_CHECK(
      w % factor == 0, Shape,
      "pixel_unshuffle expects width to be divisible by downscale_factor, but input.size(-1)=%lld is not divisible "
      "by %lld",
      static_cast<long long>(w), static_cast<long long>(factor));
  Dims split, order, sizes;
  const int64_t lead = self.dim() - 3;
  for (int64_t d = 0; d < lead; ++d) {
    split.push_back(self.size(d));
    order.push_back(d);
    sizes.push_back(self.size(d));
  }
  int64_t square = 0, channels = 0;
  FB_CHECK(!__builtin_mul_overflow(factor, factor, &square) && !__builtin_mul_overflow(c, square, &channels), Value,
           "pixel_unshuffle: %lld channels times the square of downscale_factor=%lld are out of range",
           static_cast<long long>(c), static_cast<long long>(factor));
  for (int64_t n : {c, h / factor, factor, w / factor, factor}) split.push_back(n);
  for (int64_t d : {0, 2, 4, 1, 3}) order.push_back(lead + d);
  for (int64_t n : {channels, h / factor, w / factor}) sizes.push_back(n);
  return ops::reshape(ops::permute(ops::reshape(self, split), order), sizes);
}

Tensor channelShuffle(const Tensor& self, int64_t groups) {
  FB_CHECK(self.dim() > 2, Shape, "channel_shuffle expects input with > 2 dims, but got input with sizes %s",
           shapeString(self.sizes()).c_str());
  FB_CHECK(groups > 0, Value, "Number of groups to divide channels in must be positive. Value of groups:%lld",
           static_cast<long long>(groups));
  const int64_t c = self.size(1);
  FB_CHECK(c % groups == 0, Shape, "Number of channels must be divisible by groups. Got %lld channels and %lld groups.",
           static_cast<long long>(c), static_cast<long long>(groups));
  const Tensor split = ops::reshape(ops::flatten(self, 2, -1), Dims{self.size(0), groups, c / groups, -1});
  return ops::reshape(ops::transpose(split, 1, 2), Dims(self.sizes()));
}

}  // namespace flambeau::support
