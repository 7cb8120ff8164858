// The inner loop around a generated pointwise body: W elements at a time, contiguous or broadcast operands on the fast
// path.
#pragma once
#include <cstdint>
#include <utility>

#include "kernels/traits.h"

namespace flambeau::kernels::FB_ISA {

template <class... T>
struct List {};

/// `Body::apply(outs..., ins..., attrs)` computes one vector; Outs/Ins are storage traits, A the compute vector of
/// attributes.
template <class Body, class A, int NAttr, class Outs, class Ins>
struct Pointwise;

template <class Body, class A, int NAttr, class... Outs, class... Ins>
struct Pointwise<Body, A, NAttr, List<Outs...>, List<Ins...>> {
  static constexpr int nOut = sizeof...(Outs), nIn = sizeof...(Ins);

  template <size_t... O, size_t... I>
  static inline void run(char* const* ptr, const int64_t* stride, int64_t n, const double* attr,
                         std::index_sequence<O...>, std::index_sequence<I...>) {
    A attrs[NAttr + 1] = {};
    for (int k = 0; k < NAttr; k++) attrs[k] = splatAs(A{}, attr[k]);
    const bool dense =
        ((stride[O] == Outs::size) && ...) && ((stride[nOut + I] == Ins::size || stride[nOut + I] == 0) && ...);
    const bool varies[nIn + 1] = {(stride[nOut + I] != 0)..., false};
    Block<Outs...> out;
    if (dense) {
      Splats<Ins...> fixed{{load1<Ins>(ptr[nOut + I])}...};
      int64_t i = 0;
      for (; i + FB_W <= n; i += FB_W) {
        Body::apply(out.template at<O>()...,
                    (varies[I] ? Ins::load(ptr[nOut + I] + i * Ins::size) : fixed.template at<I>())..., attrs);
        (Outs::store(ptr[O] + i * Outs::size, out.template at<O>()), ...);
      }
      if (i < n) {
        const int64_t rest = n - i;
        Body::apply(out.template at<O>()...,
                    (varies[I] ? Ins::loadn(ptr[nOut + I] + i * Ins::size, rest) : fixed.template at<I>())..., attrs);
        (Outs::storen(ptr[O] + i * Outs::size, out.template at<O>(), rest), ...);
      }
      return;
    }
    for (int64_t i = 0; i < n; i += FB_W) {
      const int64_t m = n - i < FB_W ? n - i : FB_W;
      Body::apply(out.template at<O>()..., Ins::loads(ptr[nOut + I] + i * stride[nOut + I], stride[nOut + I], m)...,
                  attrs);
      (Outs::stores(ptr[O] + i * stride[O], stride[O], out.template at<O>(), m), ...);
    }
  }
  static void kernel(char* const* ptr, const int64_t* stride, int64_t n, const double* attr) {
    run(ptr, stride, n, attr, std::make_index_sequence<nOut>(), std::make_index_sequence<nIn>());
  }

 private:
  /// All lanes hold the first element.
  template <class T>
  static inline typename T::V load1(const char* p) {
    return T::loads(p, 0, FB_W);
  }
  template <size_t K, class V>
  struct Slot {
    V value;
  };
  template <class Seq, class... T>
  struct SlotsOf;
  template <size_t... K, class... T>
  struct SlotsOf<std::index_sequence<K...>, T...> : Slot<K, typename T::V>... {
    template <size_t J, class V>
    static V& pick(Slot<J, V>& s) {
      return s.value;
    }
    template <size_t J, class V>
    static const V& pick(const Slot<J, V>& s) {
      return s.value;
    }
    template <size_t J>
    auto& at() {
      return pick<J>(*this);
    }
    template <size_t J>
    const auto& at() const {
      return pick<J>(*this);
    }
  };
  template <class... T>
  using Block = SlotsOf<std::index_sequence_for<T...>, T...>;
  template <class... T>
  using Splats = SlotsOf<std::index_sequence_for<T...>, T...>;
};

}  // namespace flambeau::kernels::FB_ISA
