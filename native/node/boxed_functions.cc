// Any op by name, for interpreters of graphs: boxed(op, inputs, attrs).
#include "flambeau/boxed.h"

#include <deque>

#include "node/functions.h"

namespace flambeau::node {

namespace {

boxed::Value inputOf(Args& a, napi_value v) {
  napi_env env = a.env();
  if (Box* b = boxOf(env, v)) {
    FB_CHECK(b->kind == HandleKind::Tensor, Value, "boxed(): an operand must be a Tensor, not a %s",
             handleKindName(b->kind));
    return boxed::Value(b->tensor);
  }
  napi_valuetype type;
  check(env, napi_typeof(env, v, &type));
  if (type == napi_null || type == napi_undefined) return {};
  bool isArray = false;
  check(env, napi_is_array(env, v, &isArray));
  if (!isArray) {
    auto s = a.number(v);
    FB_CHECK(s, Type, "boxed(): an operand must be a Tensor, a number, an array of Tensors or null");
    return boxed::Value(*s);
  }
  TensorList list;
  uint32_t n = 0;
  check(env, napi_get_array_length(env, v, &n));
  for (uint32_t i = 0; i < n; ++i) {
    napi_value item;
    check(env, napi_get_element(env, v, i, &item));
    const boxed::Value one = inputOf(a, item);
    FB_CHECK(one.kind == boxed::Value::Kind::Tensor || one.kind == boxed::Value::Kind::None, Type,
             "boxed(): a list operand must hold Tensors");
    list.push_back(one.tensor);
  }
  return boxed::Value(std::move(list));
}

std::string text(napi_env env, napi_value v) {
  size_t n = 0;
  check(env, napi_get_value_string_utf8(env, v, nullptr, 0, &n));
  std::string s(n, '\0');
  check(env, napi_get_value_string_utf8(env, v, s.data(), n + 1, &n));
  return s;
}

trace::Attr attrOf(Args& a, const char* name, napi_value v) {
  napi_env env = a.env();
  napi_valuetype type;
  check(env, napi_typeof(env, v, &type));
  if (type == napi_null || type == napi_undefined) return trace::Attr(name);
  if (type == napi_string) return trace::Attr(name, text(env, v));
  bool isArray = false;
  check(env, napi_is_array(env, v, &isArray));
  if (!isArray) {
    auto s = a.number(v);
    FB_CHECK(s, Type, "boxed(): attribute '%s' must be a number, boolean, string, array of numbers or null", name);
    return s->isBool() ? trace::Attr(name, s->toBool()) : trace::Attr(name, *s);
  }
  uint32_t n = 0;
  check(env, napi_get_array_length(env, v, &n));
  trace::Attr list(name, IntSpan());
  for (uint32_t i = 0; i < n; ++i) {
    napi_value item;
    check(env, napi_get_element(env, v, i, &item));
    auto s = a.number(item);
    FB_CHECK(s, Type, "boxed(): attribute '%s' must hold numbers", name);
    list.ints.push_back(s->toInt());
    list.floats.push_back(s->toDouble());
  }
  return list;
}

napi_value call(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    static const char* const names[] = {"op", "inputs", "attrs"};
    Args a(env, info, "boxed", 3, names);
    const std::string op(a.string(0));
    uint32_t n = 0;
    bool isArray = false;
    check(env, napi_is_array(env, a.value(1), &isArray));
    FB_CHECK(isArray, Type, "boxed(): argument 'inputs' (position 2) must be an array");
    check(env, napi_get_array_length(env, a.value(1), &n));
    std::vector<boxed::Value> inputs;
    for (uint32_t i = 0; i < n; ++i) {
      napi_value item;
      check(env, napi_get_element(env, a.value(1), i, &item));
      inputs.push_back(inputOf(a, item));
    }
    std::deque<std::string> attrNames;  // attributes point to their names
    std::vector<trace::Attr> attrs;
    if (!a.absent(2)) {
      napi_value keys;
      check(env, napi_get_property_names(env, a.value(2), &keys));
      check(env, napi_get_array_length(env, keys, &n));
      for (uint32_t i = 0; i < n; ++i) {
        napi_value key, value;
        check(env, napi_get_element(env, keys, i, &key));
        check(env, napi_get_property(env, a.value(2), key, &value));
        attrNames.push_back(text(env, key));
        attrs.push_back(attrOf(a, attrNames.back().c_str(), value));
      }
    }
    return wrap(env, boxed::call(op, inputs, attrs));
  });
}

}  // namespace

void registerBoxedFunctions(napi_env env, napi_value target) { defineFunction(env, target, "boxed", call); }

}  // namespace flambeau::node
