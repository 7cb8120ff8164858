// Cells of RNN, LSTM and GRU over the vector prelude. Source of the formulas: https://pytorch.org/docs/stable/nn.html
// (LSTM, GRU, RNN).
#include "cpu/recurrent_kernels.h"

#include "kernels/traits.h"

#define FB_JOIN2(a, b) a##_##b
#define FB_JOIN(a, b) FB_JOIN2(a, b)
#define FB_ISA_NAME(name) FB_JOIN(name, FB_ISA)

namespace flambeau::kernels::FB_ISA {
namespace {

template <class T>
struct Cells {
  using V = typename T::V;
  using In = const char*;
  static inline V one(double x) { return splatAs(V{}, x); }
  static inline V sigmoid(V x) { return fb_div(one(1), fb_add(one(1), fb_exp(fb_neg(x)))); }
  /// 1 - x
  static inline V rest(V x) { return fb_sub(one(1), x); }
  /// 1 - x^2
  static inline V slope(V x) { return fb_sub(one(1), fb_mul(x, x)); }

  /// body(load, store): of element i of a row's part k.
  template <class F>
  static inline void each(int64_t n, F&& body) {
    int64_t i = 0;
    for (; i + FB_W <= n; i += FB_W)
      body([&](In p, int k) { return T::load(p + (k * n + i) * T::size); },
           [&](char* p, int k, V v) { T::store(p + (k * n + i) * T::size, v); });
    if (i < n)
      body([&](In p, int k) { return T::loadn(p + (k * n + i) * T::size, n - i); },
           [&](char* p, int k, V v) { T::storen(p + (k * n + i) * T::size, v, n - i); });
  }

  static void lstm(int64_t n, In x, In hidden, In before, char* gates, char* c, char* h) {
    each(n, [&](auto load, auto store) {
      const auto part = [&](int k) { return fb_add(load(x, k), load(hidden, k)); };
      const V i = sigmoid(part(0)), f = sigmoid(part(1)), g = fb_tanh(part(2)), o = sigmoid(part(3));
      const V cell = fb_add(fb_mul(f, load(before, 0)), fb_mul(i, g));
      if (gates) store(gates, 0, i), store(gates, 1, f), store(gates, 2, g), store(gates, 3, o);
      store(c, 0, cell);
      store(h, 0, fb_mul(o, fb_tanh(cell)));
    });
  }
  static void lstmBackward(int64_t n, In gates, In before, In c, In dh, char* dc, char* dgates) {
    each(n, [&](auto load, auto store) {
      const V i = load(gates, 0), f = load(gates, 1), g = load(gates, 2), o = load(gates, 3);
      const V t = fb_tanh(load(c, 0)), d = load(dh, 0);
      const V cell = fb_add(load(dc, 0), fb_mul(fb_mul(d, o), slope(t)));
      store(dgates, 0, fb_mul(fb_mul(cell, g), fb_mul(i, rest(i))));
      store(dgates, 1, fb_mul(fb_mul(cell, load(before, 0)), fb_mul(f, rest(f))));
      store(dgates, 2, fb_mul(fb_mul(cell, i), slope(g)));
      store(dgates, 3, fb_mul(fb_mul(d, t), fb_mul(o, rest(o))));
      store(dc, 0, fb_mul(cell, f));
    });
  }
  static void gru(int64_t n, In x, In hidden, In before, char* kept, char* h) {
    each(n, [&](auto load, auto store) {
      const V r = sigmoid(fb_add(load(x, 0), load(hidden, 0))), z = sigmoid(fb_add(load(x, 1), load(hidden, 1)));
      const V inner = load(hidden, 2), m = fb_tanh(fb_add(load(x, 2), fb_mul(r, inner)));
      if (kept) store(kept, 0, r), store(kept, 1, z), store(kept, 2, m), store(kept, 3, inner);
      store(h, 0, fb_add(fb_mul(fb_sub(load(before, 0), m), z), m));
    });
  }
  static void gruBackward(int64_t n, In kept, In before, char* dh, char* dx, char* dhidden) {
    each(n, [&](auto load, auto store) {
      const V r = load(kept, 0), z = load(kept, 1), m = load(kept, 2), inner = load(kept, 3), d = load(dh, 0);
      const V dm = fb_mul(fb_mul(d, rest(z)), slope(m));
      const V dr = fb_mul(fb_mul(dm, inner), fb_mul(r, rest(r)));
      const V dz = fb_mul(fb_mul(d, fb_sub(load(before, 0), m)), fb_mul(z, rest(z)));
      store(dx, 0, dr), store(dx, 1, dz), store(dx, 2, dm);
      store(dhidden, 0, dr), store(dhidden, 1, dz), store(dhidden, 2, fb_mul(dm, r));
      store(dh, 0, fb_mul(d, z));
    });
  }
  static void tanh(int64_t n, char* x) {
    each(n, [&](auto load, auto store) { store(x, 0, fb_tanh(load(x, 0))); });
  }
  static void relu(int64_t n, char* x) {
    each(n, [&](auto load, auto store) { store(x, 0, fb_max(load(x, 0), one(0))); });
  }
  static void tanhBackward(int64_t n, In h, In dh, char* dx) {
    each(n, [&](auto load, auto store) { store(dx, 0, fb_mul(load(dh, 0), slope(load(h, 0)))); });
  }
  static void reluBackward(int64_t n, In h, In dh, char* dx) {
    each(n, [&](auto load, auto store) { store(dx, 0, fb_select(fb_gt(load(h, 0), one(0)), load(dh, 0), one(0))); });
  }
  static void add(int64_t n, char* to, In from) {
    each(n, [&](auto load, auto store) { store(to, 0, fb_add(load(to, 0), load(from, 0))); });
  }
  static constexpr cpu::CellKernels table = {lstm, lstmBackward, gru,          gruBackward, tanh,
                                             relu, tanhBackward, reluBackward, add};
};

}  // namespace
}  // namespace flambeau::kernels::FB_ISA

namespace flambeau::cpu {
extern const CellKernels FB_ISA_NAME(cellKernelsF32);
extern const CellKernels FB_ISA_NAME(cellKernelsF64);
const CellKernels FB_ISA_NAME(cellKernelsF32) = kernels::FB_ISA::Cells<kernels::FB_ISA::f32>::table;
const CellKernels FB_ISA_NAME(cellKernelsF64) = kernels::FB_ISA::Cells<kernels::FB_ISA::f64>::table;
}  // namespace flambeau::cpu
