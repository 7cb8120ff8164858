// The loops around a generated scan: lanes are neighbouring lines; a long line of its own is cut into one stretch per
// lane.
#pragma once
#include <cstdint>

#include "kernels/traits.h"

namespace flambeau::kernels::FB_ISA {

/// Stores m lanes of a result, dense where they are neighbours.
template <class Trait>
inline void put(char* p, int64_t line, typename Trait::V v, int64_t m) {
  if (line != Trait::size)
    Trait::stores(p, line, v, m);
  else if (m == FB_W)
    Trait::store(p, v);
  else
    Trait::storen(p, v, m);
}
/// Lane i + w of the result is lane i; the lowest w lanes are the highest of fill.
template <class Trait>
inline typename Trait::V shiftLanesUp(typename Trait::V v, int w, typename Trait::V fill) {
  alignas(64) char lanes[2 * FB_W * Trait::size];
  Trait::store(lanes, fill);
  Trait::store(lanes + FB_W * Trait::size, v);
  return Trait::load(lanes + (FB_W - w) * Trait::size);
}

/// S (generated) gives: In (storage trait), outputs, Acc (struct of vectors), and the static functions init(Acc&),
/// combine(Acc&, In::V, i64v index), join(Acc&, const Acc&), shiftUp(const Acc&, lanes, const Acc& fill) -> Acc,
/// finish(const Acc&, out, line steps, m).
template <class S>
struct Scan {
  using In = typename S::In;
  using Acc = typename S::Acc;

  static inline typename In::V fetch(const char* p, int64_t line, int64_t m) {
    if (line != In::size) return In::loads(p, line, m);
    return m == FB_W ? In::load(p) : In::loadn(p, m);
  }

  /// n steps of m <= FB_W lines from the state `acc`; index: lane positions of the first step.
  static void walk(Acc& acc, const char* in, int64_t step, int64_t line, char* const* out, const int64_t* outStep,
                   const int64_t* outLine, int64_t n, int64_t m, i64v index) {
    char* at[S::outputs];
    for (int k = 0; k < S::outputs; k++) at[k] = out[k];
    for (int64_t i = 0; i < n; i++) {
      S::combine(acc, fetch(in + i * step, line, m), fb_add(index, fb_splat_i64(i)));
      S::finish(acc, at, outLine, m);
      for (int k = 0; k < S::outputs; k++) at[k] += outStep[k];
    }
  }

  /// One long line: every lane first reduces a stretch of its own, then starts from what lies before it.
  static void single(const char* in, int64_t step, char* const* out, const int64_t* outStep, int64_t n) {
    const int64_t part = n / FB_W;
    const i64v lanes = fb_cvt_i32_i64(fb_iota_i32());
    const i64v index = fb_mul(lanes, fb_splat_i64(part));
    Acc none, total;
    S::init(none);
    S::init(total);
    for (int64_t i = 0; i < part; i++)
      S::combine(total, In::loads(in + i * step, part * step, FB_W), fb_add(index, fb_splat_i64(i)));
    for (int w = 1; w < FB_W; w *= 2) {
      Acc before = S::shiftUp(total, w, none);
      S::join(before, total);
      total = before;
    }
    Acc acc = S::shiftUp(total, 1, none);
    int64_t lines[S::outputs];
    for (int k = 0; k < S::outputs; k++) lines[k] = part * outStep[k];
    walk(acc, in, step, part * step, out, outStep, lines, part, FB_W, index);
    // The rest goes on from the last lane's state, moved to the lowest lane.
    acc = S::shiftUp(none, 1, acc);
    char* at[S::outputs];
    const int64_t done = part * FB_W;
    for (int k = 0; k < S::outputs; k++) at[k] = out[k] + done * outStep[k];
    walk(acc, in + done * step, step, In::size, at, outStep, lines, n - done, 1, fb_splat_i64(done));
  }

  static void run(const char* in, int64_t step, int64_t line, char* const* out, const int64_t* outStep,
                  const int64_t* outLine, int64_t n, int64_t width) {
    if (width == 1 && n >= 8 * FB_W) return single(in, step, out, outStep, n);
    for (int64_t c = 0; c < width; c += FB_W) {
      char* at[S::outputs];
      for (int k = 0; k < S::outputs; k++) at[k] = out[k] + c * outLine[k];
      Acc acc;
      S::init(acc);
      walk(acc, in + c * line, step, line, at, outStep, outLine, n, width - c < FB_W ? width - c : FB_W,
           fb_splat_i64(0));
    }
  }
};

}  // namespace flambeau::kernels::FB_ISA
