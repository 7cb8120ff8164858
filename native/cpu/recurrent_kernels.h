// The per-ISA loops of recurrent cells: one row of a batch, element by element of the hidden state.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// Rows of float32 or float64, all of the kernel's element type; `n` is the hidden size.
struct CellKernels {
  /// x and hidden (i, f, g, o parts: 4n each) and the c before give the activated gates (4n; null: not kept), c and h.
  void (*lstm)(int64_t n, const char* x, const char* hidden, const char* before, char* gates, char* c, char* h);
  /// From the activated gates, both c, and the gradients of h and c (the latter becomes that of the c before).
  void (*lstmBackward)(int64_t n, const char* gates, const char* before, const char* c, const char* dh, char* dc,
                       char* dgates);
  /// x and hidden (r, z, n parts: 3n each) and the h before give kept (r, z, n, hidden's n part: 4n; null: not) and h.
  void (*gru)(int64_t n, const char* x, const char* hidden, const char* before, char* kept, char* h);
  /// dh becomes the direct part of the gradient of the h before; dx and dhidden are those of the parts.
  void (*gruBackward)(int64_t n, const char* kept, const char* before, char* dh, char* dx, char* dhidden);
  /// x in place.
  void (*tanh)(int64_t n, char* x);
  void (*relu)(int64_t n, char* x);
  /// From h and its gradient.
  void (*tanhBackward)(int64_t n, const char* h, const char* dh, char* dx);
  void (*reluBackward)(int64_t n, const char* h, const char* dh, char* dx);
  /// to += from
  void (*add)(int64_t n, char* to, const char* from);
};
FB_DECLARE_ISA(const CellKernels, cellKernelsF32);
FB_DECLARE_ISA(const CellKernels, cellKernelsF64);

}  // namespace flambeau::cpu
