// Addon functions that load and run compiled graph programs.
#include <memory>
#include <optional>

#include "flambeau/autograd.h"
#include "node/functions.h"
#include "runtime/flow.h"
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

/// A run on one of Node's worker threads. Inputs are kept alive; one that was written meanwhile is an error.
struct AsyncRun {
  Ref<GraphProgram> graph;
  TensorList inputs, results;
  std::vector<double> scalars;
  std::vector<uint32_t> versions;
  bool grad = false;
  std::string failure;
  std::optional<Error> error;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;

  void run() {
    const autograd::GradGuard mode(grad);
    try {
      if (!graph->run(inputs, scalars, results, failure)) return;
      for (size_t i = 0; i < inputs.size(); ++i)
        FB_CHECK(inputs[i].impl()->storage->version() == versions[i], Value,
                 "runAsync: input %zu was written while the graph ran", i);
    } catch (const Error& e) {
      error = e;
    } catch (const std::exception& e) {
      error = Error(ErrorKind::Internal, e.what());
    }
  }
  /// On the event loop: settles the promise.
  void settle(napi_env env) {
    if (!error) {
      try {
        const napi_value value = failure.empty() ? wrap(env, results) : wrap(env, std::string_view(failure));
        check(env, napi_resolve_deferred(env, deferred, value));
        return;
      } catch (const Error& e) {
        error = e;
      }
    }
    napi_value code, message, reason;
    check(env, napi_create_string_utf8(env, errorCode(error->kind()), NAPI_AUTO_LENGTH, &code));
    check(env, napi_create_string_utf8(env, error->what(), NAPI_AUTO_LENGTH, &message));
    check(env, napi_create_error(env, code, message, &reason));
    check(env, napi_reject_deferred(env, deferred, reason));
  }
};

/// runGraphAsync(graph, inputs, scalars): a promise of what runGraph gives. The program must not write to captured
/// tensors.
napi_value runGraphAsync(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"graph", "inputs", "scalars"};
  return invoke(env, info, "runGraphAsync", names, [&](Args& a) {
    auto run = std::make_unique<AsyncRun>();
    run->graph = Ref<GraphProgram>(static_cast<GraphProgram*>(a.handle(0, HandleKind::Graph)->other.get()));
    FB_CHECK(!run->graph->writes(), Value, "runAsync: the graph changes tensors from outside; call it synchronously");
    const TensorSpan inputs = a.tensors(1);
    run->inputs.assign(inputs.begin(), inputs.end());
    for (const Tensor& t : inputs) run->versions.push_back(t.impl()->storage->version());
    const auto scalars = a.floats(2);
    run->scalars.assign(scalars.begin(), scalars.end());
    run->grad = autograd::gradEnabled();
    napi_value promise, name;
    check(env, napi_create_promise(env, &run->deferred, &promise));
    check(env, napi_create_string_utf8(env, "flambeau.runAsync", NAPI_AUTO_LENGTH, &name));
    check(env, napi_create_async_work(
                   env, nullptr, name, [](napi_env, void* data) { static_cast<AsyncRun*>(data)->run(); },
                   [](napi_env e, napi_status, void* data) {
                     const std::unique_ptr<AsyncRun> done(static_cast<AsyncRun*>(data));
                     napi_delete_async_work(e, done->work);
                     guarded(e, [&]() -> napi_value {
                       done->settle(e);
                       return nullptr;
                     });
                   },
                   run.get(), &run->work));
    check(env, napi_queue_async_work(env, run->work));
    run.release();
    return promise;
  });
}

/// loadFlow(plan, graphs, constants): a program with control flow over loaded graphs.
napi_value loadFlow(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"plan", "graphs", "constants"};
  return invoke(env, info, "loadFlow", names, [&](Args& a) {
    uint32_t count = 0;
    check(env, napi_get_array_length(env, a.value(1), &count));
    std::vector<Ref<GraphProgram>> programs;
    for (uint32_t i = 0; i < count; ++i) {
      napi_value item;
      check(env, napi_get_element(env, a.value(1), i, &item));
      Box* box = boxOf(env, item);
      FB_CHECK(box != nullptr && box->kind == HandleKind::Graph, Type, "loadFlow: graph %u is no loaded graph", i);
      programs.emplace_back(static_cast<GraphProgram*>(box->other.get()));
    }
    const TensorSpan constants = a.tensors(2);
    return wrapObject(env, HandleKind::Flow,
                      FlowProgram::load(std::string(a.string(0)), std::move(programs),
                                        TensorList(constants.begin(), constants.end())));
  });
}
/// runFlow(flow, inputs)
napi_value runFlow(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"flow", "inputs"};
  return invoke(env, info, "runFlow", names, [&](Args& a) {
    const Ref<FlowProgram> flow(static_cast<FlowProgram*>(a.handle(0, HandleKind::Flow)->other.get()));
    const autograd::GradGuard off(false);
    return wrap(env, flow->run(a.tensors(1)));
  });
}

}  // namespace

void registerGraphFunctions(napi_env env, napi_value target) {
  defineFunction(env, target, "loadGraph", loadGraph);
  defineFunction(env, target, "runGraph", runGraph);
  defineFunction(env, target, "runGraphAsync", runGraphAsync);
  defineFunction(env, target, "loadFlow", loadFlow);
  defineFunction(env, target, "runFlow", runFlow);
}

}  // namespace flambeau::node
