// Behind a generated CUDA program: makes it a graph program of the CPU runtime's ABI (test/cuda/simt.ts puts the pieces
// together).

namespace {
const fb_run_args* running;
int library(void* graph, int k, void* const* buffers, const fb_int* dims, void*) {
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
