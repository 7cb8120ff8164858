// Addon functions of the profiler: native events for src/profiler.
#include "core/profile.h"
#include "node/functions.h"

namespace flambeau::node {

namespace {

napi_value profileStart(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    profile::take();
    profile::start();
    return nullptr;
  });
}
napi_value profileStop(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    profile::stop();
    return nullptr;
  });
}
/// profileTake(): [name, kind, start, end, thread] of each event; times in microseconds of process.hrtime's clock.
napi_value profileTake(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    const auto events = profile::take();
    napi_value list;
    check(env, napi_create_array_with_length(env, events.size(), &list));
    for (size_t i = 0; i < events.size(); ++i) {
      const auto& e = events[i];
      napi_value row, item;
      check(env, napi_create_array_with_length(env, 5, &row));
      check(env, napi_set_element(env, row, 0, wrap(env, std::string_view(e.name))));
      const double numbers[] = {static_cast<double>(e.kind), static_cast<double>(e.start) / 1e3,
                                static_cast<double>(e.end) / 1e3, static_cast<double>(e.thread)};
      for (uint32_t k = 0; k < 4; ++k) {
        check(env, napi_create_double(env, numbers[k], &item));
        check(env, napi_set_element(env, row, k + 1, item));
      }
      check(env, napi_set_element(env, list, static_cast<uint32_t>(i), row));
    }
    return list;
  });
}

}  // namespace

void registerProfileFunctions(napi_env env, napi_value target) {
  defineFunction(env, target, "profileStart", profileStart);
  defineFunction(env, target, "profileStop", profileStop);
  defineFunction(env, target, "profileTake", profileTake);
}

}  // namespace flambeau::node
