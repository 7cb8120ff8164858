// Addon functions of the process's and thread's state: modes, threads, random generators, memory.
#include "cpu/isa.h"
#include "flambeau/autograd.h"
#include "flambeau/parallel.h"
#include "node/functions.h"
#include "node/objects.h"

#include "cpu/gemm.h"
#ifdef FLAMBEAU_WITH_ONEDNN
#include <dnnl_version.h>
#endif

namespace flambeau::node {

namespace {

template <auto Get>
napi_value getFlag(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return wrap(env, Get()); });
}
template <auto Set>
napi_value setFlag(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"on"};
  return invoke(env, info, "setMode", names, [&](Args& a) -> napi_value {
    Set(a.boolean(0));
    return nullptr;
  });
}

napi_value getDefaultDtype(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return wrap(env, static_cast<int>(defaultDType())); });
}
napi_value setDefaultDtype(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"dtype"};
  return invoke(env, info, "setDefaultDtype", names, [&](Args& a) -> napi_value {
    const DType t = a.dtype(0);
    FB_CHECK(isFloating(t), Type, "only floating-point types are supported as the default type");
    setDefaultDType(t);
    return nullptr;
  });
}

napi_value getNumThreads(napi_env env, napi_callback_info) {
  return guarded(env, [&] { return wrap(env, numThreads()); });
}
napi_value setThreads(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"n"};
  return invoke(env, info, "setNumThreads", names, [&](Args& a) -> napi_value {
    const int64_t n = a.integer(0);
    FB_CHECK(n >= 1 && n <= 4096, Value, "setNumThreads expects a positive integer, got %lld",
             static_cast<long long>(n));
    setNumThreads(static_cast<int>(n));
    return nullptr;
  });
}

// ---- random generators ----

Generator& generatorAt(Args& a, size_t i) {
  Generator* g = a.optGenerator(i);
  return g ? *g : defaultGenerator();
}
uint64_t seedAt(Args& a, size_t i) {
  napi_env env = a.env();
  uint64_t seed;
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env, a.value(i), &seed, &lossless) == napi_ok) {
    // Negative seeds count back from 2^64, as in PyTorch.
    int64_t negative;
    if (!lossless && napi_get_value_bigint_int64(env, a.value(i), &negative, &lossless) == napi_ok && lossless)
      return static_cast<uint64_t>(negative);
    FB_CHECK(lossless, Value, "Overflow when unpacking long: the seed must fit into 64 bits");
    return seed;
  }
  return static_cast<uint64_t>(a.integer(i));
}
napi_value bigint(napi_env env, uint64_t v) {
  if (v <= (uint64_t{1} << 53)) return wrap(env, static_cast<double>(v));
  napi_value r;
  check(env, napi_create_bigint_uint64(env, v, &r));
  return r;
}

napi_value makeGenerator(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"seed"};
  return invoke(env, info, "generator", names, [&](Args& a) {
    auto g = a.absent(0) ? std::make_unique<Generator>() : std::make_unique<Generator>(seedAt(a, 0));
    return wrapObject(env, HandleKind::Generator, Ref<RefCounted>(new GeneratorObject(std::move(g))));
  });
}
napi_value getDefaultGenerator(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    return wrapObject(env, HandleKind::Generator, Ref<RefCounted>(new GeneratorObject(defaultGenerator())));
  });
}
napi_value manualSeed(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"seed", "generator"};
  return invoke(env, info, "manualSeed", names, [&](Args& a) -> napi_value {
    const uint64_t seed = seedAt(a, 0);
    Generator& g = generatorAt(a, 1);
    std::lock_guard lock(g.mutex);
    g.manualSeed(seed);
    return nullptr;
  });
}
napi_value reseed(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"generator"};
  return invoke(env, info, "seed", names, [&](Args& a) {
    Generator& g = generatorAt(a, 0);
    std::lock_guard lock(g.mutex);
    return bigint(env, g.seed());
  });
}
napi_value initialSeed(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"generator"};
  return invoke(env, info, "initialSeed", names, [&](Args& a) { return bigint(env, generatorAt(a, 0).initialSeed()); });
}
napi_value rngState(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"generator"};
  return invoke(env, info, "rngState", names, [&](Args& a) {
    Generator& g = generatorAt(a, 0);
    std::vector<uint8_t> bytes;
    {
      std::lock_guard lock(g.mutex);
      bytes = g.state();
    }
    void* data;
    napi_value buffer, array;
    check(env, napi_create_arraybuffer(env, bytes.size(), &data, &buffer));
    std::copy(bytes.begin(), bytes.end(), static_cast<uint8_t*>(data));
    check(env, napi_create_typedarray(env, napi_uint8_array, bytes.size(), buffer, 0, &array));
    return array;
  });
}
napi_value setRngState(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"state", "generator"};
  return invoke(env, info, "setRngState", names, [&](Args& a) -> napi_value {
    napi_typedarray_type type;
    size_t n = 0;
    void* data = nullptr;
    const bool ok = napi_get_typedarray_info(env, a.value(0), &type, &n, &data, nullptr, nullptr) == napi_ok &&
                    type == napi_uint8_array;
    FB_CHECK(ok, Type, "setRngState(): argument 'state' (position 1) must be Uint8Array");
    Generator& g = generatorAt(a, 1);
    std::lock_guard lock(g.mutex);
    const auto* bytes = static_cast<const uint8_t*>(data);
    g.setState(std::vector<uint8_t>(bytes, bytes + n));
    return nullptr;
  });
}

// ---- memory ----

napi_value memory(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    const MemoryStats s = memoryStats();
    napi_value o;
    check(env, napi_create_object(env, &o));
    auto put = [&](const char* name, double v) { check(env, napi_set_named_property(env, o, name, wrap(env, v))); };
    put("allocatedBytes", static_cast<double>(s.allocatedBytes));
    put("allocatedPeak", static_cast<double>(s.allocatedPeak));
    put("reservedBytes", static_cast<double>(s.reservedBytes));
    put("allocations", static_cast<double>(s.allocations));
    put("frees", static_cast<double>(s.frees));
    put("cacheHits", static_cast<double>(s.cacheHits));
    put("liveHandles", static_cast<double>(liveHandles()));
    put("externalBytes", static_cast<double>(externalBytes()));
    return o;
  });
}
/// setCollector(fn): fn() collects young garbage; called when much memory has been allocated since the last time.
napi_value setCollector(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"collect"};
  return invoke(env, info, "setCollector", names, [&](Args& a) -> napi_value {
    dataOf(env).collector = JsRef(env, a.function(0));
    return nullptr;
  });
}

napi_value info(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    napi_value o;
    check(env, napi_create_object(env, &o));
    check(env, napi_set_named_property(env, o, "isa", wrap(env, std::string_view(cpu::isaName(cpu::activeIsa())))));
    napi_value version = jsNull(env);  // also where it is switched off
#ifdef FLAMBEAU_WITH_ONEDNN
    const std::string text = std::to_string(DNNL_VERSION_MAJOR) + "." + std::to_string(DNNL_VERSION_MINOR) + "." +
                             std::to_string(DNNL_VERSION_PATCH);
    if (cpu::oneDnnEnabled()) version = wrap(env, std::string_view(text));
#endif
    check(env, napi_set_named_property(env, o, "oneDNN", version));
    check(env, napi_set_named_property(env, o, "threads", wrap(env, numThreads())));
    return o;
  });
}

napi_value dropCache(napi_env env, napi_callback_info) {
  return guarded(env, []() -> napi_value {
    emptyCache();
    return nullptr;
  });
}

}  // namespace

void registerStateFunctions(napi_env env, napi_value target) {
  const std::pair<const char*, napi_callback> all[] = {{"gradEnabled", getFlag<autograd::gradEnabled>},
                                                       {"setGradEnabled", setFlag<autograd::setGradEnabled>},
                                                       {"inferenceEnabled", getFlag<autograd::inferenceEnabled>},
                                                       {"setInferenceEnabled", setFlag<autograd::setInferenceEnabled>},
                                                       {"anomalyEnabled", getFlag<autograd::anomalyEnabled>},
                                                       {"setAnomalyEnabled", setFlag<autograd::setAnomalyEnabled>},
                                                       {"defaultDtype", getDefaultDtype},
                                                       {"setDefaultDtype", setDefaultDtype},
                                                       {"numThreads", getNumThreads},
                                                       {"setNumThreads", setThreads},
                                                       {"generator", makeGenerator},
                                                       {"defaultGenerator", getDefaultGenerator},
                                                       {"manualSeed", manualSeed},
                                                       {"seed", reseed},
                                                       {"initialSeed", initialSeed},
                                                       {"rngState", rngState},
                                                       {"setRngState", setRngState},
                                                       {"memoryStats", memory},
                                                       {"emptyCache", dropCache},
                                                       {"setCollector", setCollector},
                                                       {"info", info}};
  for (auto [name, fn] : all) defineFunction(env, target, name, fn);
}

}  // namespace flambeau::node
