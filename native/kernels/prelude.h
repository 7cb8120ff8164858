// The vector prelude: W-lane vectors, loads and stores with conversion, and the math of src/ir/scalar.ts, for the eager
// kernels that are generated at build time. Programs that are generated at run time hold its parts as text
// (src/emit/cpp/prelude.ts), so the parts include nothing: a generated file compiles in a fraction of the time that
// <immintrin.h> and <cmath> would take. Compile with -ffp-contract=off -fno-math-errno -fno-trapping-math: products and
// sums round separately as in PyTorch; fused multiply-adds appear only where fb_fma is called (polynomials, matrix
// products).
// `//@section NAME needs A B` marks let the run-time emitter leave out what a program does not use. The parts are
// unformatted: rows of one-line functions are read side by side, and section marks must stay at the margin.
#ifndef FLAMBEAU_PRELUDE_H
#define FLAMBEAU_PRELUDE_H
// Each part uses the ones before it.
// clang-format off
#include "vectors.h"
#include "arithmetic.h"
#include "functions.h"
// clang-format on
#endif
