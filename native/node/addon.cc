// The addon's entry: one environment's exports. Everything that JavaScript can call is listed in src/native.ts.

// GCC 12 rejects the static assertion behind this definition even where it is not instantiated. No finalizer is made
// through napi.h here: all are basic ones, made through node_api.h.
#undef NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS
#include <napi.h>

#include "bindings.h"
#include "node/functions.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  using namespace flambeau::node;
  guarded(env, [&]() -> napi_value {
    initEnv(env);
    registerTensorFunctions(env, exports);
    registerDataFunctions(env, exports);
    registerAutogradFunctions(env, exports);
    registerStateFunctions(env, exports);
    registerTraceFunctions(env, exports);
    registerGraphFunctions(env, exports);
    registerBuildFunctions(env, exports);
    registerBoxedFunctions(env, exports);
    registerProfileFunctions(env, exports);
    Napi::Object ops = Napi::Object::New(env);
    registerAllOps(env, ops);
    exports.Set("ops", ops);
    return nullptr;
  });
  return exports;
}

}  // namespace

NODE_API_MODULE(flambeau, init)
