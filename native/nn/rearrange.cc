// Bodies of the ops that put elements into other places (codegen/ops/rearrange.ts) and shape helpers of the view ops.
// Source of rules and messages: aten/src/ATen/native/TensorTransformations.cpp and TensorShape.cpp of PyTorch.
#include <algorithm>

#include "core/promotion.h"
#include "nn/bodies.h"

namespace flambeau::support {
namespace {

long long L(int64_t v) { return static_cast<long long>(v); }

}  // namespace

Dims unflattenedShape(const Dims& sizes, int64_t dim, IntSpan parts) {
  const int64_t nd = static_cast<int64_t>(sizes.size());
  const int64_t d = wrapDim(dim, nd);
  FB_CHECK(!parts.empty(), Value, "unflatten: sizes must be non-empty");
  const int64_t extent = sizes.empty() ? 1 : sizes[static_cast<size_t>(d)];
  Dims inferred;
  try {
    inferred = inferSize(parts, extent);
  } catch (const Error&) {
    throw Error(ErrorKind::Shape, "unflatten: Provided sizes " + shapeString(parts) +
                                      " don't multiply up to the size of dim " + std::to_string(d) + " (" +
                                      std::to_string(extent) + ") in the input tensor");
  }
  Dims out;
  for (int64_t i = 0; i < d; ++i) out.push_back(sizes[static_cast<size_t>(i)]);
  for (int64_t s : inferred) out.push_back(s);
  for (int64_t i = d + 1; i < nd; ++i) out.push_back(sizes[static_cast<size_t>(i)]);
  return out;
}

Dims rotationDims(const Dims& sizes, IntSpan dims) {
  const int64_t nd = static_cast<int64_t>(sizes.size());
  FB_CHECK(dims.size() == 2, Value, "expected total rotation dims == 2, but got dims = %zu", dims.size());
  FB_CHECK(nd >= 2, Shape, "expected total dims >= 2, but got total dims = %lld", L(nd));
  FB_CHECK(dims[0] != dims[1] && std::abs(dims[0] - dims[1]) != nd, Value,
           "expected rotation dims to be different, but got dim0 = %lld and dim1 = %lld", L(dims[0]), L(dims[1]));
  for (size_t i = 0; i < 2; ++i)
    FB_CHECK(dims[i] < nd && dims[i] >= -nd, Index, "Rotation dim%zu out of range, dim%zu = %lld", i, i, L(dims[i]));
  return Dims{wrapDim(dims[0], nd), wrapDim(dims[1], nd)};
}

Dims tileDims(const Dims& sizes, IntSpan dims) {
  Dims out;
  for (size_t i = dims.size(); i < sizes.size(); ++i) out.push_back(1);
  for (int64_t d : dims) out.push_back(d);
  return out;
}

Dims diagEmbedShape(const Dims& sizes, int64_t offset, int64_t dim1, int64_t dim2) {
  const int64_t nd = static_cast<int64_t>(sizes.size()) + 1;
  FB_CHECK(!sizes.empty(), Shape, "diag_embed(): expected a tensor with at least 1 dimension");
  const int64_t a = wrapDim(dim1, nd), b = wrapDim(dim2, nd);
  FB_CHECK(a != b, Value, "diagonal dimensions cannot be identical %lld, %lld", L(dim1), L(dim2));
  const int64_t extent = sizes.back() + std::abs(offset);
  Dims out;
  size_t next = 0;
  for (int64_t i = 0; i < nd; ++i) out.push_back(i == a || i == b ? extent : sizes[next++]);
  return out;
}

Tensor sameShapeView(const Tensor& view, const Tensor& src) {
  FB_CHECK(std::ranges::equal(view.sizes(), src.sizes()), Shape,
           "expected src to have a size equal to the slice of self. src size = %s, slice size = %s",
           shapeString(src.sizes()).c_str(), shapeString(view.sizes()).c_str());
  return view;
}

Tensor windowPlaces(int64_t length, bool periodic, std::optional<DType> dtype, double span, const char* op) {
  const DType t = dtype.value_or(defaultDType());
  FB_CHECK(isFloating(t), Type, "%s expects floating point dtypes, got: %s", op, scalarTypeName(t));
  FB_CHECK(length >= 0, Value, "%s requires non-negative window_length, got window_length=%lld", op, L(length));
  const Tensor places = ops::arange(Scalar(int64_t{0}), Scalar(length), Scalar(int64_t{1}), t);
  const int64_t n = periodic ? length : length - 1;
  return ops::mul(places, Operand(Scalar(span / static_cast<double>(std::max<int64_t>(n, 1)))));
}

}  // namespace flambeau::support

namespace flambeau::nn {

namespace {
long long L(int64_t v) { return static_cast<long long>(v); }
}  // namespace

Tensor roll(const Tensor& self, IntSpan shifts, IntSpan dims) {
  FB_CHECK(!shifts.empty(), Value, "`shifts` required");
  if (dims.empty() && shifts.size() == 1)
    return ops::reshape(roll(ops::reshape(self, Dims{-1}), shifts, Dims{0}), Dims(self.sizes()));
  FB_CHECK(shifts.size() == dims.size(), Value, "shifts and dimensions must align. shifts: %zu, dims:%zu",
           shifts.size(), dims.size());
  Tensor out = self;
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t d = wrapDim(dims[i], self.dim());
    const int64_t n = self.dim() ? self.size(d) : 1;
    const int64_t start = n == 0 ? 0 : ((n - shifts[i] % n) % n + n) % n;
    if (start == 0) continue;
    const Tensor parts[] = {ops::narrow(out, d, start, n - start), ops::narrow(out, d, 0, start)};
    out = ops::cat(parts, d);
  }
  // Nothing moved: a copy all the same.
  return out.is(self) ? ops::clone(self) : out;
}

namespace {

Tensor shifted(const Tensor& self, std::optional<IntSpan> dim, bool forward) {
  Dims dims, shifts;
  if (dim)
    dims = Dims(*dim);
  else
    for (int64_t d = 0; d < self.dim(); ++d) dims.push_back(d);
  for (int64_t d : dims) {
    const int64_t n = self.size(d);
    shifts.push_back(forward ? n / 2 : (n + 1) / 2);
  }
  return dims.empty() ? ops::clone(self) : ops::roll(self, shifts, dims);
}

}  // namespace

Tensor fftshift(const Tensor& self, std::optional<IntSpan> dim) { return shifted(self, dim, true); }
Tensor ifftshift(const Tensor& self, std::optional<IntSpan> dim) { return shifted(self, dim, false); }

Tensor repeat(const Tensor& self, IntSpan repeats) {
  FB_CHECK(static_cast<int64_t>(repeats.size()) >= self.dim(), Shape,
           "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
  // [n, m] as [1, n, 1, m], expanded to [r, n, s, m], copied, and read as [r * n, s * m].
  const size_t lead = repeats.size() - self.sizes().size();
  Dims apart, spread, result;
  for (size_t d = 0; d < repeats.size(); ++d) {
    const int64_t n = d < lead ? 1 : self.sizes()[d - lead];
    FB_CHECK(repeats[d] >= 0, Value, "Trying to create tensor with negative dimension %lld: %s", L(repeats[d] * n),
             shapeString(repeats).c_str());
    apart.push_back(1);
    apart.push_back(n);
    spread.push_back(repeats[d]);
    spread.push_back(n);
    int64_t product;
    FB_CHECK(!__builtin_mul_overflow(repeats[d], n, &product), Value, "repeat(): the result is too large");
    result.push_back(product);
  }
  return ops::view(ops::clone(ops::expand(ops::reshape(self, apart), spread)), result);
}

Tensor repeatInterleave(const Tensor& self, int64_t repeats, std::optional<int64_t> dim,
                        std::optional<int64_t> outputSize) {
  FB_CHECK(repeats >= 0, Value, "Repeats must be non-negative");
  const Tensor x = dim ? self : ops::reshape(self, Dims{-1});
  const int64_t d = wrapDim(dim.value_or(0), x.dim());
  const int64_t n = x.dim() ? x.size(d) : 1;
  FB_CHECK(!outputSize || *outputSize == n * repeats, Value,
           "repeat_interleave: Invalid output_size, expected %lld but got %lld", L(n * repeats), L(*outputSize));
  const Tensor rows = x.dim() ? x : ops::reshape(x, Dims{1});
  Dims spread(rows.sizes());
  spread.insert(static_cast<size_t>(d) + 1, repeats);
  Dims result(rows.sizes());
  result[static_cast<size_t>(d)] = n * repeats;
  return ops::view(ops::clone(ops::expand(ops::unsqueeze(rows, d + 1), spread)), result);
}

Tensor repeatInterleaveTensor(const Tensor& self, const Tensor& repeats, std::optional<int64_t> dim,
                              std::optional<int64_t> outputSize) {
  const Tensor x = dim && self.dim() > 0 ? self : ops::reshape(self, Dims{-1});
  const int64_t d = wrapDim(dim.value_or(0), x.dim());
  FB_CHECK(repeats.dim() <= 1, Shape, "repeats must be 0-dim or 1-dim tensor");
  Tensor counts = repeats;
  if (repeats.numel() == 1 && x.size(d) != 1)
    counts = ops::expand(ops::reshape(repeats, Dims{1}), Dims{x.size(d)});
  else
    FB_CHECK(repeats.numel() == x.size(d), Shape, "repeats must have the same size as input along dim");
  return ops::indexSelect(x, d, ops::repeatInterleaveIndices(ops::reshape(counts, Dims{-1}), outputSize));
}

Tensor vander(const Tensor& x, std::optional<int64_t> N, bool increasing) {
  FB_CHECK(x.dim() == 1, Shape, "x must be a one-dimensional tensor.");
  const int64_t n = N.value_or(x.size(0));
  FB_CHECK(n >= 0, Value, "N must be non-negative.");
  // A tensor for every power: more would take the memory before the result does.
  FB_CHECK(n <= int64_t{1} << 20, Value, "vander: N must be at most 2^20, but got %lld", static_cast<long long>(n));
  // Products of integers are kept in int64, as cumulative products are.
  const Tensor base = isFloating(x.dtype()) ? x : ops::toDtype(x, DType::Int64);
  if (n == 0) return ops::empty(Dims{x.size(0), 0}, base.dtype());
  TensorList powers{ops::onesLike(base)};
  while (static_cast<int64_t>(powers.size()) < n) powers.push_back(ops::mul(powers.back(), Operand(base)));
  if (!increasing) std::reverse(powers.begin(), powers.end());
  return stack(powers, 1);
}

const Tensor& fillDiagonal_(const Tensor& self, Scalar fillValue, bool wrap) {
  FB_CHECK(self.dim() >= 2, Shape, "dimensions must larger than 1");
  const int64_t rows = self.size(0), cols = self.size(1);
  int64_t step = 0, shortest = rows;
  for (int64_t d = 0; d < self.dim(); ++d) {
    FB_CHECK(self.dim() == 2 || self.size(d) == rows, Shape, "all dimensions of input must be of equal length");
    step += self.stride(d);
    shortest = std::min(shortest, self.size(d));
  }
  const auto fill = [&](int64_t count, int64_t start) {
    if (count > 0) ops::fill_(ops::asStrided(self, Dims{count}, Dims{step}, start), fillValue);
  };
  fill(shortest, self.storageOffset());
  // Taller than wide: the diagonal starts again cols + 1 rows further down.
  if (wrap && self.dim() == 2)
    for (int64_t top = cols + 1; top < rows; top += cols + 1)
      fill(std::min(cols, rows - top), self.storageOffset() + top * self.stride(0));
  return self;
}

}  // namespace flambeau::nn
