// Matrix products made of others: contractions of chosen dimensions, chains, powers, Kronecker and cross products.
#include <algorithm>
#include <limits>
#include <numeric>

#include "linalg/bodies.h"

namespace flambeau::support {
namespace {

bool isZero(Scalar s) { return s.live < 0 && s.toDouble() == 0; }
bool isOne(Scalar s) { return s.live < 0 && s.toDouble() == 1; }

/// t * factor in t's own dtype.
Tensor scaled(const Tensor& t, Scalar factor) {
  if (isOne(factor)) return t;
  if (flambeau::isFloating(t.dtype())) return ops::mul(t, factor);
  if (t.dtype() == DType::Bool) return factor.toBool() ? t : ops::zeros(t.sizes(), DType::Bool);
  return ops::mul(t, Scalar(factor.toInt()));
}

}  // namespace

Tensor blend(const Tensor& self, Scalar beta, const Tensor& product, Scalar alpha) {
  FB_CHECK(self.dtype() == product.dtype(), Type, "expected scalar type %s but found %s",
           scalarTypeName(product.dtype()), scalarTypeName(self.dtype()));
  const Tensor base = ops::expand(self, product.sizes());
  if (isZero(beta)) return scaled(product, alpha);
  return ops::add(scaled(base, beta), scaled(product, alpha));
}

int64_t crossDimIndex(const Tensor& self, const Tensor& other, std::optional<int64_t> dim) {
  if (dim) return *dim;
  const int64_t rank = std::max(self.dim(), other.dim());
  const auto sizeAt = [&](const Tensor& t, int64_t d) {
    const int64_t at = d - (rank - t.dim());
    return at < 0 ? int64_t{1} : t.size(at);
  };
  for (int64_t d = 0; d < rank; ++d)
    if (sizeAt(self, d) == 3 && sizeAt(other, d) == 3) return d;
  throw Error(ErrorKind::Shape, "no dimension of size 3 in input");
}

}  // namespace flambeau::support

namespace flambeau::linalg {
namespace {

Dims dimsWrapped(IntSpan dims, int64_t rank) {
  Dims out;
  for (int64_t d : dims) out.push_back(wrapDim(d, rank));
  return out;
}
bool contains(const Dims& dims, int64_t d) { return std::find(dims.begin(), dims.end(), d) != dims.end(); }
int64_t sizesOf(const Tensor& t, const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= t.size(d);
  return n;
}
Tensor summed(const Tensor& t, int64_t d) { return ops::sum(t, Dims{d}, true, t.dtype()); }

}  // namespace

Tensor tensordot(const Tensor& self, const Tensor& other, IntSpan selfDims, IntSpan otherDims) {
  FB_CHECK(selfDims.size() == otherDims.size(), Shape, "both dimension lists should have same length");
  FB_CHECK(self.dtype() == other.dtype(), Type, "both inputs should have same dtype, but got %s and %s",
           scalarTypeName(self.dtype()), scalarTypeName(other.dtype()));
  const Dims left = dimsWrapped(selfDims, self.dim()), right = dimsWrapped(otherDims, other.dim());
  wrapDims(std::optional<IntSpan>(left.size() ? IntSpan(left) : IntSpan()), std::max<int64_t>(1, self.dim()));
  Tensor a = self, b = other;
  for (size_t i = 0; i < left.size(); ++i) {
    const int64_t n = self.size(left[i]), m = other.size(right[i]);
    if (n == m) continue;
    // A dimension of size 1 is broadcast: the other side is summed first.
    if (m == 1) {
      a = summed(a, left[i]);
    } else if (n == 1) {
      b = summed(b, right[i]);
    } else {
      throw Error(ErrorKind::Shape,
                  detail::formatMessage("contracted dimensions need to match, but first has size %lld in dim %lld and "
                                        "second has size %lld in dim %lld",
                                        static_cast<long long>(n), static_cast<long long>(left[i]),
                                        static_cast<long long>(m), static_cast<long long>(right[i])));
    }
  }
  Dims orderA, orderB(right), sizes;
  for (int64_t d = 0; d < a.dim(); ++d)
    if (!contains(left, d)) {
      orderA.push_back(d);
      sizes.push_back(a.size(d));
    }
  for (int64_t d : left) orderA.push_back(d);
  for (int64_t d = 0; d < b.dim(); ++d)
    if (!contains(right, d)) {
      orderB.push_back(d);
      sizes.push_back(b.size(d));
    }
  const int64_t k = sizesOf(a, left);
  const int64_t rows = sizesOf(a, Dims(IntSpan(orderA).first(orderA.size() - left.size())));
  const int64_t cols = sizesOf(b, Dims(IntSpan(orderB).subspan(right.size())));
  const Tensor x = ops::reshape(ops::permute(a, orderA), Dims{rows, k});
  const Tensor y = ops::reshape(ops::permute(b, orderB), Dims{k, cols});
  return ops::reshape(ops::mm(x, y), sizes);
}

Tensor kron(const Tensor& self, const Tensor& other) {
  const int64_t rank = std::max(self.dim(), other.dim());
  Dims a, b, sizes;
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t i = d - (rank - self.dim()), j = d - (rank - other.dim());
    const int64_t n = i < 0 ? 1 : self.size(i), m = j < 0 ? 1 : other.size(j);
    a.push_back(n);
    a.push_back(1);
    b.push_back(1);
    b.push_back(m);
    sizes.push_back(n * m);
  }
  return ops::reshape(ops::mul(ops::reshape(self, a), ops::reshape(other, b)), sizes);
}

Tensor multiDot(TensorSpan tensors) {
  const size_t n = tensors.size();
  FB_CHECK(n >= 2, Shape, "multi_dot(): expected at least 2 tensors but got %zu", n);
  TensorList list(tensors.begin(), tensors.end());
  Dims sizes;
  const auto bad = [&](size_t i, const char* what) {
    FB_CHECK(false, Shape, "multi_dot(): %s %zu has %lld dimensions", what, i,
             static_cast<long long>(tensors[i].dim()));
  };
  if (list[0].dim() == 1)
    list[0] = ops::unsqueeze(list[0], 0);
  else if (list[0].dim() == 2)
    sizes.push_back(list[0].size(0));
  else
    bad(0, "the first tensor must be 1D or 2D but tensor");
  if (list[n - 1].dim() == 1)
    list[n - 1] = ops::unsqueeze(list[n - 1], -1);
  else if (list[n - 1].dim() == 2)
    sizes.push_back(list[n - 1].size(1));
  else
    bad(n - 1, "the last tensor must be 1D or 2D but tensor");
  for (size_t i = 0; i < n; ++i) {
    if (list[i].dim() != 2) bad(i, "tensors between the first and last must be 2D but tensor");
    FB_CHECK(list[i].dtype() == list[0].dtype(), Type,
             "multi_dot(): all tensors must have be the same dtype but tensor 0 is %s and tensor %zu %s",
             scalarTypeName(list[0].dtype()), i, scalarTypeName(list[i].dtype()));
    if (i > 0)
      FB_CHECK(list[i - 1].size(1) == list[i].size(0), Shape,
               "multi_dot(): tensors %zu and %zu with shapes %s and %s cannot be multiplied", i - 1, i,
               shapeString(list[i - 1].sizes()).c_str(), shapeString(list[i].sizes()).c_str());
  }
  // cost[i][j]: fewest multiplications for the product of i..j; split[i][j]: where it is cut.
  std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0));
  std::vector<std::vector<size_t>> split(n, std::vector<size_t>(n, 0));
  for (size_t length = 1; length < n; ++length)
    for (size_t i = 0; i + length < n; ++i) {
      const size_t j = i + length;
      cost[i][j] = std::numeric_limits<double>::infinity();
      for (size_t k = i; k < j; ++k) {
        const double here = cost[i][k] + cost[k + 1][j] +
                            static_cast<double>(list[i].size(0)) * static_cast<double>(list[k].size(1)) *
                                static_cast<double>(list[j].size(1));
        if (here < cost[i][j]) {
          cost[i][j] = here;
          split[i][j] = k;
        }
      }
    }
  const auto product = [&](auto& self, size_t i, size_t j) -> Tensor {
    if (i == j) return list[i];
    return ops::mm(self(self, i, split[i][j]), self(self, split[i][j] + 1, j));
  };
  const Tensor out = product(product, 0, n - 1);
  return ops::reshape(out, sizes);
}

Tensor matrixPower(const Tensor& self, int64_t n) {
  FB_CHECK(self.dim() >= 2, Shape, "linalg.matrix_power: The input tensor A must have at least 2 dimensions.");
  FB_CHECK(self.size(-1) == self.size(-2), Shape,
           "linalg.matrix_power: A must be batches of square matrices, but they are %lld by %lld matrices",
           static_cast<long long>(self.size(-2)), static_cast<long long>(self.size(-1)));
  if (n == 0) return ops::expand(support::identityLike(self, self.size(-1)), self.sizes());
  if (n == 1) return ops::clone(self);
  Tensor square = n < 0 ? ops::linalgInv(self) : self, result;
  for (uint64_t left = n < 0 ? uint64_t{0} - static_cast<uint64_t>(n) : static_cast<uint64_t>(n); left; left >>= 1) {
    if (left & 1) result = result.defined() ? ops::matmul(result, square) : square;
    if (left > 1) square = ops::matmul(square, square);
  }
  return result;
}

Tensor cross(const Tensor& self, const Tensor& other, int64_t dim) {
  FB_CHECK(self.dim() == other.dim(), Shape,
           "linalg.cross: inputs must have the same number of dimensions, but got %lld and %lld",
           static_cast<long long>(self.dim()), static_cast<long long>(other.dim()));
  const int64_t d = wrapDim(dim, self.dim());
  FB_CHECK(self.size(d) == 3 && other.size(d) == 3, Shape,
           "linalg.cross: inputs dimension %lld must have length 3. Got %lld and %lld", static_cast<long long>(dim),
           static_cast<long long>(self.size(d)), static_cast<long long>(other.size(d)));
  const auto a = [&](int64_t i) { return ops::select(self, d, i); };
  const auto b = [&](int64_t i) { return ops::select(other, d, i); };
  TensorList parts;
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t j = (i + 1) % 3, k = (i + 2) % 3;
    parts.push_back(ops::sub(ops::mul(a(j), b(k)), ops::mul(a(k), b(j))));
  }
  return ops::stack(parts, d);
}

Tensor bilinear(const Tensor& input1, const Tensor& input2, const Tensor& weight, const Tensor& bias) {
  FB_CHECK(input1.dim() == input2.dim(), Shape, "bilinear(): input dimensions do not match: got %lld and %lld",
           static_cast<long long>(input1.dim()), static_cast<long long>(input2.dim()));
  FB_CHECK(weight.dim() == 3, Shape, "bilinear(): weight must be 3D, got shape %s",
           shapeString(weight.sizes()).c_str());
  for (int64_t d = 0; d + 1 < input1.dim(); ++d)
    FB_CHECK(input1.size(d) == input2.size(d), Shape,
             "bilinear(): input batch dimensions do not match at dim %lld: got %lld and %lld",
             static_cast<long long>(d), static_cast<long long>(input1.size(d)), static_cast<long long>(input2.size(d)));
  FB_CHECK(input1.size(-1) == weight.size(1), Shape,
           "bilinear(): input1 size does not match weight size: got %lld but expected %lld",
           static_cast<long long>(input1.size(-1)), static_cast<long long>(weight.size(1)));
  FB_CHECK(input2.size(-1) == weight.size(2), Shape,
           "bilinear(): input2 size does not match weight size: got %lld but expected %lld",
           static_cast<long long>(input2.size(-1)), static_cast<long long>(weight.size(2)));
  if (bias.defined())
    FB_CHECK(bias.size(0) == weight.size(0), Shape,
             "bilinear(): bias size does not match weight size: got %lld but expected %lld",
             static_cast<long long>(bias.size(0)), static_cast<long long>(weight.size(0)));
  Dims sizes(input1.sizes());
  sizes.pop_back();
  const int64_t rows = product(sizes), in1 = weight.size(1), in2 = weight.size(2), out = weight.size(0);
  sizes.push_back(out);
  // [rows, in1] x [in1, out * in2], then per row [out, in2] x [in2].
  const Tensor w = ops::reshape(ops::permute(weight, Dims{1, 0, 2}), Dims{in1, out * in2});
  const Tensor half = ops::reshape(ops::mm(ops::reshape(input1, Dims{rows, in1}), w), Dims{rows, out, in2});
  Tensor y = ops::reshape(ops::bmm(half, ops::reshape(input2, Dims{rows, in2, 1})), sizes);
  return bias.defined() ? ops::add(y, bias) : y;
}

}  // namespace flambeau::linalg
