// Methods and functions of the public API that are no ops: values, backward, printing, the seed.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "flambeau/operators.h"
#include "flambeau/parallel.h"

namespace flambeau {

namespace {

/// An element as a double; the other types are exact in it but for large integers.
double valueAt(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::Float32:
      return t.ptr<float>()[i];
    case DType::Float64:
      return t.ptr<double>()[i];
    case DType::Int8:
      return t.ptr<int8_t>()[i];
    case DType::Int16:
      return t.ptr<int16_t>()[i];
    case DType::Int32:
      return t.ptr<int32_t>()[i];
    case DType::Int64:
      return static_cast<double>(t.ptr<int64_t>()[i]);
    case DType::UInt8:
    case DType::Bool:
      return t.ptr<uint8_t>()[i];
    default:
      return valueAt(t.to(DType::Float32), i);
  }
}

template <class T>
Tensor ofNumbers(const T* values, size_t n, DType dtype) {
  Tensor t = emptyTensor(Dims{static_cast<int64_t>(n)}, dtype);
  if (n > 0) std::memcpy(t.data(), values, n * sizeof(T));
  return t;
}

void print(std::ostream& out, const Tensor& t, int64_t dim, int64_t at, const char* format, int indent) {
  if (dim == t.dim()) {
    char text[64];
    std::snprintf(text, sizeof text, format, valueAt(t, at));
    out << text;
    return;
  }
  constexpr int64_t kEdge = 3, kWhole = 1000;
  const int64_t n = t.size(dim), step = product(t.sizes().subspan(static_cast<size_t>(dim) + 1));
  const bool cut = t.numel() > kWhole && n > 2 * kEdge;
  out << '[';
  for (int64_t i = 0; i < n; ++i) {
    if (cut && i == kEdge) {
      out << ", ...";
      i = n - kEdge;
    }
    if (i > 0) {
      out << ',';
      if (dim + 1 == t.dim())
        out << ' ';
      else
        out << std::string(static_cast<size_t>(t.dim() - dim - 1), '\n')
            << std::string(static_cast<size_t>(indent) + 1, ' ');
    }
    print(out, t, dim + 1, at + i * step, format, indent + 1);
  }
  out << ']';
}

}  // namespace

template <class T>
T Tensor::item() const {
  FB_CHECK(defined(), Value, "item() of an undefined tensor");
  FB_CHECK(numel() == 1, Value, "a Tensor with %lld elements cannot be converted to Scalar",
           static_cast<long long>(numel()));
  if constexpr (std::is_same_v<T, int64_t>)
    if (dtype() == DType::Int64) return ptr<int64_t>()[0];
  return static_cast<T>(valueAt(*this, 0));
}
template float Tensor::item<float>() const;
template double Tensor::item<double>() const;
template int Tensor::item<int>() const;
template int64_t Tensor::item<int64_t>() const;
template bool Tensor::item<bool>() const;

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  autograd::RunOptions options;
  options.retainGraph = retain_graph || create_graph;
  options.createGraph = create_graph;
  autograd::runBackward({*this}, {gradient}, {}, options);
}
Tensor Tensor::to(DType dtype) const { return ops::toDtype(*this, dtype); }

std::string Tensor::str() const {
  if (!defined()) return "[ Tensor (undefined) ]";
  std::ostringstream out;
  const Tensor dense = ops::contiguous(ops::detach(*this));
  bool whole = !isFloating(dtype());
  if (!whole) {
    whole = true;
    for (int64_t i = 0; i < dense.numel() && whole; ++i) {
      const double v = valueAt(dense, i);
      whole = !std::isfinite(v) || v == std::trunc(v);
    }
    out << "tensor(";
    print(out, dense, 0, 0, whole ? "%.0f." : "%.4f", 7);
  } else {
    out << "tensor(";
    print(out, dense, 0, 0, "%.0f", 7);
  }
  if (dtype() != DType::Float32 && dtype() != DType::Int64 && dtype() != DType::Bool)
    out << ", dtype=" << dtypeName(dtype());
  if (requiresGrad()) out << (isLeaf() ? ", requires_grad=true" : ", grad_fn=<" + gradFn()->name() + ">");
  out << ')';
  return out.str();
}
std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << t.str(); }

Tensor tensor(std::initializer_list<double> values) {
  const std::vector<float> list(values.begin(), values.end());
  return tensor(list);
}
Tensor tensor(const std::vector<float>& values) { return ofNumbers(values.data(), values.size(), DType::Float32); }
Tensor tensor(const std::vector<double>& values) { return ofNumbers(values.data(), values.size(), DType::Float64); }
Tensor tensor(const std::vector<int64_t>& values) { return ofNumbers(values.data(), values.size(), DType::Int64); }
Tensor from_blob(const void* data, IntList sizes, DType dtype) {
  for (int64_t n : sizes.span()) FB_CHECK(n >= 0, Value, "from_blob: an extent is negative");
  Tensor t = emptyTensor(sizes, dtype);
  FB_CHECK(data || t.numel() == 0, Value, "from_blob: a null pointer");
  if (t.numel() > 0) std::memcpy(t.data(), data, t.nbytes());
  return t;
}

void manual_seed(uint64_t seed) {
  Generator& g = defaultGenerator();
  std::lock_guard<std::mutex> lock(g.mutex);
  g.manualSeed(seed);
}
void set_num_threads(int threads) { setNumThreads(threads); }

namespace autograd {
TensorList grad(const TensorList& outputs, const TensorList& inputs, const TensorList& grad_outputs, bool retain_graph,
                bool create_graph, bool allow_unused) {
  RunOptions options;
  options.retainGraph = retain_graph || create_graph;
  options.createGraph = create_graph;
  options.accumulate = false;
  options.allowUnused = allow_unused;
  TensorList given = grad_outputs;
  given.resize(outputs.size());
  return runBackward(outputs, given, inputs, options);
}
}  // namespace autograd

}  // namespace flambeau
