// unfold and fold of nn.functional: windows of images as columns, and the sum of columns into images.
#include "cpu/extern_common.h"
#include "cpu/fallback/im2col.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

using Pair = std::array<int64_t, 2>;

Pair pairOf(const char* op, const char* what, IntSpan v) {
  FB_CHECK(v.size() == 1 || v.size() == 2, Value, "It is expected %s equals to 2, but got size %zu (%s)", what,
           v.size(), op);
  return {v[0], v.back()};
}

struct Columns {
  ConvSpec spec;
  int64_t batch = 1, channels = 0;
  int64_t rows() const { return channels * spec.taps(); }
};

Columns columnsOf(const char* op, Pair image, IntSpan kernel, IntSpan dilation, IntSpan padding, IntSpan stride) {
  Columns c;
  const Pair k = pairOf(op, "kernel_size", kernel), d = pairOf(op, "dilation", dilation),
             p = pairOf(op, "padding", padding), s = pairOf(op, "stride", stride);
  for (size_t i = 0; i < 2; ++i) {
    FB_CHECK(k[i] > 0, Value, "kernel size should be greater than zero, but got kernel_height: %lld kernel_width: %lld",
             static_cast<long long>(k[0]), static_cast<long long>(k[1]));
    FB_CHECK(d[i] > 0, Value,
             "dilation should be greater than zero, but got dilation_height: %lld dilation_width: %lld",
             static_cast<long long>(d[0]), static_cast<long long>(d[1]));
    FB_CHECK(s[i] > 0, Value, "stride should be greater than zero, but got stride_height: %lld stride_width: %lld",
             static_cast<long long>(s[0]), static_cast<long long>(s[1]));
    FB_CHECK(p[i] >= 0, Value, "padding should be non-negative, but got pad_height: %lld pad_width: %lld",
             static_cast<long long>(p[0]), static_cast<long long>(p[1]));
    c.spec.in[i + 1] = image[i];
    c.spec.kernel[i + 1] = k[i];
    c.spec.dilation[i + 1] = d[i];
    c.spec.pad[i + 1] = p[i];
    c.spec.stride[i + 1] = s[i];
    int64_t padded, reach, room;
    const bool overflow =
        __builtin_mul_overflow(p[i], 2, &padded) || __builtin_add_overflow(padded, image[i] - 1, &padded) ||
        __builtin_mul_overflow(d[i], k[i] - 1, &reach) || __builtin_sub_overflow(padded, reach, &room);
    FB_CHECK(!overflow, Shape, "%s(): kernel_size, dilation and padding are too large", op);
    c.spec.out[i + 1] = room < 0 ? 0 : room / s[i] + 1;
  }
  int64_t product;
  FB_CHECK(
      !__builtin_mul_overflow(k[0], k[1], &product) && !__builtin_mul_overflow(c.spec.out[1], c.spec.out[2], &product),
      Shape, "%s(): the array of sliding blocks is too large", op);
  FB_CHECK(c.spec.pixels() > 0, Shape,
           "Given input with spatial size (%lld, %lld), kernel_size=(%lld, %lld), dilation=(%lld, %lld), "
           "padding=(%lld, %lld), calculated shape of the array of sliding blocks as (%lld, %lld), but its components "
           "must be at least one.",
           static_cast<long long>(image[0]), static_cast<long long>(image[1]), static_cast<long long>(k[0]),
           static_cast<long long>(k[1]), static_cast<long long>(d[0]), static_cast<long long>(d[1]),
           static_cast<long long>(p[0]), static_cast<long long>(p[1]), static_cast<long long>(c.spec.out[1]),
           static_cast<long long>(c.spec.out[2]));
  return c;
}

}  // namespace

Tensor im2col(const Tensor& input, IntSpan kernelSize, IntSpan dilation, IntSpan padding, IntSpan stride) {
  const IntSpan sizes = input.sizes();
  const size_t nd = sizes.size();
  bool filled = nd == 3 || nd == 4;
  for (size_t d = nd - (filled ? 3 : nd); d < nd && filled; ++d) filled = sizes[d] != 0;
  FB_CHECK(filled, Shape,
           "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
           "but got: %s",
           shapeString(sizes).c_str());
  Columns c = columnsOf("im2col", {sizes[nd - 2], sizes[nd - 1]}, kernelSize, dilation, padding, stride);
  c.channels = c.spec.channels = sizes[nd - 3];
  int64_t rows;
  FB_CHECK(!__builtin_mul_overflow(c.channels, c.spec.taps(), &rows), Shape,
           "im2col(): the array of sliding blocks is too large");
  const int64_t batch = nd == 4 ? sizes[0] : 1, pixels = c.spec.pixels();
  Tensor out =
      emptyTensor(nd == 4 ? Dims{batch, c.rows(), pixels} : Dims{c.rows(), pixels}, input.dtype(), input.device());
  const Tensor x = contiguousOf(input);
  dispatchAll(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallelFor(batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n)
        unfold<T>(c.spec, x.ptr<T>() + n * c.channels * c.spec.inPixels(), 0, c.rows(), 0, pixels,
                  out.ptr<T>() + n * c.rows() * pixels, pixels);
    });
  });
  return out;
}

Tensor col2im(const Tensor& input, IntSpan outputSize, IntSpan kernelSize, IntSpan dilation, IntSpan padding,
              IntSpan stride) {
  const IntSpan sizes = input.sizes();
  const size_t nd = sizes.size();
  FB_CHECK((nd == 2 || nd == 3) && sizes[nd - 1] != 0 && sizes[nd - 2] != 0, Shape,
           "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
           "input, but got: %s",
           shapeString(sizes).c_str());
  Columns c = columnsOf("col2im", pairOf("col2im", "output_size", outputSize), kernelSize, dilation, padding, stride);
  const int64_t taps = c.spec.taps(), pixels = c.spec.pixels(), batch = nd == 3 ? sizes[0] : 1;
  FB_CHECK(sizes[nd - 2] % taps == 0, Shape,
           "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
           "input.size(1)=%lld and kernel_size=%s.",
           static_cast<long long>(sizes[nd - 2]), shapeString(kernelSize).c_str());
  FB_CHECK(
      sizes[nd - 1] == pixels, Shape,
      "Given output_size=%s, kernel_size=%s, dilation=%s, padding=%s, stride=%s, expected size of input's "
      "dimension 2 to match the calculated number of sliding blocks %lld * %lld = %lld, but got input.size(2)=%lld.",
      shapeString(outputSize).c_str(), shapeString(kernelSize).c_str(), shapeString(dilation).c_str(),
      shapeString(padding).c_str(), shapeString(stride).c_str(), static_cast<long long>(c.spec.out[1]),
      static_cast<long long>(c.spec.out[2]), static_cast<long long>(pixels), static_cast<long long>(sizes[nd - 1]));
  c.channels = sizes[nd - 2] / taps;
  const int64_t h = c.spec.in[1], w = c.spec.in[2];
  Tensor out =
      emptyTensor(nd == 3 ? Dims{batch, c.channels, h, w} : Dims{c.channels, h, w}, input.dtype(), input.device());
  fillWith(out, Scalar(0));
  const Tensor x = contiguousOf(input);
  dispatchAll(input.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, Bool8>)
      parallelFor(batch * c.channels, 1, [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p)
          foldAdd<T>(c.spec, x.ptr<T>() + p * taps * pixels, pixels, out.ptr<T>() + p * h * w);
      });
  });
  return out;
}

}  // namespace flambeau::cpu
