// A vector of trivially copyable elements that lives inline up to N: shapes and strides never allocate in practice.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

namespace flambeau {

template <class T, size_t N>
class SmallVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SmallVector() = default;
  explicit SmallVector(size_t n, T value = T{}) { resize(n, value); }
  SmallVector(std::initializer_list<T> init) { assign(init.begin(), init.size()); }
  SmallVector(std::span<const T> s) { assign(s.data(), s.size()); }
  SmallVector(const std::vector<T>& v) { assign(v.data(), v.size()); }
  SmallVector(const SmallVector& o) { copy(o); }
  SmallVector& operator=(const SmallVector& o) {
    if (this != &o) copy(o);
    return *this;
  }
  SmallVector(SmallVector&& o) noexcept { steal(o); }
  SmallVector& operator=(SmallVector&& o) noexcept {
    if (this != &o) {
      release();
      steal(o);
    }
    return *this;
  }
  ~SmallVector() { release(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& back() { return data_[size_ - 1]; }
  const T& back() const { return data_[size_ - 1]; }
  operator std::span<const T>() const { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

  void push_back(T v) {
    reserve(size_ + 1);
    data_[size_++] = v;
  }
  void pop_back() { --size_; }
  void clear() { size_ = 0; }
  void resize(size_t n, T value = T{}) {
    reserve(n);
    for (size_t i = size_; i < n; ++i) data_[i] = value;
    size_ = static_cast<uint32_t>(n);
  }
  void insert(size_t at, T v) {
    push_back(v);
    for (size_t i = size_ - 1; i > at; --i) std::swap(data_[i], data_[i - 1]);
  }
  void erase(size_t at) {
    for (size_t i = at; i + 1 < size_; ++i) data_[i] = data_[i + 1];
    --size_;
  }
  bool operator==(const SmallVector& o) const {
    return size_ == o.size_ && std::memcmp(data_, o.data_, size_ * sizeof(T)) == 0;
  }

 private:
  void assign(const T* p, size_t n) {
    if (n > capacity_) grow(n);
    if (n <= N) {
      // Shapes are short: a loop that the compiler may not turn into a library call.
      for (size_t i = 0; i < n; ++i) {
        data_[i] = p[i];
        asm("");
      }
    } else {
      std::memmove(data_, p, n * sizeof(T));
    }
    size_ = static_cast<uint32_t>(n);
  }
  void copy(const SmallVector& o) {
    if (o.size_ > N) {
      assign(o.data_, o.size_);
    } else {
      // Whole inline arrays, so that the size is a constant (elements past the end are copied along, and never read).
      // `o` may own a heap block that became too large for its contents: copy from where its elements are.
      if (o.data_ == o.inline_)
        std::memcpy(data_, o.inline_, sizeof inline_);
      else
        assign(o.data_, o.size_);
      size_ = o.size_;
    }
  }
  void reserve(size_t n) {
    if (n > capacity_) grow(n);
  }
  __attribute__((noinline)) void grow(size_t n) {
    size_t cap = capacity_ * 2 > n ? capacity_ * 2 : n;
    T* p = new T[cap];
    if (size_) std::memcpy(p, data_, size_ * sizeof(T));
    release();
    data_ = p;
    capacity_ = static_cast<uint32_t>(cap);
  }
  void release() {
    if (data_ != inline_) delete[] data_;
    data_ = inline_;
    capacity_ = N;
  }
  void steal(SmallVector& o) {
    if (o.data_ == o.inline_) {
      std::memcpy(inline_, o.inline_, sizeof inline_);
      data_ = inline_;
      capacity_ = N;
    } else {
      data_ = o.data_;
      capacity_ = o.capacity_;
      o.data_ = o.inline_;
      o.capacity_ = N;
    }
    size_ = o.size_;
    o.size_ = 0;
  }

  T* data_ = inline_;
  uint32_t size_ = 0, capacity_ = N;
  T inline_[N];
};

using Dims = SmallVector<int64_t, 6>;
using IntSpan = std::span<const int64_t>;

}  // namespace flambeau
