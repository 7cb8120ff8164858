// Addon functions that ask about a tensor, and that manage handles.
#include <random>

#include "core/promotion.h"
#include "cpu/drivers.h"
#include "nn/write_out.h"
#include "node/functions.h"

namespace flambeau::node {

namespace {

constexpr const char* kTensor[] = {"tensor"};

template <class F>
napi_value ofTensor(napi_env env, napi_callback_info info, const char* name, F&& f) {
  return invoke(env, info, name, kTensor, [&](Args& a) { return wrap(env, f(a.tensor(0))); });
}

napi_value shape(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "shape", [](const Tensor& t) { return t.sizes(); });
}
napi_value strides(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "strides", [](const Tensor& t) { return t.strides(); });
}
napi_value dtype(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "dtype", [](const Tensor& t) { return static_cast<int>(t.dtype()); });
}
napi_value numel(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "numel", [](const Tensor& t) { return t.numel(); });
}
napi_value offset(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "offset", [](const Tensor& t) { return t.storageOffset(); });
}
napi_value device(napi_env env, napi_callback_info info) {
  return invoke(env, info, "device", kTensor,
                [&](Args& a) { return wrap(env, std::string_view(a.tensor(0).device().str())); });
}
napi_value isContiguous(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "isContiguous", [](const Tensor& t) { return t.isContiguous(); });
}
napi_value version(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "version", [](const Tensor& t) { return static_cast<int64_t>(t.version()); });
}
napi_value storageBytes(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "storageBytes",
                  [](const Tensor& t) { return static_cast<int64_t>(t.impl()->storage->nbytes()); });
}
/// A number that tensors on one storage share, unique while the storage lives.
napi_value storageId(napi_env env, napi_callback_info info) {
  return ofTensor(env, info, "storageId", [](const Tensor& t) {
    return static_cast<int64_t>(reinterpret_cast<uintptr_t>(t.impl()->storage.get()));
  });
}
napi_value sharesStorage(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"a", "b"};
  return invoke(env, info, "sharesStorage", names,
                [&](Args& a) { return wrap(env, a.tensor(0).impl()->storage == a.tensor(1).impl()->storage); });
}
/// out=: see nn/write_out.h.
napi_value writeOut(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"op", "out", "result", "exact"};
  return invoke(env, info, "writeOut", names, [&](Args& a) {
    const std::string op(a.string(0));
    return wrap(env, nn::writeOut(op.c_str(), a.tensor(1), a.tensor(2), a.boolean(3)));
  });
}
napi_value promoteTypes(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"type1", "type2"};
  return invoke(env, info, "promoteTypes", names,
                [&](Args& a) { return wrap(env, static_cast<int>(flambeau::promoteTypes(a.dtype(0), a.dtype(1)))); });
}
napi_value resultType(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"a", "b"};
  return invoke(env, info, "resultType", names, [&](Args& a) {
    const Operand both[] = {a.operand(0), a.operand(1)};
    return wrap(env, static_cast<int>(flambeau::resultType(both)));
  });
}
napi_value canCast(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"from", "to"};
  return invoke(env, info, "canCast", names,
                [&](Args& a) { return wrap(env, flambeau::canCast(a.dtype(0), a.dtype(1))); });
}
/// Two handles of one tensor.
napi_value isSame(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"a", "b"};
  return invoke(env, info, "isSame", names, [&](Args& a) { return wrap(env, a.tensor(0).is(a.tensor(1))); });
}

napi_value item(napi_env env, napi_callback_info info) {
  return invoke(env, info, "item", kTensor, [&](Args& a) -> napi_value {
    const Tensor& t = a.tensor(0);
    if (trace::active()) {
      trace::setSite(callSite(env).c_str());
      trace::forbidHostRead("item");
    }
    FB_CHECK(t.numel() == 1, Value, "a Tensor with %lld elements cannot be converted to Scalar",
             static_cast<long long>(t.numel()));
    switch (t.dtype()) {
      case DType::Bool:
        return wrap(env, *t.ptr<bool>());
      case DType::Int64: {
        const int64_t v = *t.ptr<int64_t>();
        constexpr int64_t safe = (int64_t{1} << 53) - 1;
        if (v <= safe && v >= -safe) return wrap(env, v);
        napi_value big;
        check(env, napi_create_bigint_int64(env, v, &big));
        return big;
      }
      case DType::Float32:
        return wrap(env, static_cast<double>(*t.ptr<float>()));
      default: {
        Tensor d = emptyTensor(IntSpan(), DType::Float64);
        cpu::copyInto(d, aliasTensor(t, Dims(), Dims(), t.storageOffset()));
        return wrap(env, *d.ptr<double>());
      }
    }
  });
}

napi_value dispose(napi_env env, napi_callback_info info) {
  return invoke(env, info, "dispose", kTensor, [&](Args& a) -> napi_value {
    disposeBox(a.anyHandle(0));
    return nullptr;
  });
}
napi_value isDisposed(napi_env env, napi_callback_info info) {
  return invoke(env, info, "isDisposed", kTensor,
                [&](Args& a) { return wrap(env, a.anyHandle(0)->kind == HandleKind::Disposed); });
}
napi_value isTensorHandle(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"value"};
  return invoke(env, info, "isTensorHandle", names, [&](Args& a) {
    const Box* b = boxOf(env, a.value(0));
    return wrap(env, b && b->kind == HandleKind::Tensor);
  });
}

// ---- handing tensors to another thread ----

struct Exports {
  std::mutex mutex;
  std::unordered_map<uint64_t, Tensor> tensors;
  std::mt19937_64 random{std::random_device{}()};
};
Exports& exports() {
  static auto* e = new Exports();
  return *e;
}

/// A one-time token that another worker turns into a handle of the same tensor; no bytes are copied.
napi_value exportHandle(napi_env env, napi_callback_info info) {
  return invoke(env, info, "exportHandle", kTensor, [&](Args& a) -> napi_value {
    const Tensor& t = a.tensor(0);
    FB_CHECK(
        t.isLeaf(), Autograd,
        "only leaf tensors can be handed to another thread: the graph of this one belongs to its thread; use detach()");
    Exports& e = exports();
    uint64_t token;
    {
      std::lock_guard lock(e.mutex);
      do token = e.random();
      while (token == 0 || e.tensors.contains(token));
      e.tensors.emplace(token, t);
    }
    napi_value v;
    check(env, napi_create_bigint_uint64(env, token, &v));
    return v;
  });
}

napi_value importHandle(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"token"};
  return invoke(env, info, "importHandle", names, [&](Args& a) -> napi_value {
    uint64_t token = 0;
    bool lossless = false;
    const bool ok = napi_get_value_bigint_uint64(env, a.value(0), &token, &lossless) == napi_ok && lossless;
    FB_CHECK(ok, Type, "importHandle(): argument 'token' (position 1) must be a bigint made by exportHandle()");
    Tensor t;
    {
      Exports& e = exports();
      std::lock_guard lock(e.mutex);
      auto it = e.tensors.find(token);
      FB_CHECK(it != e.tensors.end(), Value, "importHandle(): unknown token; each token can be used once");
      t = std::move(it->second);
      e.tensors.erase(it);
    }
    return wrap(env, std::move(t));
  });
}

napi_value liveHandleCount(napi_env env, napi_callback_info info) {
  return guarded(env, [&] { return wrap(env, liveHandles()); });
}

}  // namespace

void registerTensorFunctions(napi_env env, napi_value target) {
  const std::pair<const char*, napi_callback> all[] = {{"shape", shape},
                                                       {"strides", strides},
                                                       {"dtype", dtype},
                                                       {"numel", numel},
                                                       {"offset", offset},
                                                       {"device", device},
                                                       {"isContiguous", isContiguous},
                                                       {"version", version},
                                                       {"storageBytes", storageBytes},
                                                       {"storageId", storageId},
                                                       {"sharesStorage", sharesStorage},
                                                       {"writeOut", writeOut},
                                                       {"promoteTypes", promoteTypes},
                                                       {"resultType", resultType},
                                                       {"canCast", canCast},
                                                       {"isSame", isSame},
                                                       {"item", item},
                                                       {"dispose", dispose},
                                                       {"isDisposed", isDisposed},
                                                       {"isTensorHandle", isTensorHandle},
                                                       {"exportHandle", exportHandle},
                                                       {"importHandle", importHandle},
                                                       {"liveHandles", liveHandleCount}};
  for (auto [name, fn] : all) defineFunction(env, target, name, fn);
}

}  // namespace flambeau::node
