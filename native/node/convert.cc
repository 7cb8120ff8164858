// See convert.h.
#include "node/convert.h"

#include <cmath>
#include <cstring>

#include "node/objects.h"

namespace flambeau::node {

struct Args::Extra {
  // Deques of one: spans into them stay valid while further arguments are read.
  std::vector<std::unique_ptr<Dims>> ints;
  std::vector<std::unique_ptr<std::vector<double>>> floats;
  std::vector<std::unique_ptr<TensorList>> lists;
  std::vector<std::unique_ptr<std::string>> strings;
};

void throwToJs(napi_env env) noexcept {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) return;
  const char* code = errorCode(ErrorKind::Internal);
  ErrorKind kind = ErrorKind::Internal;
  std::string message;
  try {
    throw;
  } catch (const JsException&) {
    return;
  } catch (const Error& e) {
    kind = e.kind();
    code = errorCode(kind);
    message = e.what();
  } catch (const std::bad_alloc&) {
    kind = ErrorKind::Memory;
    code = errorCode(kind);
    message = "out of memory";
  } catch (const std::exception& e) {
    message = e.what();
  } catch (...) {
    message = "unknown native exception";
  }
  napi_value text, codeText, error;
  if (napi_create_string_utf8(env, message.data(), message.size(), &text) != napi_ok) return;
  if (napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &codeText) != napi_ok) return;
  auto* create = kind == ErrorKind::Type    ? napi_create_type_error
                 : kind == ErrorKind::Index ? napi_create_range_error
                                            : napi_create_error;
  if (create(env, codeText, text, &error) != napi_ok) return;
  napi_throw(env, error);
}

Args::Args(napi_env env, napi_callback_info info, const char* op, size_t count, const char* const* names, bool site)
    : env_(env), op_(op), names_(names), count_(count) {
  size_t argc = kMax;
  check(env, napi_get_cb_info(env, info, &argc, argv_, nullptr, nullptr));  // absent ones come as undefined
  if (site && trace::active()) trace::setSite(callSite(env).c_str());
}

Args::~Args() = default;

Args::Extra& Args::extra() {
  if (!extra_) extra_ = std::make_unique<Extra>();
  return *extra_;
}

std::string Args::describe(napi_value v) const {
  napi_valuetype type;
  if (napi_typeof(env_, v, &type) != napi_ok) return "?";
  switch (type) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "boolean";
    case napi_number:
      return "number";
    case napi_string:
      return "string";
    case napi_symbol:
      return "symbol";
    case napi_function:
      return "function";
    case napi_bigint:
      return "bigint";
    case napi_external: {
      Box* b = boxOf(env_, v);
      return b ? handleKindName(b->kind) : "External";
    }
    case napi_object:
      break;
  }
  bool is = false;
  if (napi_is_array(env_, v, &is) == napi_ok && is) return "Array";
  napi_value ctor, name;
  if (napi_get_named_property(env_, v, "constructor", &ctor) == napi_ok &&
      napi_get_named_property(env_, ctor, "name", &name) == napi_ok) {
    char buffer[64];
    size_t n = 0;
    if (napi_get_value_string_utf8(env_, name, buffer, sizeof buffer, &n) == napi_ok && n)
      return std::string(buffer, n);
  }
  return "object";
}

void Args::wrong(size_t i, const char* expected) const {
  const Box* b = boxOf(env_, argv_[i]);
  const bool disposed = b && b->kind == HandleKind::Disposed;
  FB_CHECK(!disposed, Value, "%s(): argument '%s' (position %zu): tensor has been disposed", op_, names_[i], i + 1);
  FB_CHECK(false, Type, "%s(): argument '%s' (position %zu) must be %s, not %s", op_, names_[i], i + 1, expected,
           describe(argv_[i]).c_str());
  __builtin_unreachable();
}

void Args::wrongItem(size_t i, const char* expected, napi_value item, size_t at) const {
  const Box* b = boxOf(env_, item);
  const bool disposed = b && b->kind == HandleKind::Disposed;
  FB_CHECK(!disposed, Value, "%s(): argument '%s' (position %zu): the tensor at pos %zu has been disposed", op_,
           names_[i], i + 1, at);
  FB_CHECK(false, Type, "%s(): argument '%s' (position %zu) must be %s, but found element of type %s at pos %zu", op_,
           names_[i], i + 1, expected, describe(item).c_str(), at);
  __builtin_unreachable();
}

bool Args::absent(size_t i) const {
  napi_valuetype type;
  check(env_, napi_typeof(env_, argv_[i], &type));
  return type == napi_null || type == napi_undefined;
}

const Tensor& Args::tensor(size_t i) const {
  Box* b = boxOf(env_, argv_[i]);
  if (!b || b->kind != HandleKind::Tensor) wrong(i, "Tensor");
  return b->tensor;
}

const Tensor& Args::optTensor(size_t i) const {
  static const Tensor none;
  Box* b = boxOf(env_, argv_[i]);
  if (b && b->kind == HandleKind::Tensor) return b->tensor;
  if (!absent(i)) wrong(i, "Tensor or null");
  return none;
}

std::optional<Scalar> Args::numberOf(napi_value v, napi_valuetype type) const {
  switch (type) {
    case napi_number: {
      double d;
      check(env_, napi_get_value_double(env_, v, &d));
      // JavaScript has one number type: whole numbers count as integers, so that integer tensors stay integers.
      if (std::trunc(d) == d && std::fabs(d) <= 9007199254740992.0 && !(d == 0 && std::signbit(d)))
        return Scalar(static_cast<int64_t>(d));
      return Scalar(d);
    }
    case napi_boolean: {
      bool b;
      check(env_, napi_get_value_bool(env_, v, &b));
      return Scalar(b);
    }
    case napi_bigint: {
      int64_t n;
      bool lossless;
      check(env_, napi_get_value_bigint_int64(env_, v, &n, &lossless));
      FB_CHECK(lossless, Value, "%s(): a bigint argument does not fit into 64 bits", op_);
      return Scalar(n);
    }
    case napi_object:
      return numberObject(v);
    default:
      return {};
  }
}

/// { value, slot }: a live scalar. { value, float: true }: a number that counts as floating although it is whole.
std::optional<Scalar> Args::numberObject(napi_value v) const {
  napi_value item;
  bool has = false, floating = false;
  double d;
  int32_t slot = -1;
  if (napi_has_named_property(env_, v, "value", &has) != napi_ok || !has) return {};
  check(env_, napi_get_named_property(env_, v, "value", &item));
  if (napi_get_value_double(env_, item, &d) != napi_ok) return {};
  check(env_, napi_get_named_property(env_, v, "slot", &item));
  const bool isLive = napi_get_value_int32(env_, item, &slot) == napi_ok;
  check(env_, napi_get_named_property(env_, v, "float", &item));
  napi_get_value_bool(env_, item, &floating);
  if (!isLive && !floating) return numberOf(wrap(env_, d), napi_number);
  Scalar s(d);  // a live scalar is always floating: its kind must not depend on the value of one run
  if (isLive && trace::active()) s.live = slot;
  return s;
}

std::optional<Scalar> Args::number(napi_value v) const {
  napi_valuetype type;
  check(env_, napi_typeof(env_, v, &type));
  return numberOf(v, type);
}

BorrowedOperands<1> Args::operand(size_t i) const {
  Box* b = boxOf(env_, argv_[i]);
  if (b && b->kind == HandleKind::Tensor) return BorrowedOperands<1>(b->tensor);
  if (!b)
    if (auto s = number(argv_[i])) return BorrowedOperands<1>(*s);
  wrong(i, "Tensor or number");
}

Scalar Args::scalar(size_t i) const {
  if (auto s = number(argv_[i])) return *s;
  wrong(i, "number");
}

int64_t Args::integer(size_t i) const {
  napi_valuetype type;
  check(env_, napi_typeof(env_, argv_[i], &type));
  if (type != napi_number && type != napi_bigint) wrong(i, "int");
  const Scalar s = *numberOf(argv_[i], type);
  if (s.isFloat()) {
    if (s.d == 0) return 0;  // -0
    FB_CHECK(false, Type, "%s(): argument '%s' (position %zu) must be int, not float", op_, names_[i], i + 1);
  }
  return s.i;
}

double Args::floating(size_t i) const {
  napi_valuetype type;
  check(env_, napi_typeof(env_, argv_[i], &type));
  if (type == napi_boolean) wrong(i, "number");
  if (auto s = numberOf(argv_[i], type)) return s->toDouble();
  wrong(i, "number");
}

bool Args::boolean(size_t i) const {
  bool b;
  if (napi_get_value_bool(env_, argv_[i], &b) != napi_ok) wrong(i, "boolean");
  return b;
}

std::string_view Args::string(size_t i) {
  size_t n = 0;
  if (napi_get_value_string_utf8(env_, argv_[i], nullptr, 0, &n) != napi_ok) wrong(i, "string");
  auto s = std::make_unique<std::string>(n, '\0');
  check(env_, napi_get_value_string_utf8(env_, argv_[i], s->data(), n + 1, &n));
  extra().strings.push_back(std::move(s));
  return *extra().strings.back();
}

std::vector<std::string> Args::strings(size_t i) const {
  const uint32_t n = arrayLength(i, "array of strings");
  std::vector<std::string> out(n);
  for (uint32_t k = 0; k < n; ++k) {
    napi_value item;
    check(env_, napi_get_element(env_, argv_[i], k, &item));
    size_t length = 0;
    if (napi_get_value_string_utf8(env_, item, nullptr, 0, &length) != napi_ok)
      wrongItem(i, "array of strings", item, k);
    out[k].resize(length);
    check(env_, napi_get_value_string_utf8(env_, item, out[k].data(), length + 1, &length));
  }
  return out;
}

DType Args::dtype(size_t i) const {
  int32_t code;
  if (napi_get_value_int32(env_, argv_[i], &code) != napi_ok) wrong(i, "dtype");
  FB_CHECK(code >= 0 && code < kNumDTypes, Type, "%s(): argument '%s' (position %zu): %d is not a dtype", op_,
           names_[i], i + 1, code);
  return static_cast<DType>(code);
}

uint32_t Args::arrayLength(size_t i, const char* expected) const {
  bool is = false;
  check(env_, napi_is_array(env_, argv_[i], &is));
  if (!is) wrong(i, expected);
  uint32_t n;
  check(env_, napi_get_array_length(env_, argv_[i], &n));
  return n;
}

IntSpan Args::ints(size_t i) {
  const uint32_t n = arrayLength(i, "array of ints");
  auto out = std::make_unique<Dims>(n);
  for (uint32_t k = 0; k < n; ++k) {
    napi_value item;
    check(env_, napi_get_element(env_, argv_[i], k, &item));
    double d;
    if (napi_get_value_double(env_, item, &d) == napi_ok) {
      FB_CHECK(std::trunc(d) == d && std::fabs(d) <= 9007199254740992.0, Type,
               "%s(): argument '%s' (position %zu) must be array of ints, but found element of type float at pos %u",
               op_, names_[i], i + 1, k);
      (*out)[k] = static_cast<int64_t>(d);
      continue;
    }
    bool lossless = false;
    if (napi_get_value_bigint_int64(env_, item, &(*out)[k], &lossless) != napi_ok || !lossless)
      wrongItem(i, "array of ints", item, k);
  }
  extra().ints.push_back(std::move(out));
  return *extra().ints.back();
}

std::span<const double> Args::floats(size_t i) {
  const uint32_t n = arrayLength(i, "array of numbers");
  auto out = std::make_unique<std::vector<double>>(n);
  for (uint32_t k = 0; k < n; ++k) {
    napi_value item;
    check(env_, napi_get_element(env_, argv_[i], k, &item));
    if (napi_get_value_double(env_, item, &(*out)[k]) != napi_ok) wrongItem(i, "array of numbers", item, k);
  }
  extra().floats.push_back(std::move(out));
  return *extra().floats.back();
}

TensorSpan Args::list(size_t i, bool holes) {
  const uint32_t n = arrayLength(i, "array of Tensors");
  auto out = std::make_unique<TensorList>(n);
  for (uint32_t k = 0; k < n; ++k) {
    napi_value item;
    check(env_, napi_get_element(env_, argv_[i], k, &item));
    Box* b = boxOf(env_, item);
    if (b && b->kind == HandleKind::Tensor) {
      (*out)[k] = b->tensor;
      continue;
    }
    napi_valuetype type;
    check(env_, napi_typeof(env_, item, &type));
    if (!holes || (type != napi_null && type != napi_undefined)) wrongItem(i, "array of Tensors", item, k);
  }
  extra().lists.push_back(std::move(out));
  return *extra().lists.back();
}

Generator* Args::optGenerator(size_t i) const {
  if (absent(i)) return nullptr;
  return static_cast<GeneratorObject*>(handle(i, HandleKind::Generator)->other.get())->generator;
}

Box* Args::handle(size_t i, HandleKind kind) const {
  Box* b = boxOf(env_, argv_[i]);
  if (!b || b->kind != kind) wrong(i, handleKindName(kind));
  return b;
}

Box* Args::anyHandle(size_t i) const {
  Box* b = boxOf(env_, argv_[i]);
  if (!b) wrong(i, "Tensor");
  return b;
}

napi_value Args::function(size_t i) const {
  napi_valuetype type;
  check(env_, napi_typeof(env_, argv_[i], &type));
  if (type != napi_function) wrong(i, "function");
  return argv_[i];
}

napi_value wrap(napi_env env, const TensorList& list) {
  napi_value array;
  check(env, napi_create_array_with_length(env, list.size(), &array));
  for (size_t i = 0; i < list.size(); ++i)
    check(env, napi_set_element(env, array, static_cast<uint32_t>(i), wrapTensor(env, list[i])));
  return array;
}

napi_value wrap(napi_env env, bool v) {
  napi_value r;
  check(env, napi_get_boolean(env, v, &r));
  return r;
}
napi_value wrap(napi_env env, double v) {
  napi_value r;
  check(env, napi_create_double(env, v, &r));
  return r;
}
napi_value wrap(napi_env env, int64_t v) {
  napi_value r;
  check(env, napi_create_int64(env, v, &r));
  return r;
}
napi_value wrap(napi_env env, std::string_view s) {
  napi_value r;
  check(env, napi_create_string_utf8(env, s.data(), s.size(), &r));
  return r;
}
napi_value wrap(napi_env env, IntSpan ints) {
  napi_value array;
  check(env, napi_create_array_with_length(env, ints.size(), &array));
  for (size_t i = 0; i < ints.size(); ++i)
    check(env, napi_set_element(env, array, static_cast<uint32_t>(i), wrap(env, ints[i])));
  return array;
}
napi_value jsNull(napi_env env) {
  napi_value v;
  check(env, napi_get_null(env, &v));
  return v;
}

void defineFunction(napi_env env, napi_value target, const char* name, napi_callback fn) {
  napi_value v;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, fn, nullptr, &v));
  check(env, napi_set_named_property(env, target, name, v));
}

}  // namespace flambeau::node
