// Addon functions of the trace recorder.
#include <iterator>
#include <string>
#include <utility>

#include "flambeau/autograd.h"
#include "flambeau/trace.h"

#include "node/functions.h"
#include "trace/tolerant.h"

namespace flambeau::node {

namespace {

napi_value begin(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"inputs", "tolerant"};
  return invoke(env, info, "traceBegin", names, [&](Args& a) -> napi_value {
    trace::begin(a.tensors(0));
    trace::setTolerant(a.optBoolean(1).value_or(false));
    return nullptr;
  });
}

napi_value end(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"outputs"};
  return invoke(env, info, "traceEnd", names, [&](Args& a) {
    trace::Result r = trace::end(a.tensors(0));
    napi_value o;
    check(env, napi_create_object(env, &o));
    check(env, napi_set_named_property(env, o, "json", wrap(env, std::string_view(r.json))));
    check(env, napi_set_named_property(env, o, "captures", wrap(env, r.captures)));
    return o;
  });
}

napi_value abortTrace(napi_env env, napi_callback_info) {
  return guarded(env, []() -> napi_value {
    trace::abort();
    return nullptr;
  });
}
/// traceGaveUp(): why the latest tolerant recording ended before its function did, or null.
napi_value gaveUp(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    if (const auto why = trace::gaveUp()) return wrap(env, std::string_view(*why));
    napi_value null;
    check(env, napi_get_null(env, &null));
    return null;
  });
}
napi_value active(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return wrap(env, static_cast<bool>(trace::active())); });
}

napi_value liveScalar(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"value"};
  return invoke(env, info, "liveScalar", names,
                [&](Args& a) { return wrap(env, static_cast<int64_t>(trace::liveScalar(a.floating(0)))); });
}
napi_value pushScope(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"name"};
  return invoke(env, info, "pushScope", names, [&](Args& a) -> napi_value {
    trace::pushScope(std::string(a.string(0)).c_str());
    return nullptr;
  });
}
napi_value popScope(napi_env env, napi_callback_info) {
  return guarded(env, []() -> napi_value {
    trace::popScope();
    return nullptr;
  });
}

/// setSiteProvider(fn | null): fn() says where the running call was made ('file.ts:12:3'); asked while tracing and in
/// anomaly mode.
napi_value setSiteProvider(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"provider"};
  return invoke(env, info, "setSiteProvider", names, [&](Args& a) -> napi_value {
    if (a.absent(0)) {
      dataOf(env).siteProvider = JsRef();
      autograd::setForwardSiteProvider({});
    } else {
      dataOf(env).siteProvider = JsRef(env, a.function(0));
      autograd::setForwardSiteProvider([env] { return callSite(env); });
    }
    return nullptr;
  });
}

/// traceSuspend(): recording stops until traceResume(was); gives what is to be passed there. Ops in between leave no
/// trace, and what they make is met like a constant from outside.
napi_value traceSuspend(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return wrap(env, std::exchange(trace::detail::active, false)); });
}
napi_value traceResume(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"was"};
  return invoke(env, info, "traceResume", names, [&](Args& a) -> napi_value {
    trace::detail::active = a.boolean(0);
    return nullptr;
  });
}

/// traceSetAside(): the recording waits until traceBringBack(), and another may run meanwhile.
napi_value traceSetAside(napi_env env, napi_callback_info) {
  return guarded(env, []() -> napi_value {
    trace::setAside();
    return nullptr;
  });
}
napi_value traceBringBack(napi_env env, napi_callback_info) {
  return guarded(env, []() -> napi_value {
    trace::bringBack();
    return nullptr;
  });
}

/// recordGraph(inputs, graph, outputs): a graph that was run unrecorded becomes one node of the recording, which stands
/// for the graph of this number; nothing without one.
napi_value recordGraph(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"inputs", "graph", "outputs"};
  return guarded(env, [&]() -> napi_value {
    Args a(env, info, "recordGraph", std::size(names), names);
    if (!trace::active()) return nullptr;
    trace::Call call("graph");
    call.inputs(a.tensors(0));
    call.attr({"graph", a.integer(1)});
    call.outputs(a.tensors(2));
    call.finish();
    return nullptr;
  });
}

/// recordFold(inputs, definition, dim, keepdim, outputs): a user's reduction whose results were computed unrecorded
/// becomes a node of the recording; nothing without one.
napi_value recordFold(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"inputs", "definition", "dim", "keepdim", "outputs"};
  return guarded(env, [&]() -> napi_value {
    Args a(env, info, "recordFold", std::size(names), names);
    if (!trace::active()) return nullptr;
    trace::Call call("fold");
    call.inputs(a.tensors(0));
    call.attr({"definition", std::string(a.string(1))});
    if (const auto dim = a.optInts(2))
      call.attr({"dim", *dim});
    else
      call.attr({"dim"});
    call.attr({"keepdim", a.boolean(3)});
    call.outputs(a.tensors(4));
    call.finish();
    return nullptr;
  });
}

}  // namespace

void registerTraceFunctions(napi_env env, napi_value target) {
  const std::pair<const char*, napi_callback> all[] = {{"traceBegin", begin},
                                                       {"traceEnd", end},
                                                       {"traceAbort", abortTrace},
                                                       {"traceActive", active},
                                                       {"traceGaveUp", gaveUp},
                                                       {"liveScalar", liveScalar},
                                                       {"pushScope", pushScope},
                                                       {"popScope", popScope},
                                                       {"setSiteProvider", setSiteProvider},
                                                       {"traceSuspend", traceSuspend},
                                                       {"traceResume", traceResume},
                                                       {"traceSetAside", traceSetAside},
                                                       {"traceBringBack", traceBringBack},
                                                       {"recordGraph", recordGraph},
                                                       {"recordFold", recordFold}};
  for (auto [name, fn] : all) defineFunction(env, target, name, fn);
}

}  // namespace flambeau::node
