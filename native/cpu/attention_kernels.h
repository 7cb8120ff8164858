// The per-ISA loops of attention around its matrix products: rows of a tile of scores in work memory, whose rows may be
// read and written up to the next whole vector.
#pragma once
#include <cstdint>

#include "cpu/isa.h"

namespace flambeau::cpu {

/// Which scores count. Bool: true where a key is seen. Float: numbers of the scores' dtype, added to them.
enum class AttentionMask : int { None, Bool, Float };

/// A tile of scores, rows of queries by columns of keys, and its mask.
struct ScoreTile {
  char* s;     // scores
  int64_t ld;  // elements from row to row, a multiple of the vector's lanes
  int64_t rows, columns;
  AttentionMask kind;
  const char* mask;  // element (0, 0); unit column step
  int64_t maskStep;  // bytes from row to row
  int64_t seen;      // row r sees the first min(columns, max(0, seen + r)) keys; columns or more: all
};

struct AttentionKernels {
  int64_t lanes;
  /// to[r, c] = from[r, c] * factor; steps in elements.
  void (*scale)(int64_t rows, int64_t columns, const char* from, int64_t fromStep, double factor, char* to,
                int64_t toStep);
  /// Scores become e^(score - max), keys that are not seen 0. `max` and `sum` (one number per row) go on from the tiles
  /// before; `factor` is what the results of those tiles must be multiplied with.
  void (*softmax)(const ScoreTile& t, char* max, char* sum, char* factor);
  /// x[r, c] *= factor[r]
  void (*rescale)(int64_t rows, int64_t columns, const char* factor, char* x, int64_t step);
  /// x[r, c] /= sum[r]; logsumexp[r] = max[r] + log(sum[r]). Rows that saw nothing: x = 0 and logsumexp = 0 with
  /// `zeroUnseen`, else NaN.
  void (*finish)(int64_t rows, int64_t columns, const char* max, const char* sum, bool zeroUnseen, char* x,
                 int64_t step, char* logsumexp);
  /// out[r] = sum over c of a[r, c] * b[r, c]
  void (*dots)(int64_t rows, int64_t columns, const char* a, int64_t aStep, const char* b, int64_t bStep, char* out);
  /// Scores become weights p = e^(score - logsumexp); d (the weights' gradients, same layout) becomes p * (d - dots).
  void (*gradient)(const ScoreTile& t, const char* logsumexp, const char* dots, char* d);
};
FB_DECLARE_ISA(const AttentionKernels, attentionKernelsF32);
FB_DECLARE_ISA(const AttentionKernels, attentionKernelsF64);

}  // namespace flambeau::cpu
