// A vector of any movable type whose first N elements live inside: a graph node has one or two inputs and one output,
// and allocating two more blocks for them would cost as much as the node itself. Neither copied nor moved.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace flambeau {

template <class T, size_t N>
class InlineVector {
 public:
  InlineVector() = default;
  InlineVector(const InlineVector&) = delete;
  InlineVector& operator=(const InlineVector&) = delete;
  ~InlineVector() {
    resize(0);
    release();
  }

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

  void push_back(T v) {
    reserve(size_ + 1);
    new (data_ + size_) T(std::move(v));
    ++size_;
  }
  void resize(size_t n) {
    reserve(n);
    for (; size_ < n; ++size_) new (data_ + size_) T();
    for (; size_ > n; --size_) data_[size_ - 1].~T();
  }
  void reserve(size_t n) {
    if (n <= capacity_) return;
    const size_t capacity = capacity_ * 2 > n ? capacity_ * 2 : n;
    T* fresh = static_cast<T*>(::operator new(capacity * sizeof(T), std::align_val_t(alignof(T))));
    for (size_t i = 0; i < size_; ++i) {
      new (fresh + i) T(std::move(data_[i]));
      data_[i].~T();
    }
    release();
    data_ = fresh;
    capacity_ = static_cast<uint32_t>(capacity);
  }

 private:
  T* inlineData() { return reinterpret_cast<T*>(inline_); }
  void release() {
    if (data_ != inlineData()) ::operator delete(data_, std::align_val_t(alignof(T)));
  }
  alignas(T) std::byte inline_[N * sizeof(T)];
  T* data_ = inlineData();
  uint32_t size_ = 0, capacity_ = N;
};

}  // namespace flambeau
