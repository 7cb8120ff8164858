/* C ABI between a generated graph program (.so / .node / library) and the runtime that calls it.
 * The generated source includes nothing: the emitter prints these declarations in front of it, from this very file. */
#ifndef FLAMBEAU_RUNTIME_H
#define FLAMBEAU_RUNTIME_H
#ifdef __cplusplus
extern "C" {
#endif

#define FB_RUNTIME_ABI 2

typedef long long fb_int;

typedef void (*fb_range_fn)(void* ctx, fb_int begin, fb_int end);

typedef struct fb_runtime {
  int abi;
  /* Splits [0, n) over the intra-op threads in pieces of at least `grain`. */
  void (*parallel_for)(fb_int n, fb_int grain, fb_range_fn fn, void* ctx);
  /* Runs library step `k` (a GEMM, convolution, pooling, sort, ... prepared when the program was loaded) on buffers:
   * the step's inputs in order, then its outputs. 0 on success; else the program returns that code at once. */
  int (*call)(void* graph, int k, void* const* buffers, const fb_int* dims);
  /* Called before the program's k-th kernel or step while a profiler looks on; null else. */
  void (*mark)(void* graph, int k);
} fb_runtime;

typedef struct fb_run_args {
  const fb_runtime* runtime;
  void* graph;           /* opaque, handed back to runtime->call */
  void* const* inputs;   /* tensor inputs, then captured tensors, in the program's order */
  void* const* outputs;  /* results; a captured tensor that is written appears here too (may equal its input pointer) */
  char* arena;           /* 64-byte aligned scratch of the program's planned size */
  const double* scalars; /* live scalars */
  const fb_int* dims;    /* values of the symbolic dimensions */
  unsigned long long seed, offset; /* Philox state for this run */
} fb_run_args;

/* Every program exports:  int fb_graph_abi(void);  int fb_graph_run(const fb_run_args*); */

#ifdef __cplusplus
}
#endif
#endif
