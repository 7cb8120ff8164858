// Storage, TensorImpl and the plain ways to make a tensor.
#include "flambeau/tensor.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_set>

#include "core/allocator.h"
#include "core/element.h"
#include "core/exposed.h"

namespace flambeau {

// ---- devices ----
std::string Device::str() const {
  if (type == DeviceType::CPU) return "cpu";
  return "cuda:" + std::to_string(index);
}

Device Device::parse(std::string_view s) {
  if (s == "cpu" || s == "cpu:0") return {};
  std::string_view rest = s;
  FB_CHECK(rest.substr(0, 4) == "cuda", Device, "Invalid device string: '%.*s'; expected 'cpu', 'cuda' or 'cuda:N'",
           static_cast<int>(s.size()), s.data());
  rest.remove_prefix(4);
  Device d{DeviceType::CUDA, 0};
  if (rest.empty()) return d;
  bool ok = rest.size() >= 2 && rest.size() <= 3 && rest[0] == ':';
  int index = 0;
  for (size_t i = 1; ok && i < rest.size(); ++i) {
    ok = rest[i] >= '0' && rest[i] <= '9';
    index = index * 10 + (rest[i] - '0');
  }
  FB_CHECK(ok, Device, "Invalid device string: '%.*s'; expected 'cpu', 'cuda' or 'cuda:N'", static_cast<int>(s.size()),
           s.data());
  d.index = static_cast<int8_t>(index);
  return d;
}

// ---- storage ----
Ref<Storage> Storage::allocate(size_t nbytes, Device device) {
  FB_CHECK(device.type == DeviceType::CPU, Device, "cannot allocate on device %s: only cpu is available",
           device.str().c_str());
  void* data = nbytes ? alloc::acquire(nbytes) : nullptr;
  auto* s = new (alloc::acquireObject(alloc::Pool::Storage, sizeof(Storage))) Storage;
  s->data_ = data;
  s->nbytes_ = nbytes;
  s->device_ = device;
  alloc::notify(static_cast<int64_t>(nbytes));
  s->firstReference();
  return Ref<Storage>::adopt(s);
}

Ref<Storage> Storage::borrow(void* data, size_t nbytes, void (*deleter)(void* ctx), void* ctx) {
  auto* s = new (alloc::acquireObject(alloc::Pool::Storage, sizeof(Storage))) Storage;
  s->data_ = data;
  s->nbytes_ = nbytes;
  // A null deleter still marks the memory as foreign.
  s->deleter_ = deleter ? deleter : [](void*) {};
  s->ctx_ = ctx;
  expose(s);
  return Ref<Storage>(s);
}

namespace {

struct Exposed {
  std::mutex mutex;
  std::unordered_set<const Storage*> storages;
  std::atomic<size_t> count{0};  // read without the lock: storages die all the time, and most are not here
};
Exposed& exposedStorages() {
  static Exposed* e = new Exposed();  // never destroyed: tensors may be freed during exit
  return *e;
}

}  // namespace

void expose(const Storage* storage) {
  Exposed& e = exposedStorages();
  std::lock_guard lock(e.mutex);
  e.storages.insert(storage);
  e.count.store(e.storages.size(), std::memory_order_relaxed);
}

bool exposed(const Storage* storage) {
  Exposed& e = exposedStorages();
  if (e.count.load(std::memory_order_relaxed) == 0) return false;
  std::lock_guard lock(e.mutex);
  return e.storages.contains(storage);
}

Storage::~Storage() {
  if (Exposed& e = exposedStorages(); e.count.load(std::memory_order_relaxed) != 0) {
    std::lock_guard lock(e.mutex);
    e.storages.erase(this);
    e.count.store(e.storages.size(), std::memory_order_relaxed);
  }
  if (deleter_) {
    deleter_(ctx_);
  } else {
    if (data_) alloc::giveBack(data_, nbytes_);
    alloc::notify(-static_cast<int64_t>(nbytes_));
  }
}

void Storage::destroy() {
  this->Storage::~Storage();
  alloc::giveBackObject(alloc::Pool::Storage, this);
}

// ---- impl ----
namespace {

/// Row-major without gaps; strides of size-1 dimensions do not matter. Not for empty tensors (which always are).
bool isRowMajor(const Dims& sizes, const Dims& strides) {
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 1) continue;
    if (strides[i] != step) return false;
    step *= sizes[i];
  }
  return true;
}

/// What follows from sizes and strides.
void derive(TensorImpl* t) {
  int64_t n = 1;
  bool overflow = false, empty = false;
  for (int64_t s : t->sizes) {
    empty |= s == 0;
    overflow |= __builtin_mul_overflow(n, s, &n);
  }
  if (__builtin_expect(empty, 0)) n = 0;
  // Expanded views can have more elements than bytes exist.
  FB_CHECK(!overflow || empty, Value, "numel: integer multiplication overflow with sizes=%s",
           shapeString(t->sizes).c_str());
  t->numel = n;
  t->contiguous = empty || isRowMajor(t->sizes, t->strides);
}

/// Element count of a shape that users gave; PyTorch's errors for negative and overflowing sizes.
int64_t checkedNumel(IntSpan sizes, DType dtype) {
  int64_t n = 1, bytes = 0;
  bool overflow = false, empty = false;
  for (int64_t s : sizes) {
    FB_CHECK(s >= 0, Value, "Trying to create tensor with negative dimension %ld: %s", static_cast<long>(s),
             shapeString(sizes).c_str());
    empty |= s == 0;
    overflow |= __builtin_mul_overflow(n, s, &n);
  }
  if (empty) return 0;
  overflow |= __builtin_mul_overflow(n, static_cast<int64_t>(itemSize(dtype)), &bytes);
  FB_CHECK(!overflow, Value, "Storage size calculation overflowed with sizes=%s", shapeString(sizes).c_str());
  return n;
}

}  // namespace

Ref<TensorImpl> TensorImpl::create(Ref<Storage> storage, DType dtype, Dims sizes, Dims strides, int64_t offset) {
  auto* impl = new (alloc::acquireObject(alloc::Pool::Impl, sizeof(TensorImpl))) TensorImpl;
  impl->firstReference();
  Ref<TensorImpl> ref = Ref<TensorImpl>::adopt(impl);
  impl->storage = std::move(storage);
  impl->dtype = dtype;
  impl->sizes = std::move(sizes);
  impl->strides = std::move(strides);
  impl->offset = offset;
  derive(impl);
  return ref;
}

void TensorImpl::setGeometry(Dims newSizes, Dims newStrides, int64_t newOffset) {
  sizes = std::move(newSizes);
  strides = std::move(newStrides);
  offset = newOffset;
  derive(this);
}

TensorImpl::~TensorImpl() {
  if (meta) autograd::destroyMeta(meta);
}

void TensorImpl::destroy() {
  this->TensorImpl::~TensorImpl();
  alloc::giveBackObject(alloc::Pool::Impl, this);
}

// ---- handle ----
namespace {
size_t indexOfDim(int64_t d, int64_t ndim) {
  FB_CHECK(ndim > 0, Index, "dimension specified as %ld but tensor has no dimensions", static_cast<long>(d));
  return static_cast<size_t>(wrapDim(d, ndim));
}
}  // namespace

int64_t Tensor::size(int64_t d) const { return impl_->sizes[indexOfDim(d, dim())]; }
int64_t Tensor::stride(int64_t d) const { return impl_->strides[indexOfDim(d, dim())]; }

// ---- making tensors ----
Tensor emptyTensor(IntSpan sizes, DType dtype, Device device) {
  int64_t numel = checkedNumel(sizes, dtype);
  Ref<Storage> storage = Storage::allocate(static_cast<size_t>(numel) * itemSize(dtype), device);
  return Tensor(TensorImpl::create(std::move(storage), dtype, Dims(sizes), contiguousStrides(sizes), 0));
}

Tensor emptyStrided(IntSpan sizes, IntSpan strides, DType dtype, Device device) {
  FB_CHECK(sizes.size() == strides.size(), Value, "mismatch in length of strides and shape: %s and %s",
           shapeString(strides).c_str(), shapeString(sizes).c_str());
  int64_t numel = checkedNumel(sizes, dtype), last = 0;
  bool overflow = false;
  for (size_t i = 0; i < sizes.size(); ++i) {
    FB_CHECK(strides[i] >= 0, Value, "Negative strides are not supported at the moment, got strides: %s",
             shapeString(strides).c_str());
    int64_t reach;
    if (sizes[i] > 1)
      overflow |=
          __builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) || __builtin_add_overflow(last, reach, &last);
  }
  int64_t bytes = 0;
  overflow |= __builtin_add_overflow(last, 1, &last) ||
              __builtin_mul_overflow(last, static_cast<int64_t>(itemSize(dtype)), &bytes);
  FB_CHECK(!overflow, Value, "Storage size calculation overflowed with sizes=%s and strides=%s",
           shapeString(sizes).c_str(), shapeString(strides).c_str());
  Ref<Storage> storage = Storage::allocate(numel ? static_cast<size_t>(bytes) : 0, device);
  return Tensor(TensorImpl::create(std::move(storage), dtype, Dims(sizes), Dims(strides), 0));
}

Tensor aliasTensor(const Tensor& base, Dims sizes, Dims strides, int64_t offset) {
  return Tensor(TensorImpl::create(base.impl()->storage, base.dtype(), std::move(sizes), std::move(strides), offset));
}

Tensor scalarTensor(Scalar s, std::optional<DType> dtype) {
  DType t = dtype ? *dtype : s.isFloat() ? defaultDType() : s.isBool() ? DType::Bool : DType::Int64;
  Tensor out = emptyTensor({}, t);
  storeScalar(out.data(), t, s);
  return out;
}

}  // namespace flambeau
