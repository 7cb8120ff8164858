// Softmax of tiles of scores, with running maxima and sums, and its gradient, over the vector prelude. Source:
// https://arxiv.org/abs/2205.14135 (tiles, the backward pass), https://arxiv.org/abs/1805.02867 (the running softmax).
#include "cpu/attention_kernels.h"

#include "kernels/traits.h"

#define FB_JOIN2(a, b) a##_##b
#define FB_JOIN(a, b) FB_JOIN2(a, b)
#define FB_ISA_NAME(name) FB_JOIN(name, FB_ISA)

namespace flambeau::kernels::FB_ISA {
namespace {

using cpu::AttentionMask;
using cpu::ScoreTile;

inline f32v larger(f32v a, f32v b) { return fb_maxq(a, b); }
inline f64v larger(f64v a, f64v b) { return f64v{a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi}; }

template <class T, class E>
struct Rows {
  using V = typename T::V;
  static inline V number(double x) { return splatAs(V{}, x); }
  static constexpr double kNone = -__builtin_inf();
  static inline const E* row(const char* p, int64_t r, int64_t step) {
    return reinterpret_cast<const E*>(p) + r * step;
  }
  static inline E* row(char* p, int64_t r, int64_t step) { return reinterpret_cast<E*>(p) + r * step; }
  static inline V at(const E* p) { return T::load(reinterpret_cast<const char*>(p)); }
  static inline void put(E* p, V v) { T::store(reinterpret_cast<char*>(p), v); }
  static inline E expOf(E x) { return static_cast<E>(fb_exp(number(static_cast<double>(x)))[0]); }

  /// body(load, store, i) of whole vectors and the rest of a row of user memory.
  template <class F>
  static inline void each(int64_t n, F&& body) {
    int64_t i = 0;
    for (; i + FB_W <= n; i += FB_W) body([&](const E* p) { return at(p + i); }, [&](E* p, V v) { put(p + i, v); });
    if (i < n)
      body([&](const E* p) { return T::loadn(reinterpret_cast<const char*>(p + i), n - i); },
           [&](E* p, V v) { T::storen(reinterpret_cast<char*>(p + i), v, n - i); });
  }

  static void scale(int64_t rows, int64_t columns, const char* from, int64_t fromStep, double factor, char* to,
                    int64_t toStep) {
    const V f = number(factor);
    for (int64_t r = 0; r < rows; ++r) {
      const E* x = row(from, r, fromStep);
      E* y = row(to, r, toStep);
      each(columns, [&](auto load, auto store) { store(y, fb_mul(load(x), f)); });
    }
  }

  static inline int64_t seenOf(const ScoreTile& t, int64_t r) {
    const int64_t n = t.seen + r;
    return n < 0 ? 0 : n < t.columns ? n : t.columns;
  }
  static inline maskv firstLanes(int64_t n) { return fb_iota_i32() < (int)n; }
  static inline void clear(E* s, int64_t from, int64_t to) {
    for (; from < to && from % FB_W != 0; ++from) s[from] = 0;
    for (; from < to; from += FB_W) put(s + from, number(0));
  }

  /// The scores of a row with its mask; the lanes of `rest` that are no keys are never seen.
  template <AttentionMask K>
  static inline V masked(V x, const char* mask, int64_t c, int64_t rest) {
    if constexpr (K == AttentionMask::Bool) {
      const maskv seen = rest < FB_W ? b8::loadn(mask + c, rest) : b8::load(mask + c);
      x = fb_select(seen, x, number(kNone));
    } else if constexpr (K == AttentionMask::Float) {
      const char* p = mask + c * T::size;
      x = fb_add(x, rest < FB_W ? T::loadn(p, rest) : T::load(p));
    }
    return rest < FB_W ? fb_select(firstLanes(rest), x, number(kNone)) : x;
  }

  template <AttentionMask K>
  static inline void softmaxRow(E* s, const char* mask, int64_t n, int64_t columns, E& max, E& sum, E& factor) {
    V m0 = number(kNone), m1 = m0;
    int64_t c = 0;
    if constexpr (K == AttentionMask::None) {
      for (; c + 2 * FB_W <= n; c += 2 * FB_W) m0 = larger(m0, at(s + c)), m1 = larger(m1, at(s + c + FB_W));
    }
    for (; c < n; c += FB_W) {
      const V x = masked<K>(at(s + c), mask, c, n - c);
      if (K != AttentionMask::None || n - c < FB_W) put(s + c, x);
      m0 = larger(m0, x);
    }
    E best = static_cast<E>(fb_hmax(larger(m0, m1)));
    best = max > best ? max : best;
    // Where nothing has been seen so far, scores of minus infinity are to give 0, not e^NaN.
    const E base = best == static_cast<E>(kNone) ? E(0) : best;
    const V b = number(static_cast<double>(base));
    V s0 = number(0), s1 = s0;
    for (c = 0; c + 2 * FB_W <= n; c += 2 * FB_W) {
      const V x = fb_exp(fb_sub(at(s + c), b)), y = fb_exp(fb_sub(at(s + c + FB_W), b));
      put(s + c, x), put(s + c + FB_W, y);
      s0 = fb_add(s0, x), s1 = fb_add(s1, y);
    }
    for (; c < n; c += FB_W) {
      const V x = fb_exp(fb_sub(at(s + c), b));
      put(s + c, x);
      s0 = fb_add(s0, x);
    }
    clear(s, n, columns);
    const E total = static_cast<E>(fb_hsum(fb_add(s0, s1)));
    factor = max == static_cast<E>(kNone) ? E(0) : max == best ? E(1) : expOf(max - best);
    sum = sum * factor + total;
    max = best;
  }
  template <AttentionMask K>
  static void softmaxRows(const ScoreTile& t, char* max, char* sum, char* factor) {
    for (int64_t r = 0; r < t.rows; ++r)
      softmaxRow<K>(row(t.s, r, t.ld), t.mask + r * t.maskStep, seenOf(t, r), t.columns, row(max, r, 1)[0],
                    row(sum, r, 1)[0], row(factor, r, 1)[0]);
  }
  static void softmax(const ScoreTile& t, char* max, char* sum, char* factor) {
    if (t.kind == AttentionMask::None) return softmaxRows<AttentionMask::None>(t, max, sum, factor);
    if (t.kind == AttentionMask::Bool) return softmaxRows<AttentionMask::Bool>(t, max, sum, factor);
    softmaxRows<AttentionMask::Float>(t, max, sum, factor);
  }

  static void rescale(int64_t rows, int64_t columns, const char* factor, char* x, int64_t step) {
    for (int64_t r = 0; r < rows; ++r) {
      const E by = row(factor, r, 1)[0];
      if (by == E(1)) continue;
      E* y = row(x, r, step);
      each(columns, [&](auto load, auto store) { store(y, fb_mul(load(y), number(static_cast<double>(by)))); });
    }
  }

  static void finish(int64_t rows, int64_t columns, const char* max, const char* sum, bool zeroUnseen, char* x,
                     int64_t step, char* logsumexp) {
    for (int64_t r = 0; r < rows; ++r) {
      const E m = row(max, r, 1)[0], total = row(sum, r, 1)[0];
      const bool unseen = m == static_cast<E>(kNone);
      const double none = zeroUnseen ? 0 : __builtin_nan("");
      const V by = unseen ? number(none) : number(static_cast<double>(E(1) / total));
      E* y = row(x, r, step);
      each(columns, [&](auto load, auto store) { store(y, unseen ? by : fb_mul(load(y), by)); });
      row(logsumexp, r, 1)[0] =
          static_cast<E>(unseen ? none : m + static_cast<E>(fb_log(number(static_cast<double>(total)))[0]));
    }
  }

  static void dots(int64_t rows, int64_t columns, const char* a, int64_t aStep, const char* b, int64_t bStep,
                   char* out) {
    for (int64_t r = 0; r < rows; ++r) {
      const E *x = row(a, r, aStep), *y = row(b, r, bStep);
      V s = number(0);
      each(columns, [&](auto load, auto) { s = fb_add(s, fb_mul(load(x), load(y))); });
      row(out, r, 1)[0] = static_cast<E>(fb_hsum(s));
    }
  }

  template <AttentionMask K>
  static void gradientRows(const ScoreTile& t, const char* logsumexp, const char* dots, char* d) {
    for (int64_t r = 0; r < t.rows; ++r) {
      E *s = row(t.s, r, t.ld), *g = row(d, r, t.ld);
      const V lse = number(static_cast<double>(row(logsumexp, r, 1)[0])),
              dot = number(static_cast<double>(row(dots, r, 1)[0]));
      const char* mask = t.mask + r * t.maskStep;
      const int64_t n = seenOf(t, r);
      for (int64_t c = 0; c < n; c += FB_W) {
        const int64_t rest = n - c;
        V p = fb_exp(fb_sub(masked<K>(at(s + c), mask, c, rest), lse));
        V ds = fb_mul(p, fb_sub(at(g + c), dot));
        // Selected away, not multiplied: a row that sees nothing has weights of NaN, but scores without a gradient.
        if constexpr (K == AttentionMask::Bool) {
          const maskv seen = rest < FB_W ? b8::loadn(mask + c, rest) : b8::load(mask + c);
          ds = fb_select(seen, ds, number(0));
        }
        if (rest < FB_W) {
          const maskv keys = firstLanes(rest);
          p = fb_select(keys, p, number(0)), ds = fb_select(keys, ds, number(0));
        }
        put(s + c, p);
        put(g + c, ds);
      }
      clear(s, n, t.columns);
      clear(g, n, t.columns);
    }
  }
  static void gradient(const ScoreTile& t, const char* logsumexp, const char* dots, char* d) {
    if (t.kind == AttentionMask::None) return gradientRows<AttentionMask::None>(t, logsumexp, dots, d);
    if (t.kind == AttentionMask::Bool) return gradientRows<AttentionMask::Bool>(t, logsumexp, dots, d);
    gradientRows<AttentionMask::Float>(t, logsumexp, dots, d);
  }
  static constexpr cpu::AttentionKernels table = {FB_W, scale, softmax, rescale, finish, dots, gradient};
};

}  // namespace
}  // namespace flambeau::kernels::FB_ISA

namespace flambeau::cpu {
extern const AttentionKernels FB_ISA_NAME(attentionKernelsF32);
extern const AttentionKernels FB_ISA_NAME(attentionKernelsF64);
const AttentionKernels FB_ISA_NAME(attentionKernelsF32) = kernels::FB_ISA::Rows<kernels::FB_ISA::f32, float>::table;
const AttentionKernels FB_ISA_NAME(attentionKernelsF64) = kernels::FB_ISA::Rows<kernels::FB_ISA::f64, double>::table;
}  // namespace flambeau::cpu
