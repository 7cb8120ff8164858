// Wraps a generated CUDA program (-DPROGRAM='"file.cu"') as a graph program of the CPU runtime's ABI.
#include "simt.h"
#define fb_graph_run fb_cuda_graph_run
#include PROGRAM
#undef fb_graph_run
using fb_cuda_int = fb_int;
#define fb_int fb_runtime_int
#include "../../native/include/flambeau/runtime.h"
#undef fb_int

namespace {
const fb_run_args* running;
int library(void* graph, int k, void* const* buffers, const fb_cuda_int* dims, void*) {
  return running->runtime->call(graph, k, buffers, dims);
}
}  // namespace

extern "C" int fb_graph_abi() { return FB_RUNTIME_ABI; }
extern "C" int fb_graph_run(const fb_run_args* a) {
  int error = 0;
  running = a;
  fb_cuda_run run = {};
  run.inputs = a->inputs;
  run.outputs = a->outputs;
  run.arena = a->arena;
  run.scalars = a->scalars;
  run.dims = a->dims;
  run.device = {a->seed, a->offset, &error};
  run.call = library;
  run.graph = a->graph;
  int code = fb_cuda_graph_run(&run);
  return code ? code : error;
}
