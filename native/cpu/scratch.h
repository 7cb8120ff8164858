// Work memory of kernels: per thread, 64-byte aligned, kept between calls so that hot loops never allocate.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace flambeau::cpu {

class Scratch {
 public:
  ~Scratch() { std::free(data_); }
  /// At least `bytes` of memory, contents undefined; valid until the next call on this object.
  void* get(size_t bytes) {
    if (bytes > size_) {
      std::free(data_);
      size_ = (bytes + bytes / 4 + 4095) & ~size_t{4095};
      data_ = std::aligned_alloc(64, size_);
      if (!data_) {
        size_ = 0;
        throw std::bad_alloc();
      }
    }
    return data_;
  }
  template <class T>
  T* get(int64_t count) {
    return static_cast<T*>(get(static_cast<size_t>(count) * sizeof(T)));
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace flambeau::cpu
