// The loops around a generated reduction: vectors of accumulators over blocks, widened (double, int64) between blocks
// so that long sums keep their digits.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/traits.h"

namespace flambeau::kernels::FB_ISA {

/// R (generated) gives: In (storage trait), Acc (struct of vectors: narrow accumulators), Wide (struct of vectors),
/// State (struct of scalars, the driver's opaque bytes), and the static functions
///   init(Acc&), combine(Acc&, In::V x, i64v index), select(maskv, Acc&, const Acc&), join(Acc&, const Acc&),
///   widen(const Acc&) -> Wide, joinWide(Wide&, const Wide&), initWide(Wide&), shift(const Acc&, lanes) -> Acc,
///   load(const State*) -> Wide, store(State*, Wide, n).
template <class R>
struct Reduce {
  using In = typename R::In;
  using Acc = typename R::Acc;
  using Wide = typename R::Wide;
  using State = typename R::State;
  static constexpr int64_t kBlock = 1024;  // vectors between widenings

  static inline i64v lanes(int64_t index) { return fb_add(fb_splat_i64(index), fb_cvt_i32_i64(fb_iota_i32())); }

  static void inner(void* state, const char* in, int64_t stride, int64_t n, int64_t index, const double*) {
    State* out = static_cast<State*>(state);
    Wide total = R::load(out, 1);
    int64_t i = 0;
    while (i < n) {
      constexpr int U = R::unroll;
      Acc acc[U];
      for (int u = 0; u < U; u++) R::init(acc[u]);
      int64_t end = n - i > kBlock * FB_W ? i + kBlock * FB_W : n;
      if (stride == In::size) {
        for (; i + U * FB_W <= end; i += U * FB_W)
          for (int u = 0; u < U; u++)
            R::combine(acc[u], In::load(in + (i + u * FB_W) * In::size), lanes(index + i + u * FB_W));
        for (; i + FB_W <= end; i += FB_W) R::combine(acc[0], In::load(in + i * In::size), lanes(index + i));
      } else {
        for (; i + FB_W <= end; i += FB_W)
          R::combine(acc[0], In::loads(in + i * stride, stride, FB_W), lanes(index + i));
      }
      if (i < end) {
        const int64_t m = end - i;
        Acc next = acc[0];
        R::combine(next, stride == In::size ? In::loadn(in + i * In::size, m) : In::loads(in + i * stride, stride, m),
                   lanes(index + i));
        R::select(fb_lt(fb_iota_i32(), fb_splat_i32((int)m)), acc[0], next);
        i = end;
      }
      for (int u = 1; u < U; u++) R::join(acc[0], acc[u]);
      for (int w = FB_W / 2; w > 0; w /= 2) R::join(acc[0], R::shift(acc[0], w));
      R::joinWide(total, R::widen(acc[0]));
    }
    R::store(out, total, 1);
  }

  static void outer(void* states, const char* in, int64_t colStride, int64_t width, int64_t rowStride, int64_t n,
                    int64_t index, const double*) {
    State* out = static_cast<State*>(states);
    for (int64_t c = 0; c < width; c += FB_W) {
      const int64_t m = width - c < FB_W ? width - c : FB_W;
      const char* column = in + c * colStride;
      Wide total = R::load(out + c, m);
      for (int64_t r = 0; r < n;) {
        const int64_t end = n - r > kBlock ? r + kBlock : n;
        Acc acc;
        R::init(acc);
        if (colStride == In::size && m == FB_W)
          for (; r < end; r++) R::combine(acc, In::load(column + r * rowStride), fb_splat_i64(index + r));
        else if (colStride == In::size)
          for (; r < end; r++) R::combine(acc, In::loadn(column + r * rowStride, m), fb_splat_i64(index + r));
        else
          for (; r < end; r++)
            R::combine(acc, In::loads(column + r * rowStride, colStride, m), fb_splat_i64(index + r));
        R::joinWide(total, R::widen(acc));
      }
      R::store(out + c, total, m);
    }
  }

  static void init(void* states, int64_t count) {
    Wide w;
    R::initWide(w);
    for (int64_t i = 0; i < count; i += FB_W)
      R::store(static_cast<State*>(states) + i, w, count - i < FB_W ? count - i : FB_W);
  }
  static void combineStates(void* into, const void* from, int64_t count) {
    State* a = static_cast<State*>(into);
    const State* b = static_cast<const State*>(from);
    for (int64_t i = 0; i < count; i += FB_W) {
      const int64_t m = count - i < FB_W ? count - i : FB_W;
      Wide w = R::load(a + i, m);
      R::joinWide(w, R::load(b + i, m));
      R::store(a + i, w, m);
    }
  }
  static void finish(const void* states, int64_t count, char* const* out, const int64_t* step, int64_t n,
                     const double* attr) {
    const State* s = static_cast<const State*>(states);
    for (int64_t i = 0; i < count; i += FB_W) {
      const int64_t m = count - i < FB_W ? count - i : FB_W;
      R::finish(R::load(s + i, m), out, step, i, m, n, attr);
    }
  }
};

/// Reads a field of m states into vector lanes (Trait: storage of the field), and back.
template <class Trait, class S, class T>
inline typename Trait::V gatherField(const S* s, T S::*field, int64_t m) {
  alignas(64) T lanes[FB_W] = {};
  for (int64_t i = 0; i < m; i++) lanes[i] = s[i].*field;
  return Trait::load(reinterpret_cast<const char*>(lanes));
}
template <class Trait, class S, class T>
inline void scatterField(S* s, T S::*field, int64_t m, typename Trait::V v) {
  alignas(64) T lanes[FB_W];
  Trait::store(reinterpret_cast<char*>(lanes), v);
  for (int64_t i = 0; i < m; i++) s[i].*field = lanes[i];
}
/// Lane i of the result is lane i + w; the upper lanes are don't-cares.
template <class Trait>
inline typename Trait::V shiftLanes(typename Trait::V v, int w) {
  alignas(64) char lanes[2 * FB_W * Trait::size];
  Trait::store(lanes, v);
  Trait::store(lanes + FB_W * Trait::size, v);
  return Trait::load(lanes + w * Trait::size);
}

}  // namespace flambeau::kernels::FB_ISA
