// The groups of hand-written addon functions; addon.cc puts them together. The TypeScript view of all is src/native.ts.
#pragma once
#include <node_api.h>

#include "node/convert.h"

namespace flambeau::node {

void registerTensorFunctions(napi_env env, napi_value target);    // tensor_functions.cc
void registerDataFunctions(napi_env env, napi_value target);      // data_functions.cc
void registerAutogradFunctions(napi_env env, napi_value target);  // autograd_functions.cc
void registerStateFunctions(napi_env env, napi_value target);     // state_functions.cc
void registerTraceFunctions(napi_env env, napi_value target);     // trace_functions.cc
void registerGraphFunctions(napi_env env, napi_value target);     // graph_functions.cc
void registerBuildFunctions(napi_env env, napi_value target);     // builds.cc
void registerBoxedFunctions(napi_env env, napi_value target);     // boxed_functions.cc
void registerProfileFunctions(napi_env env, napi_value target);   // profile_functions.cc

/// Defines an addon function from a body over Args.
template <size_t N, class Body>
napi_value invoke(napi_env env, napi_callback_info info, const char* name, const char* const (&names)[N], Body&& body) {
  return guarded(env, [&]() -> napi_value {
    Args args(env, info, name, N, names, false);
    return body(args);
  });
}

}  // namespace flambeau::node
