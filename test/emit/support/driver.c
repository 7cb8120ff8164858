/* Loads a generated program, runs it on data from a file, writes the results: the smallest possible runtime (no library steps).
 * usage: driver program.so data.in data.out repeats; prints the least processor time of one run in nanoseconds. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../native/include/flambeau/runtime.h"

static void serial(fb_int n, fb_int grain, fb_range_fn fn, void* ctx) {
  (void)grain;
  /* In three pieces, so that splitting is exercised. */
  fb_int a = n / 3, b = 2 * n / 3;
  if (getenv("FB_WHOLE")) a = b = 0;
  if (a > 0) fn(ctx, 0, a);
  if (b > a) fn(ctx, a, b);
  if (n > b) fn(ctx, b, n);
}
static int call(void* graph, int k, void* const* buffers, const fb_int* dims) {
  (void)graph, (void)k, (void)buffers, (void)dims;
  return 99;
}
static fb_int number(FILE* f) {
  fb_int v = 0;
  if (fread(&v, 8, 1, f) != 1) exit(3);
  return v;
}
static char* block(fb_int bytes) {
  char* p = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
  memset(p, 0xA5, (size_t)(bytes + 127) / 64 * 64);
  return p;
}
int main(int argc, char** argv) {
  if (argc < 5) return 2;
  void* so = dlopen(argv[1], RTLD_NOW);
  if (!so) return fprintf(stderr, "%s\n", dlerror()), 2;
  int (*run)(const fb_run_args*) = (int (*)(const fb_run_args*))dlsym(so, "fb_graph_run");
  FILE* f = fopen(argv[2], "rb");
  fb_int inputs = number(f);
  char** in = calloc((size_t)inputs + 1, sizeof *in);
  fb_int* inBytes = calloc((size_t)inputs + 1, 8);
  for (fb_int i = 0; i < inputs; i++) {
    inBytes[i] = number(f);
    in[i] = block(inBytes[i]);
    if (fread(in[i], 1, (size_t)inBytes[i], f) != (size_t)inBytes[i]) return 3;
  }
  fb_int outputs = number(f); /* >= 0: bytes of a fresh one; < 0: -(input + 1) is written */
  char** out = calloc((size_t)outputs + 1, sizeof *out);
  fb_int* outBytes = calloc((size_t)outputs + 1, 8);
  for (fb_int i = 0; i < outputs; i++) {
    fb_int v = number(f);
    out[i] = v >= 0 ? block(v) : in[-v - 1];
    outBytes[i] = v >= 0 ? v : inBytes[-v - 1];
  }
  double scalars[64];
  fb_int live = number(f);
  if (fread(scalars, 8, (size_t)live, f) != (size_t)live) return 3;
  fb_int dims[16], symbols = number(f);
  for (fb_int i = 0; i < symbols; i++) dims[i] = number(f);
  fb_int arena = number(f);
  fb_runtime runtime = {FB_RUNTIME_ABI, serial, call};
  fb_run_args args = {&runtime, 0, (void* const*)in, (void* const*)out, block(arena), scalars, dims, 42, 7};
  int code = run(&args);
  if (code) return printf("code %d\n", code), 0;
  FILE* g = fopen(argv[3], "wb");
  for (fb_int i = 0; i < outputs; i++) fwrite(out[i], 1, (size_t)outBytes[i], g);
  fclose(g);
  double best = 1e30;
  for (int rep = atoi(argv[4]); rep > 0; rep--) {
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    run(&args);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
    if (ns < best) best = ns;
  }
  printf("%.0f\n", best < 1e30 ? best : 0);
  return 0;
}
