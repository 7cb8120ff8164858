// The source of the Node addon of a deployed model: Node's C API only, no other package.
import { type Deployment } from './sources.js';

/** JavaScript side: `const model = require('./lenet.node'); const [y] = model.run([{ data: Float32Array, shape: [1, 1, 28, 28] }])`. */
export const addonSource = (
  d: Deployment,
): string => `// ${d.id} for Node: run([{ data, shape }]) gives [{ data, shape, dtype }], synchronously; runAsync the same as a promise.
#include <node_api.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "${d.id}.h"

namespace {

constexpr size_t kMessage = 1024;
const char* const kNames[] = {"float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"};
constexpr size_t kBytes[] = {4, 8, 2, 2, 1, 2, 4, 8, 1, 1};

struct Problem {
  std::string text;
};
void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw Problem{info && info->error_message ? info->error_message : "a call of Node's API failed"};
}
napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value v;
  check(env, napi_get_named_property(env, object, name, &v));
  return v;
}

/// A call's tensors: views of the arguments, or copies of them while the event loop goes on.
struct Call {
  std::vector<fb_tensor> inputs, outputs;
  std::vector<std::vector<char>> copies, results;
  std::string message;
  int code = FB_OK;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  fb_model* model = nullptr;

  void run() {
    char text[kMessage] = "";
    outputs.assign(${d.outputs}, fb_tensor{});
    code = ${d.id}_run(model, inputs.data(), (int)inputs.size(), outputs.data(), (int)outputs.size(), text, kMessage);
    for (size_t i = 0; code == FB_OK && i < outputs.size(); i++) {
      results.emplace_back(outputs[i].bytes + 1);
      outputs[i].data = results.back().data();
    }
    if (code == FB_OK)
      code = ${d.id}_run(model, inputs.data(), (int)inputs.size(), outputs.data(), (int)outputs.size(), text, kMessage);
    message = text;
  }
};

fb_dtype dtypeOf(napi_env env, napi_value object, napi_typedarray_type type) {
  napi_value given = property(env, object, "dtype");
  napi_valuetype kind;
  check(env, napi_typeof(env, given, &kind));
  if (kind == napi_string) {
    char name[16] = "";
    size_t n = 0;
    check(env, napi_get_value_string_utf8(env, given, name, sizeof name, &n));
    for (int k = 0; k < 10; k++)
      if (!std::strcmp(name, kNames[k])) return (fb_dtype)k;
    throw Problem{std::string("unknown dtype '") + name + "'"};
  }
  switch (type) {
    case napi_float32_array: return FB_FLOAT32;
    case napi_float64_array: return FB_FLOAT64;
    case napi_int8_array: return FB_INT8;
    case napi_int16_array: return FB_INT16;
    case napi_int32_array: return FB_INT32;
    case napi_bigint64_array: return FB_INT64;
    case napi_uint8_array: case napi_uint8_clamped_array: return FB_UINT8;
    default: throw Problem{"no dtype is stored in this typed array; name one as 'dtype'"};
  }
}

void readInputs(napi_env env, napi_value list, Call& call, bool copy) {
  bool is = false;
  check(env, napi_is_array(env, list, &is));
  if (!is) throw Problem{"expected an array of { data, shape }"};
  uint32_t count = 0;
  check(env, napi_get_array_length(env, list, &count));
  for (uint32_t i = 0; i < count; i++) {
    napi_value object, data, shape;
    check(env, napi_get_element(env, list, i, &object));
    data = property(env, object, "data");
    shape = property(env, object, "shape");
    check(env, napi_is_typedarray(env, data, &is));
    if (!is) throw Problem{"input " + std::to_string(i) + ": 'data' is no typed array"};
    napi_typedarray_type type;
    size_t length = 0, offset = 0;
    napi_value buffer;
    fb_tensor t{};
    check(env, napi_get_typedarray_info(env, data, &type, &length, &t.data, &buffer, &offset));
    constexpr size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    t.bytes = length * ((size_t)type < 11 ? sizes[type] : 1);
    t.dtype = dtypeOf(env, object, type);
    uint32_t rank = 0;
    check(env, napi_is_array(env, shape, &is));
    if (!is) throw Problem{"input " + std::to_string(i) + ": 'shape' is no array"};
    check(env, napi_get_array_length(env, shape, &rank));
    if (rank > FB_MAX_RANK) throw Problem{"input " + std::to_string(i) + ": too many dimensions"};
    t.rank = (int)rank;
    for (uint32_t k = 0; k < rank; k++) {
      napi_value extent;
      check(env, napi_get_element(env, shape, k, &extent));
      check(env, napi_get_value_int64(env, extent, &t.shape[k]));
    }
    if (copy) {
      call.copies.emplace_back((char*)t.data, (char*)t.data + t.bytes);
      call.copies.back().push_back(0);
      t.data = call.copies.back().data();
    }
    call.inputs.push_back(t);
  }
}

napi_value results(napi_env env, const Call& call) {
  napi_value list;
  check(env, napi_create_array_with_length(env, call.outputs.size(), &list));
  for (size_t i = 0; i < call.outputs.size(); i++) {
    const fb_tensor& t = call.outputs[i];
    napi_value object, buffer, data, shape, name;
    void* to = nullptr;
    check(env, napi_create_arraybuffer(env, t.bytes, &to, &buffer));
    std::memcpy(to, t.data, t.bytes);
    // Types without a typed array of their own keep their bits: float16 and bfloat16 as Uint16Array, bool as Uint8Array.
    constexpr napi_typedarray_type types[] = {napi_float32_array, napi_float64_array, napi_uint16_array, napi_uint16_array,
                                              napi_int8_array, napi_int16_array, napi_int32_array, napi_bigint64_array,
                                              napi_uint8_array, napi_uint8_array};
    check(env, napi_create_typedarray(env, types[t.dtype], t.bytes / kBytes[t.dtype], buffer, 0, &data));
    check(env, napi_create_array_with_length(env, (size_t)t.rank, &shape));
    for (int k = 0; k < t.rank; k++) {
      napi_value extent;
      check(env, napi_create_int64(env, t.shape[k], &extent));
      check(env, napi_set_element(env, shape, (uint32_t)k, extent));
    }
    check(env, napi_create_string_utf8(env, kNames[t.dtype], NAPI_AUTO_LENGTH, &name));
    check(env, napi_create_object(env, &object));
    check(env, napi_set_named_property(env, object, "data", data));
    check(env, napi_set_named_property(env, object, "shape", shape));
    check(env, napi_set_named_property(env, object, "dtype", name));
    check(env, napi_set_element(env, list, (uint32_t)i, object));
  }
  return list;
}

napi_value errorOf(napi_env env, const std::string& text) {
  napi_value message, error;
  napi_create_string_utf8(env, text.c_str(), text.size(), &message);
  napi_create_error(env, nullptr, message, &error);
  return error;
}

std::unique_ptr<Call> begin(napi_env env, napi_callback_info info, bool copy) {
  size_t count = 1;
  napi_value list = nullptr;
  auto call = std::make_unique<Call>();
  check(env, napi_get_cb_info(env, info, &count, &list, nullptr, reinterpret_cast<void**>(&call->model)));
  if (count < 1) throw Problem{"expected an array of { data, shape }"};
  readInputs(env, list, *call, copy);
  return call;
}

napi_value run(napi_env env, napi_callback_info info) {
  try {
    auto call = begin(env, info, false);
    call->run();
    if (call->code != FB_OK) throw Problem{call->message};
    return results(env, *call);
  } catch (const Problem& p) {
    napi_throw_error(env, nullptr, ("${d.id}: " + p.text).c_str());
  } catch (const std::exception& e) {
    napi_throw_error(env, nullptr, e.what());
  }
  return nullptr;
}

napi_value runAsync(napi_env env, napi_callback_info info) {
  try {
    auto call = begin(env, info, true);
    napi_value promise, name;
    check(env, napi_create_promise(env, &call->deferred, &promise));
    check(env, napi_create_string_utf8(env, "${d.id}", NAPI_AUTO_LENGTH, &name));
    Call* raw = call.release();
    check(env, napi_create_async_work(
                   env, nullptr, name, [](napi_env, void* data) { static_cast<Call*>(data)->run(); },
                   [](napi_env env, napi_status, void* data) {
                     std::unique_ptr<Call> call(static_cast<Call*>(data));
                     napi_delete_async_work(env, call->work);
                     try {
                       if (call->code != FB_OK) throw Problem{call->message};
                       napi_resolve_deferred(env, call->deferred, results(env, *call));
                     } catch (const Problem& p) {
                       napi_reject_deferred(env, call->deferred, errorOf(env, "${d.id}: " + p.text));
                     }
                   },
                   raw, &raw->work));
    check(env, napi_queue_async_work(env, raw->work));
    return promise;
  } catch (const Problem& p) {
    napi_throw_error(env, nullptr, ("${d.id}: " + p.text).c_str());
  } catch (const std::exception& e) {
    napi_throw_error(env, nullptr, e.what());
  }
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  char text[kMessage] = "";
  fb_model* model = nullptr;
  if (${d.id}_load(nullptr, &model, text, kMessage) != FB_OK) {
    napi_throw_error(env, nullptr, text);
    return nullptr;
  }
  napi_add_env_cleanup_hook(env, [](void* m) { ${d.id}_free(static_cast<fb_model*>(m)); }, model);
  napi_value f;
  if (napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, model, &f) == napi_ok)
    napi_set_named_property(env, exports, "run", f);
  if (napi_create_function(env, "runAsync", NAPI_AUTO_LENGTH, runAsync, model, &f) == napi_ok)
    napi_set_named_property(env, exports, "runAsync", f);
  return exports;
}
`;
