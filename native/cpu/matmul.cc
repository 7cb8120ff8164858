// Matrix products as ops: shapes, broadcasting and PyTorch's messages around cpu/gemm.h. Transposed and strided
// operands are read in place; 16-bit floats go through float32, small integers through int32 (which wraps alike).
#include "cpu/matmul.h"

#include <algorithm>

#include "cpu/extern_common.h"
#include "cpu/gemm.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

void checkSameDtype(const Tensor& a, const Tensor& b) {
  FB_CHECK(a.dtype() == b.dtype(), Type, "expected scalar type %s but found %s", scalarTypeName(a.dtype()),
           scalarTypeName(b.dtype()));
}

[[noreturn]] void notConformable(int64_t m, int64_t k, int64_t k2, int64_t n) {
  throw Error(ErrorKind::Shape,
              detail::formatMessage("mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)",
                                    static_cast<long long>(m), static_cast<long long>(k), static_cast<long long>(k2),
                                    static_cast<long long>(n)));
}

// [m, k] x [k, n] of 2-d tensors into `out` (dtype of the operands, unit column step).
void multiplyInto(const Tensor& out, const Tensor& a, const Tensor& b, const Tensor& bias, bool accumulate = false) {
  const DType compute = gemmDtype(a.dtype());
  if (compute != a.dtype()) {
    Tensor wide = accumulate ? castOf(out, compute) : emptyTensor(out.sizes(), compute);
    multiplyInto(wide, castOf(a, compute), castOf(b, compute), bias.defined() ? castOf(bias, compute) : bias,
                 accumulate);
    copyInto(out, wide);
    return;
  }
  GemmSpec s;
  s.dtype = compute;
  s.m = out.sizes()[0];
  s.n = out.sizes()[1];
  s.k = a.sizes()[1];
  s.aRow = a.strides()[0];
  s.aCol = a.strides()[1];
  s.bRow = b.strides()[0];
  s.bCol = b.strides()[1];
  s.cRow = out.strides()[0];
  s.bias = bias.defined();
  s.accumulate = accumulate;
  gemm(s, a.data(), b.data(), bias.defined() ? bias.data() : nullptr, out.data());
}

// The same tensor as a matrix: 1-d becomes a row or a column.
Tensor asMatrix(const Tensor& t, bool row) {
  if (t.dim() == 2) return t;
  const int64_t n = t.sizes()[0], s = t.strides()[0];
  return row ? aliasTensor(t, Dims{1, n}, Dims{n * s, s}, t.storageOffset())
             : aliasTensor(t, Dims{n, 1}, Dims{s, 1}, t.storageOffset());
}

// Leading dimensions of `t` folded into one row dimension when its strides allow, else of a contiguous copy.
Tensor foldRows(const Tensor& t) {
  const int64_t cols = t.sizes()[t.dim() - 1];
  const Dims shape{cols ? t.numel() / cols : product(t.sizes().first(static_cast<size_t>(t.dim() - 1))), cols};
  if (auto strides = viewStrides(t.sizes(), t.strides(), shape))
    return aliasTensor(t, shape, *strides, t.storageOffset());
  const Tensor c = contiguousOf(t);
  return aliasTensor(c, shape, Dims{cols, 1}, c.storageOffset());
}

Tensor reshaped(const Tensor& t, const Dims& sizes) {
  return aliasTensor(t, sizes, contiguousStrides(sizes), t.storageOffset());
}

// Batched product with broadcasting; both operands have at least 2 dims here.
Tensor batchProduct(const Tensor& a, const Tensor& b) {
  const size_t na = a.sizes().size(), nb = b.sizes().size();
  const Dims batch = broadcastShapes(a.sizes().first(na - 2), b.sizes().first(nb - 2));
  const int64_t m = a.sizes()[na - 2], k = a.sizes()[na - 1], k2 = b.sizes()[nb - 2], n = b.sizes()[nb - 1];
  if (k != k2) {
    const long long count = static_cast<long long>(product(batch));
    FB_CHECK(false, Shape,
             "Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but got: [%lld, %lld].",
             count, static_cast<long long>(k), count, static_cast<long long>(k2));
  }
  Dims sizes = batch;
  sizes.push_back(m);
  sizes.push_back(n);
  Tensor out = emptyTensor(sizes, a.dtype(), a.device());
  if (out.numel() == 0) return out;
  const DType compute = gemmDtype(a.dtype());
  const Tensor x = castOf(a, compute), y = castOf(b, compute);
  const Tensor z = compute == a.dtype() ? out : emptyTensor(sizes, compute);
  const ProductCalls calls = describeProduct(x.sizes(), x.strides(), y.sizes(), y.strides(), compute);
  const int64_t width = static_cast<int64_t>(itemSize(compute));
  char* to = static_cast<char*>(z.data());
  for (const auto& [p, q] : calls.offsets) {
    gemm(calls.spec, static_cast<const char*>(x.data()) + p * width, static_cast<const char*>(y.data()) + q * width,
         nullptr, to);
    to += calls.spec.batch * calls.spec.m * n * width;
  }
  if (!z.is(out)) copyInto(out, z);
  return out;
}

}  // namespace

DType gemmDtype(DType t) {
  switch (t) {
    case DType::Float32:
    case DType::Float16:
    case DType::BFloat16:
      return DType::Float32;
    case DType::Float64:
      return DType::Float64;
    case DType::Int64:
      return DType::Int64;
    case DType::Bool:
      break;
    default:
      return DType::Int32;
  }
  throw Error(ErrorKind::Type, "\"addmm_impl_cpu_\" not implemented for 'Bool'");
}

ProductCalls describeProduct(IntSpan aSizes, IntSpan aStrides, IntSpan bSizes, IntSpan bStrides, DType dtype) {
  const size_t na = aSizes.size(), nb = bSizes.size();
  const Dims batch = broadcastShapes(aSizes.first(na - 2), bSizes.first(nb - 2));
  ProductCalls calls;
  GemmSpec& s = calls.spec;
  s.dtype = dtype;
  s.m = aSizes[na - 2];
  s.n = bSizes[nb - 1];
  s.k = aSizes[na - 1];
  s.aRow = aStrides[na - 2];
  s.aCol = aStrides[na - 1];
  s.bRow = bStrides[nb - 2];
  s.bCol = bStrides[nb - 1];
  s.cRow = s.n;
  // Neighbours that continue each other in both operands are merged.
  Dims extent, sa, sb;
  const auto strideOf = [&](IntSpan sizes, IntSpan strides, size_t d) -> int64_t {
    const int64_t i = static_cast<int64_t>(d + sizes.size()) - 2 - static_cast<int64_t>(batch.size());
    return i < 0 || sizes[i] == 1 ? 0 : strides[i];
  };
  for (size_t d = 0; d < batch.size(); ++d) {
    if (batch[d] == 1) continue;
    const int64_t p = strideOf(aSizes, aStrides, d), q = strideOf(bSizes, bStrides, d);
    if (!extent.empty() && sa.back() == p * batch[d] && sb.back() == q * batch[d]) {
      extent.back() *= batch[d];
      sa.back() = p;
      sb.back() = q;
    } else {
      extent.push_back(batch[d]);
      sa.push_back(p);
      sb.push_back(q);
    }
  }
  // One B for all: the batch of A continues its rows.
  if (!extent.empty() && sb.back() == 0 && sa.back() == s.m * s.aRow) {
    s.m *= extent.back();
    extent.pop_back();
    sa.pop_back();
    sb.pop_back();
  }
  s.cBatch = s.m * s.n;
  // One B for many products of a few rows, or for rows that do not lie well: what was the batch becomes the rows, and
  // the results of a product lie between those of the others.
  const bool few = s.m < 16 && !extent.empty() && s.m < extent.back() && (s.aRow != 1 || s.aCol == 1);
  const bool better = s.aRow != 1 && s.aCol != 1 && !sa.empty() && sa.back() == 1;
  if (!extent.empty() && sb.back() == 0 && (few || better)) {
    s.batch = s.m;
    s.aBatch = s.aRow;
    s.m = extent.back();
    s.aRow = sa.back();
    s.cRow = s.cBatch;
    s.cBatch = s.n;
    extent.pop_back();
    sa.pop_back();
    sb.pop_back();
  } else if (!extent.empty()) {
    s.batch = extent.back();
    s.aBatch = sa.back();
    s.bBatch = sb.back();
    extent.pop_back();
    sa.pop_back();
    sb.pop_back();
  }
  forEachLine<2>(extent, -1, {sa.span(), sb.span()},
                 [&](const std::array<int64_t, 2>& at) { calls.offsets.push_back(at); });
  return calls;
}

Tensor mm(const Tensor& self, const Tensor& mat2) {
  FB_CHECK(self.dim() == 2, Shape, "self must be a matrix");
  FB_CHECK(mat2.dim() == 2, Shape, "mat2 must be a matrix");
  if (self.sizes()[1] != mat2.sizes()[0])
    notConformable(self.sizes()[0], self.sizes()[1], mat2.sizes()[0], mat2.sizes()[1]);
  checkSameDtype(self, mat2);
  Tensor out = emptyTensor(Dims{self.sizes()[0], mat2.sizes()[1]}, self.dtype(), self.device());
  multiplyInto(out, self, mat2, {});
  return out;
}

Tensor bmm(const Tensor& self, const Tensor& mat2) {
  FB_CHECK(self.dim() == 3, Shape, "batch1 must be a 3D tensor");
  FB_CHECK(mat2.dim() == 3, Shape, "batch2 must be a 3D tensor");
  FB_CHECK(mat2.sizes()[0] == self.sizes()[0] && mat2.sizes()[1] == self.sizes()[2], Shape,
           "Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but got: [%lld, %lld].",
           static_cast<long long>(self.sizes()[0]), static_cast<long long>(self.sizes()[2]),
           static_cast<long long>(mat2.sizes()[0]), static_cast<long long>(mat2.sizes()[1]));
  checkSameDtype(self, mat2);
  return batchProduct(self, mat2);
}

Tensor dot(const Tensor& self, const Tensor& tensor) {
  FB_CHECK(self.dim() == 1 && tensor.dim() == 1, Shape, "1D tensors expected, but got %lldD and %lldD tensors",
           static_cast<long long>(self.dim()), static_cast<long long>(tensor.dim()));
  FB_CHECK(self.dtype() == tensor.dtype(), Type, "dot : expected both vectors to have same dtype, but found %s and %s",
           scalarTypeName(self.dtype()), scalarTypeName(tensor.dtype()));
  FB_CHECK(self.numel() == tensor.numel(), Shape,
           "inconsistent tensor size, expected tensor %s and src %s to have the same number of elements, but got %lld "
           "and %lld elements respectively",
           shapeString(self.sizes()).c_str(), shapeString(tensor.sizes()).c_str(), static_cast<long long>(self.numel()),
           static_cast<long long>(tensor.numel()));
  Tensor out = emptyTensor({}, self.dtype(), self.device());
  multiplyInto(aliasTensor(out, Dims{1, 1}, Dims{1, 1}, 0), asMatrix(contiguousOf(self), true),
               asMatrix(contiguousOf(tensor), false), {});
  return out;
}

Tensor matmul(const Tensor& self, const Tensor& other) {
  FB_CHECK(self.dim() > 0 && other.dim() > 0, Shape,
           "both arguments to matmul need to be at least 1D, but they are %lldD and %lldD",
           static_cast<long long>(self.dim()), static_cast<long long>(other.dim()));
  if (self.dim() == 1 && other.dim() == 1) return dot(self, other);
  if (self.dim() == 2 && other.dim() == 2) return mm(self, other);
  if (other.dim() <= 2) {
    // Rows of any rank against one matrix or vector: a single product.
    const Tensor a = self.dim() == 1 ? asMatrix(self, true) : foldRows(self), b = asMatrix(other, false);
    const int64_t m = a.sizes()[0], k = a.sizes()[1];
    if (k != b.sizes()[0]) {
      FB_CHECK(other.dim() == 2, Shape, "size mismatch, got %lld, %lldx%lld,%lld", static_cast<long long>(m),
               static_cast<long long>(m), static_cast<long long>(k), static_cast<long long>(b.sizes()[0]));
      notConformable(m, k, b.sizes()[0], b.sizes()[1]);
    }
    checkSameDtype(self, other);
    Dims sizes(self.sizes());
    sizes.pop_back();
    if (other.dim() == 2) sizes.push_back(other.sizes()[1]);
    Tensor out = emptyTensor(Dims{m, b.sizes()[1]}, self.dtype(), self.device());
    multiplyInto(out, a, b, {});
    return reshaped(out, sizes);
  }
  checkSameDtype(self, other);
  const Tensor out = batchProduct(self.dim() == 1 ? asMatrix(self, true) : self, other);
  if (self.dim() > 1) return out;
  Dims sizes(out.sizes());
  sizes.erase(sizes.size() - 2);
  return reshaped(out, sizes);
}

namespace {

// self broadcast to [m, n], PyTorch's expand error.
Tensor expanded(const Tensor& self, int64_t m, int64_t n) {
  const Dims target{m, n};
  Dims strides(2, 0);
  FB_CHECK(self.dim() <= 2, Shape,
           "expand(%s{%s}, size=[%lld, %lld]): the number of sizes provided (2) must be greater or equal to the number "
           "of dimensions in the tensor (%lld)",
           scalarTypeName(self.dtype()), shapeString(self.sizes()).c_str(), static_cast<long long>(m),
           static_cast<long long>(n), static_cast<long long>(self.dim()));
  for (int64_t d = 0; d < self.dim(); ++d) {
    const int64_t at = 2 - self.dim() + d, have = self.sizes()[d];
    FB_CHECK(have == target[at] || have == 1, Shape,
             "The expanded size of the tensor (%lld) must match the existing size (%lld) at non-singleton dimension "
             "%lld.  Target sizes: %s.  Tensor sizes: %s",
             static_cast<long long>(target[at]), static_cast<long long>(have), static_cast<long long>(at),
             shapeString(target).c_str(), shapeString(self.sizes()).c_str());
    if (have != 1) strides[at] = self.strides()[d];
  }
  return aliasTensor(self, target, strides, self.storageOffset());
}

// out = beta * out + alpha * add, element by element (both contiguous).
void scaleAdd(const Tensor& out, Scalar beta, const Tensor& add, Scalar alpha) {
  dispatchAll(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* o = out.ptr<T>();
    const T* x = add.ptr<T>();
    for (int64_t i = 0; i < out.numel(); ++i) {
      if constexpr (std::is_integral_v<T>) {
        o[i] = static_cast<T>(static_cast<uint64_t>(beta.toInt()) * static_cast<uint64_t>(o[i]) +
                              static_cast<uint64_t>(alpha.toInt()) * static_cast<uint64_t>(x[i]));
      } else if constexpr (!std::is_same_v<T, Bool8>) {
        using C = Compute<T>;
        // beta = 0 ignores what is there, NaN included.
        const C kept = beta.toDouble() == 0 ? C(0) : static_cast<C>(beta.toDouble()) * static_cast<C>(o[i]);
        o[i] = static_cast<T>(kept + static_cast<C>(alpha.toDouble()) * static_cast<C>(x[i]));
      }
    }
  });
}

}  // namespace

Tensor addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, Scalar beta, Scalar alpha) {
  FB_CHECK(mat1.dim() == 2, Shape, "mat1 must be a matrix, got %lld-D tensor", static_cast<long long>(mat1.dim()));
  FB_CHECK(mat2.dim() == 2, Shape, "mat2 must be a matrix, got %lld-D tensor", static_cast<long long>(mat2.dim()));
  const int64_t m = mat1.sizes()[0], n = mat2.sizes()[1];
  const Tensor base = expanded(self, m, n);
  if (mat1.sizes()[1] != mat2.sizes()[0]) notConformable(m, mat1.sizes()[1], mat2.sizes()[0], n);
  checkSameDtype(mat1, mat2);
  checkSameDtype(mat1, self);
  Tensor out = emptyTensor(Dims{m, n}, mat1.dtype(), mat1.device());
  const bool plain = beta.toDouble() == 1 && alpha.toDouble() == 1;
  if (plain && base.strides()[0] == 0 && (base.strides()[1] == 1 || n == 1)) {
    multiplyInto(out, mat1, mat2, aliasTensor(base, Dims{n}, Dims{1}, base.storageOffset()));
    return out;
  }
  copyInto(out, base);
  if (plain) {
    multiplyInto(out, mat1, mat2, {}, true);
  } else {
    const Tensor product = emptyTensor(Dims{m, n}, mat1.dtype());
    multiplyInto(product, mat1, mat2, {});
    scaleAdd(out, beta, product, alpha);
  }
  return out;
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  FB_CHECK(input.dim() > 0, Shape, "linear: input must be at least 1D, but it is 0D");
  FB_CHECK(weight.dim() == 2 || weight.dim() == 1, Shape, "linear: weight must be 1D or 2D, but it is %lldD",
           static_cast<long long>(weight.dim()));
  if (weight.dim() == 1) {
    FB_CHECK(!bias.defined(), Shape, "linear: a bias needs a 2D weight");
    return matmul(input, weight);
  }
  const Tensor x = input.dim() == 1 ? asMatrix(input, true) : input.dim() == 2 ? input : foldRows(input);
  const int64_t m = x.sizes()[0], in = x.sizes()[1], outs = weight.sizes()[0];
  if (in != weight.sizes()[1]) notConformable(m, in, weight.sizes()[1], outs);
  checkSameDtype(input, weight);
  Tensor add;
  if (bias.defined()) {
    checkSameDtype(input, bias);
    const Tensor row = expanded(bias, m, outs);
    FB_CHECK(row.strides()[0] == 0, Shape, "linear: bias must be 1D, got shape %s", shapeString(bias.sizes()).c_str());
    add = row.strides()[1] == 1
              ? bias
              : contiguousOf(aliasTensor(row, Dims{outs}, Dims{row.strides()[1]}, row.storageOffset()));
  }
  Tensor out = emptyTensor(Dims{m, outs}, input.dtype(), input.device());
  const Tensor transposed =
      aliasTensor(weight, Dims{in, outs}, Dims{weight.strides()[1], weight.strides()[0]}, weight.storageOffset());
  multiplyInto(out, x, transposed, add);
  Dims sizes(input.sizes());
  sizes.back() = outs;
  return input.dim() == 2 ? out : reshaped(out, sizes);
}

}  // namespace flambeau::cpu
