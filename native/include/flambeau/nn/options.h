// What the options of modules are made of: named settings, sizes per dimension.
#pragma once
#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "flambeau/error.h"
#include "flambeau/small_vector.h"

namespace flambeau::nn {

/// A named option: sets with an argument, reads without.
#define FLAMBEAU_ARG(Self, T, name)         \
  Self& name(T value) {                     \
    name##_ = std::move(value);             \
    return *this;                           \
  }                                         \
  const T& name() const { return name##_; } \
  T name##_

/// N numbers; one stands for all.
template <class T, size_t N>
struct Spread : std::array<T, N> {
  Spread(T one) { this->fill(one); }
  Spread(int one) requires(!std::is_same_v<T, int>) : Spread(static_cast<T>(one)) {}
  Spread(std::initializer_list<T> list) {
    FB_CHECK(list.size() == N, Value, "expected %zu numbers, got %zu", N, list.size());
    std::copy(list.begin(), list.end(), this->begin());
  }
};

/// Sizes in D dimensions: one number stands for all.
template <size_t D>
struct Extents : Spread<int64_t, D> {
  using Spread<int64_t, D>::Spread;
  IntSpan span() const { return {this->data(), D}; }
};

}  // namespace flambeau::nn
