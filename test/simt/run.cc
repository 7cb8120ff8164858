// Wraps a generated CUDA program (-DPROGRAM='"file.cu"') as a graph program of the CPU runtime's ABI.
#include "simt.h"
#define fb_graph_run fb_cuda_graph_run
#include PROGRAM
#undef fb_graph_run
#define fb_int fb_runtime_int
#include "../../native/include/flambeau/runtime.h"
#undef fb_int

extern "C" int fb_graph_run(const fb_run_args* a) {
  int error = 0;
  fb_cuda_run run = {};
  run.device = {a->inputs, a->outputs, a->arena, a->scalars, a->dims, a->seed, a->offset, &error};
  run.inputs = a->inputs;
  run.outputs = a->outputs;
  run.dims = a->dims;
  run.call = a->runtime->call;
  run.graph = a->graph;
  int code = fb_cuda_graph_run(&run);
  return code ? code : error;
}
