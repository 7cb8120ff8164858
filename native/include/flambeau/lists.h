// Lists of integers as arguments: {2, 3}, one number, a vector, the sizes of a tensor. They refer to their elements for
// the length of a call.
#pragma once
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "flambeau/small_vector.h"

namespace flambeau {

class IntList {
 public:
  IntList(std::initializer_list<int64_t> list) : many_(list.begin(), list.size()) {}
  IntList(IntSpan list) : many_(list) {}
  IntList(const std::vector<int64_t>& list) : many_(list) {}
  IntList(const Dims& list) : many_(list.span()) {}
  IntList(int64_t one) : one_(one), single_(true) {}
  IntList(int one) : IntList(int64_t{one}) {}
  operator IntSpan() const { return span(); }
  IntSpan span() const { return single_ ? IntSpan(&one_, 1) : many_; }

 private:
  IntSpan many_;
  int64_t one_ = 0;
  bool single_ = false;
};

/// The same, or none.
class OptionalIntList {
 public:
  OptionalIntList(std::nullopt_t) {}
  OptionalIntList(IntList list) : list_(list), defined_(true) {}
  OptionalIntList(std::initializer_list<int64_t> list) : OptionalIntList(IntList(list)) {}
  OptionalIntList(int64_t one) : OptionalIntList(IntList(one)) {}
  OptionalIntList(int one) : OptionalIntList(IntList(one)) {}
  OptionalIntList(IntSpan list) : OptionalIntList(IntList(list)) {}
  OptionalIntList(const std::vector<int64_t>& list) : OptionalIntList(IntList(list)) {}
  std::optional<IntSpan> value() const { return defined_ ? std::optional<IntSpan>(list_.span()) : std::nullopt; }

 private:
  IntList list_ = IntSpan();
  bool defined_ = false;
};

}  // namespace flambeau
