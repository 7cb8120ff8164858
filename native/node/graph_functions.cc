// Addon functions that load and run compiled graph programs.
#include "node/functions.h"
#include "runtime/graph.h"

namespace flambeau::node {

namespace {

/// loadGraph(path | null, meta, captures): null runs the program's steps on the prebuilt kernels.
napi_value loadGraph(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"path", "meta", "captures"};
  return invoke(env, info, "loadGraph", names, [&](Args& a) {
    const std::string path = a.absent(0) ? std::string() : std::string(a.string(0));
    const TensorSpan captures = a.tensors(2);
    Ref<GraphProgram> g =
        GraphProgram::load(path, std::string(a.string(1)), TensorList(captures.begin(), captures.end()));
    return wrapObject(env, HandleKind::Graph, std::move(g));
  });
}

/// runGraph(graph, inputs, scalars): the results, or what guard failed as a string.
napi_value runGraph(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"graph", "inputs", "scalars"};
  return invoke(env, info, "runGraph", names, [&](Args& a) {
    Ref<GraphProgram> g(static_cast<GraphProgram*>(a.handle(0, HandleKind::Graph)->other.get()));
    TensorList results;
    std::string failure;
    const TensorSpan inputs = a.tensors(1);
    if (!g->run(inputs, a.floats(2), results, failure)) return wrap(env, std::string_view(failure));
    return wrap(env, results);
  });
}

}  // namespace

void registerGraphFunctions(napi_env env, napi_value target) {
  defineFunction(env, target, "loadGraph", loadGraph);
  defineFunction(env, target, "runGraph", runGraph);
}

}  // namespace flambeau::node
