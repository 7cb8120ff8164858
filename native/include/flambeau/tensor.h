// Storage, TensorImpl and the Tensor handle. Depends on nothing but the vocabulary headers.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "flambeau/dtype.h"
#include "flambeau/error.h"
#include "flambeau/intrusive.h"
#include "flambeau/lists.h"
#include "flambeau/scalar.h"
#include "flambeau/small_vector.h"

namespace flambeau {

enum class DeviceType : uint8_t { CPU = 0, CUDA = 1 };
struct Device {
  DeviceType type = DeviceType::CPU;
  int8_t index = 0;
  bool operator==(const Device&) const = default;
  std::string str() const;
  /// 'cpu', 'cuda', 'cuda:1'; throws Error(Device).
  static Device parse(std::string_view s);
};

/// A block of bytes. Views share it; `version` counts in-place writes, so that autograd and the recorder notice them.
class Storage : public RefCounted {
 public:
  /// Uninitialised bytes from the caching allocator, 64-byte aligned. Throws Error(Memory).
  static Ref<Storage> allocate(size_t nbytes, Device device = {});
  /// Foreign memory (an ArrayBuffer, a mapped file): `deleter` runs when the last view goes.
  static Ref<Storage> borrow(void* data, size_t nbytes, void (*deleter)(void* ctx), void* ctx);

  void* data() const { return data_; }
  size_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bumpVersion() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  Storage() = default;
  ~Storage() override;
  void destroy() override;
  void* data_ = nullptr;
  size_t nbytes_ = 0;
  void (*deleter_)(void*) = nullptr;
  void* ctx_ = nullptr;
  Device device_;
  std::atomic<uint32_t> version_{0};
};

class TensorImpl;
namespace autograd {
struct Meta;  // autograd.h
class Node;
void destroyMeta(Meta*);
}  // namespace autograd

/// Shape, strides (both in elements), offset and dtype over a storage. Pooled: see TensorImpl::create.
class TensorImpl : public RefCounted {
 public:
  static Ref<TensorImpl> create(Ref<Storage> storage, DType dtype, Dims sizes, Dims strides, int64_t offset);

  Ref<Storage> storage;
  Dims sizes, strides;
  int64_t offset = 0;  // elements
  int64_t numel = 1;
  DType dtype = DType::Float32;
  bool contiguous = true;          // row-major; kept up to date by create/setGeometry
  bool inference = false;          // made under inferenceMode
  autograd::Meta* meta = nullptr;  // owned; null for a plain tensor
  uint64_t traceId = 0;            // recorder's tag for this impl: (trace serial << 32) | alias index; 0: unknown

  void setGeometry(Dims sizes, Dims strides, int64_t offset);

 private:
  TensorImpl() = default;
  ~TensorImpl() override;
  void destroy() override;
};

class Generator;
struct Operand;
class Tensor;
using TensorList = std::vector<Tensor>;
using TensorSpan = std::span<const Tensor>;

/// Reference-counted handle; copying it shares the tensor. A default-made Tensor is undefined (no tensor).
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  const Ref<TensorImpl>& ref() const { return impl_; }
  bool is(const Tensor& o) const { return impl_ == o.impl_; }

  DType dtype() const { return impl_->dtype; }
  Device device() const { return impl_->storage->device(); }
  IntSpan sizes() const { return impl_->sizes; }
  IntSpan strides() const { return impl_->strides; }
  int64_t dim() const { return static_cast<int64_t>(impl_->sizes.size()); }
  int64_t numel() const { return impl_->numel; }
  /// Size of a dimension; negative counts from the end. Throws Error(Index) with PyTorch's words.
  int64_t size(int64_t d) const;
  int64_t stride(int64_t d) const;
  int64_t storageOffset() const { return impl_->offset; }
  bool isContiguous() const { return impl_->contiguous; }
  size_t nbytes() const { return static_cast<size_t>(numel()) * itemSize(dtype()); }
  void* data() const {
    return static_cast<char*>(impl_->storage->data()) + impl_->offset * static_cast<int64_t>(itemSize(dtype()));
  }
  template <class T>
  T* ptr() const {
    return static_cast<T*>(data());
  }
  uint32_t version() const { return impl_->storage->version(); }
  void bumpVersion() const { impl_->storage->bumpVersion(); }

  // Autograd (defined in native/autograd).
  bool requiresGrad() const { return impl_->meta != nullptr && requiresGradSlow(); }
  const Tensor& setRequiresGrad(bool value) const;
  bool isLeaf() const;
  Tensor grad() const;
  void setGrad(const Tensor& g) const;
  Ref<autograd::Node> gradFn() const;

  // ---- the public API beside the ops (native/frontend/tensor.cc) ----
  /// The only element. Throws Error(Value) when there are more, or none.
  template <class T>
  T item() const;
  /// Gradients of a scalar (or, given `gradient`, of any result) into the leaves' grad().
  void backward(const Tensor& gradient = Tensor(), bool retain_graph = false, bool create_graph = false) const;
  bool requires_grad() const { return requiresGrad(); }
  const Tensor& set_requires_grad(bool value) const { return setRequiresGrad(value); }
  bool is_leaf() const { return isLeaf(); }
  bool is_contiguous() const { return isContiguous(); }
  Tensor to(DType dtype) const;
  /// As PyTorch prints it.
  std::string str() const;
#include "flambeau/tensor_methods.h"

 private:
  bool requiresGradSlow() const;
  Ref<TensorImpl> impl_;
};

/// A tensor or a host number: the second operand of `add`, the exponent of `pow`, ...
struct Operand {
  Tensor tensor;  // undefined: use `scalar`
  Scalar scalar;
  Operand() = default;
  Operand(const Tensor& t) : tensor(t) {}
  Operand(Scalar s) : scalar(s) {}
  Operand(double s) : scalar(s) {}
  Operand(int s) : scalar(s) {}
  bool isTensor() const { return tensor.defined(); }
};

/// Operands of one call that count no references: the tensors that they were made of must outlive them. Counting takes
/// as long as a small kernel.
template <size_t N>
class BorrowedOperands {
 public:
  template <class... T>
  explicit BorrowedOperands(const T&... from) {
    static_assert(sizeof...(T) == N);
    size_t i = 0;
    (put(items_ + i++, from), ...);
  }
  BorrowedOperands(const BorrowedOperands&) = delete;
  BorrowedOperands& operator=(const BorrowedOperands&) = delete;
  ~BorrowedOperands() {}  // the operands are not destroyed, as they hold no reference
  operator std::span<const Operand>() const { return {items_, N}; }
  operator const Operand&() const requires(N == 1) { return items_[0]; }

 private:
  static void put(Operand* at, const Tensor& t) {
    new (at) Operand();
    at->tensor = Tensor(Ref<TensorImpl>::adopt(t.impl()));
  }
  static void put(Operand* at, const Operand& o) {
    put(at, o.tensor);
    at->scalar = o.scalar;
  }
  static void put(Operand* at, const Scalar& s) { new (at) Operand(s); }
  union {
    Operand items_[N];
  };
};
template <class... T>
BorrowedOperands(const T&...) -> BorrowedOperands<sizeof...(T)>;

// ---- making tensors without going through the dispatcher (kernels use these) ----
Tensor emptyTensor(IntSpan sizes, DType dtype, Device device = {});
Tensor emptyStrided(IntSpan sizes, IntSpan strides, DType dtype, Device device = {});
/// A new impl over the same storage: no autograd history.
Tensor aliasTensor(const Tensor& base, Dims sizes, Dims strides, int64_t offset);
/// A 0-d tensor that holds the number, PyTorch's dtype for its kind unless given.
Tensor scalarTensor(Scalar s, std::optional<DType> dtype = {});

// ---- shapes (shape.cc) ----
Dims contiguousStrides(IntSpan sizes);
int64_t product(IntSpan sizes);
/// PyTorch's broadcasting; throws Error(Shape): "The size of tensor a (3) must match the size of tensor b (4) at
/// non-singleton dimension 1".
Dims broadcastShapes(IntSpan a, IntSpan b);
/// Wraps a possibly negative dim; throws Error(Index): "Dimension out of range (expected to be in range of [-2, 1], but
/// got 2)".
int64_t wrapDim(int64_t d, int64_t ndim);
/// Wraps a list of dims, empty or absent = all; throws on duplicates ("dim 0 appears multiple times in the list of
/// dims").
Dims wrapDims(std::optional<IntSpan> dims, int64_t ndim);
/// '[2, 3]'.
std::string shapeString(IntSpan sizes);
/// Resolves one -1 against numel; throws Error(Shape): "shape '[2, -1]' is invalid for input of size 3".
Dims inferSize(IntSpan shape, int64_t numel);
/// Strides that view `sizes/strides` as `shape` without a copy, or nothing.
std::optional<Dims> viewStrides(IntSpan sizes, IntSpan strides, IntSpan shape);

/// PyTorch's result type: dimensioned tensors, then 0-d tensors, then numbers, by category.
DType resultType(std::span<const Operand> operands);

// ---- allocator statistics ----
struct MemoryStats {
  uint64_t allocatedBytes, allocatedPeak, reservedBytes, allocations, frees, cacheHits;
};
MemoryStats memoryStats();
void emptyCache();

/// Called with +bytes / -bytes as storages come and go on this thread (the addon tells V8's GC).
using MemoryHook = void (*)(int64_t delta);
void setMemoryHook(MemoryHook hook);  // thread-local

}  // namespace flambeau
