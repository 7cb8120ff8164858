// Sizes and dtype of a tensor in half a cache line: autograd notes them for every input and output of every node.
#pragma once
#include <cstdint>
#include <utility>

#include "flambeau/dtype.h"
#include "flambeau/small_vector.h"

namespace flambeau {

/// Shapes of up to six sizes below 2^32 lie inside, others on the heap. Moved, not copied.
class TensorNote {
 public:
  TensorNote() = default;
  TensorNote(IntSpan sizes, DType type) : dtype(type), count_(static_cast<uint32_t>(sizes.size())) {
    bool fits = sizes.size() <= kInside;
    for (size_t i = 0; fits && i < sizes.size(); ++i) {
      small_[i] = static_cast<uint32_t>(sizes[i]);
      fits = small_[i] == sizes[i];
    }
    if (__builtin_expect(!fits, 0)) large_ = new Dims(sizes), outside_ = true;
  }
  TensorNote(TensorNote&& o) noexcept { take(o); }
  TensorNote& operator=(TensorNote&& o) noexcept {
    if (this != &o) {
      release();
      take(o);
    }
    return *this;
  }
  ~TensorNote() { release(); }

  Dims sizes() const {
    if (outside_) return *large_;
    Dims d(count_);
    for (size_t i = 0; i < count_; ++i) d[i] = small_[i];
    return d;
  }
  bool fits(IntSpan sizes) const {
    if (sizes.size() != count_) return false;
    for (size_t i = 0; i < count_; ++i)
      if (sizes[i] != (outside_ ? (*large_)[i] : int64_t{small_[i]})) return false;
    return true;
  }

  DType dtype = DType::Float32;

 private:
  static constexpr size_t kInside = 6;
  void release() {
    if (outside_) delete large_;
  }
  void take(TensorNote& o) {
    dtype = o.dtype;
    count_ = o.count_;
    outside_ = std::exchange(o.outside_, false);
    if (outside_) {
      large_ = o.large_;
    } else {
      for (size_t i = 0; i < kInside; ++i) small_[i] = o.small_[i];
    }
    o.count_ = 0;
  }
  bool outside_ = false;
  uint32_t count_ = 0;
  union {
    uint32_t small_[kInside] = {};
    Dims* large_;
  };
};

}  // namespace flambeau
