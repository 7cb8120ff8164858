// What kernels and programs get. Generated source contains this text; code that calls programs includes it.
#pragma once
typedef long long fb_int;

/* What every kernel gets beside its own pointers, sizes and numbers; `error` is a device pointer. */
struct fb_cuda_args {
  unsigned long long seed, offset;
  int* error;
};

/* One run: arrays lie on the host, the tensors they point at and the arena on the device. */
struct fb_cuda_run {
  void* const* inputs;
  void* const* outputs;
  char* arena;
  const double* scalars;
  const fb_int* dims;
  fb_cuda_args device;
  void* stream;
  int (*call)(void* graph, int k, void* const* buffers, const fb_int* dims, void* stream);
  void* graph;
};
