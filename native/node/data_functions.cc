// Numbers in and out of tensors: typed arrays, shared and copied.
#include <cstring>

#include "core/exposed.h"
#include "cpu/drivers.h"
#include "node/functions.h"

namespace flambeau::node {

namespace {

/// A typed array's element type as ours; Uint16Array stands for the bits of a 16-bit float, Uint32Array has none.
std::optional<DType> dtypeOf(napi_typedarray_type type) {
  switch (type) {
    case napi_float32_array:
      return DType::Float32;
    case napi_float64_array:
      return DType::Float64;
    case napi_int8_array:
      return DType::Int8;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return DType::UInt8;
    case napi_int16_array:
      return DType::Int16;
    case napi_int32_array:
      return DType::Int32;
    case napi_bigint64_array:
      return DType::Int64;
    default:
      return {};
  }
}

struct Source {
  void* data = nullptr;
  size_t length = 0;  // elements (of `dtype`) or bytes when raw
  bool raw = false;   // an ArrayBuffer, or bits of 16-bit floats: reinterpreted, not converted
  DType dtype = DType::UInt8;
};

Source sourceOf(Args& a, size_t i, DType wanted) {
  napi_env env = a.env();
  Source s;
  bool is = false;
  check(env, napi_is_arraybuffer(env, a.value(i), &is));
  if (is) {
    check(env, napi_get_arraybuffer_info(env, a.value(i), &s.data, &s.length));
    s.raw = true;
    FB_CHECK(s.length % itemSize(wanted) == 0, Value,
             "%s(): an ArrayBuffer of %zu bytes does not hold whole elements of dtype %s", a.op(), s.length,
             std::string(dtypeName(wanted)).c_str());
    s.length /= itemSize(wanted);
    s.dtype = wanted;
    return s;
  }
  check(env, napi_is_typedarray(env, a.value(i), &is));
  FB_CHECK(is, Type, "%s(): argument 'data' (position %zu) must be a typed array or an ArrayBuffer", a.op(), i + 1);
  napi_typedarray_type type;
  napi_value buffer;
  size_t byteOffset;
  check(env, napi_get_typedarray_info(env, a.value(i), &type, &s.length, &s.data, &buffer, &byteOffset));
  if (type == napi_uint16_array) {
    FB_CHECK(wanted == DType::Float16 || wanted == DType::BFloat16, Type,
             "%s(): a Uint16Array holds the bits of float16 or bfloat16, not %s", a.op(),
             std::string(dtypeName(wanted)).c_str());
    s.raw = true;
    s.dtype = wanted;
    return s;
  }
  const auto t = dtypeOf(type);
  FB_CHECK(t, Type, "%s(): typed arrays of this kind are not supported; convert to Float64Array or BigInt64Array",
           a.op());
  s.dtype = *t;
  // Bytes are bools too.
  if (wanted == DType::Bool && s.dtype == DType::UInt8) s.raw = false;
  return s;
}

void ignore(void*) {}

/// fromTypedArray(data, shape, dtype, share): a tensor with the array's numbers converted to `dtype`, or on its very
/// memory.
napi_value fromTypedArray(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"data", "shape", "dtype", "share"};
  return invoke(env, info, "fromTypedArray", names, [&](Args& a) -> napi_value {
    const DType want = a.dtype(2);
    const Source s = sourceOf(a, 0, want);
    const Dims sizes = Dims(a.ints(1));
    for (int64_t d : sizes)
      FB_CHECK(d >= 0, Value, "Trying to create tensor with negative dimension %lld: %s", static_cast<long long>(d),
               shapeString(sizes).c_str());
    FB_CHECK(product(sizes) == static_cast<int64_t>(s.length), Shape, "shape '%s' is invalid for input of size %zu",
             shapeString(sizes).c_str(), s.length);
    if (!a.boolean(3)) {
      Tensor out = emptyTensor(sizes, want);
      if (s.length == 0) return wrap(env, std::move(out));
      if (s.dtype == want) {
        std::memcpy(out.data(), s.data, out.nbytes());
      } else {
        Ref<Storage> borrowed = Storage::borrow(s.data, s.length * itemSize(s.dtype), ignore, nullptr);
        cpu::copyInto(out, Tensor(TensorImpl::create(borrowed, s.dtype, sizes, contiguousStrides(sizes), 0)));
      }
      return wrap(env, std::move(out));
    }
    FB_CHECK(s.dtype == want || (want == DType::Bool && s.dtype == DType::UInt8), Type,
             "fromTypedArray(): cannot share memory of %s elements as dtype %s",
             std::string(dtypeName(s.dtype)).c_str(), std::string(dtypeName(want)).c_str());
    FB_CHECK(reinterpret_cast<uintptr_t>(s.data) % itemSize(want) == 0, Value,
             "fromTypedArray(): shared memory must be aligned to its elements");
    auto* keep = new JsRef(env, a.value(0));
    Ref<Storage> storage = Storage::borrow(
        s.data, s.length * itemSize(want), [](void* p) { delete static_cast<JsRef*>(p); }, keep);
    return wrap(env, Tensor(TensorImpl::create(std::move(storage), want, sizes, contiguousStrides(sizes), 0)));
  });
}

/// buffer(tensor): the ArrayBuffer over the tensor's whole storage, one per storage while it is alive.
napi_value buffer(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"tensor"};
  return invoke(env, info, "buffer", names, [&](Args& a) -> napi_value {
    const Ref<Storage>& storage = a.tensor(0).impl()->storage;
    FB_CHECK(storage->device().type == DeviceType::CPU, Device,
             "can't share the memory of a %s tensor; use .cpu() first", storage->device().str().c_str());
    if (trace::active()) trace::forbidHostRead("numpy");
    expose(storage.get());
    auto& cache = dataOf(env).buffers;
    if (auto it = cache.find(storage.get()); it != cache.end()) {
      napi_value known = nullptr;
      if (napi_get_reference_value(env, it->second, &known) == napi_ok && known) return known;
      napi_delete_reference(env, it->second);
      cache.erase(it);
    }
    struct Hold {
      Ref<Storage> storage;
    };
    auto* hold = new Hold{storage};
    napi_value result;
    const napi_status status = napi_create_external_arraybuffer(
        env, storage->data(), storage->nbytes(),
        [](node_api_basic_env, void*, void* p) { delete static_cast<Hold*>(p); }, hold, &result);
    if (status != napi_ok) delete hold;
    check(env, status);
    napi_ref weak;
    check(env, napi_create_reference(env, result, 0, &weak));
    // Entries of collected buffers are swept now and then, so that the table follows the buffers in use.
    if (cache.size() >= 64 && (cache.size() & (cache.size() - 1)) == 0) {
      for (auto it = cache.begin(); it != cache.end();) {
        napi_value alive = nullptr;
        if (napi_get_reference_value(env, it->second, &alive) == napi_ok && alive)
          ++it;
        else {
          napi_delete_reference(env, it->second);
          it = cache.erase(it);
        }
      }
    }
    cache[storage.get()] = weak;
    return result;
  });
}

/// toTypedArray(tensor): a copy in row-major order. int64: BigInt64Array; bool: Uint8Array; 16-bit floats:
/// Float32Array.
napi_value toTypedArray(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"tensor"};
  return invoke(env, info, "toTypedArray", names, [&](Args& a) -> napi_value {
    const Tensor& t = a.tensor(0);
    if (trace::active()) {
      trace::setSite(callSite(env).c_str());
      trace::forbidHostRead("toTypedArray");
    }
    DType type = t.dtype();
    napi_typedarray_type array;
    switch (type) {
      case DType::Float16:
      case DType::BFloat16:
      case DType::Float32:
        type = DType::Float32;
        array = napi_float32_array;
        break;
      case DType::Float64:
        array = napi_float64_array;
        break;
      case DType::Int8:
        array = napi_int8_array;
        break;
      case DType::Int16:
        array = napi_int16_array;
        break;
      case DType::Int32:
        array = napi_int32_array;
        break;
      case DType::Int64:
        array = napi_bigint64_array;
        break;
      default:
        array = napi_uint8_array;
    }
    const size_t bytes = static_cast<size_t>(t.numel()) * itemSize(type);
    void* data = nullptr;
    napi_value memory, result;
    check(env, napi_create_arraybuffer(env, bytes, &data, &memory));
    if (bytes > 0) {
      if (t.isContiguous() && type == t.dtype()) {
        std::memcpy(data, t.data(), bytes);
      } else {
        const Dims sizes(t.sizes());
        cpu::copyInto(Tensor(TensorImpl::create(Storage::borrow(data, bytes, ignore, nullptr), type, sizes,
                                                contiguousStrides(sizes), 0)),
                      t);
      }
    }
    check(env, napi_create_typedarray(env, array, static_cast<size_t>(t.numel()), memory, 0, &result));
    return result;
  });
}

/// rawBytes(tensor): the elements as they are in memory, row-major; for file writers.
napi_value rawBytes(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"tensor"};
  return invoke(env, info, "rawBytes", names, [&](Args& a) -> napi_value {
    const Tensor& t = a.tensor(0);
    if (trace::active()) trace::forbidHostRead("rawBytes");
    void* data = nullptr;
    napi_value memory, result;
    check(env, napi_create_arraybuffer(env, t.nbytes(), &data, &memory));
    if (t.nbytes() > 0) {
      const Dims sizes(t.sizes());
      if (t.isContiguous())
        std::memcpy(data, t.data(), t.nbytes());
      else
        cpu::copyInto(Tensor(TensorImpl::create(Storage::borrow(data, t.nbytes(), ignore, nullptr), t.dtype(), sizes,
                                                contiguousStrides(sizes), 0)),
                      t);
    }
    check(env, napi_create_typedarray(env, napi_uint8_array, t.nbytes(), memory, 0, &result));
    return result;
  });
}

}  // namespace

void registerDataFunctions(napi_env env, napi_value target) {
  defineFunction(env, target, "fromTypedArray", fromTypedArray);
  defineFunction(env, target, "buffer", buffer);
  defineFunction(env, target, "toTypedArray", toTypedArray);
  defineFunction(env, target, "rawBytes", rawBytes);
}

}  // namespace flambeau::node
