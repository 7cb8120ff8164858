// Arguments and results of the addon's functions. Every accessor validates; errors read like PyTorch's:
// "add(): argument 'other' (position 2) must be Tensor, not string".
#pragma once
#include <node_api.h>

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>

#include "flambeau/generator.h"
#include "flambeau/tensor.h"
#include "flambeau/trace.h"
#include "node/env.h"
#include "node/handle.h"

namespace flambeau::node {

/// Turns the exception in flight into a pending JavaScript error with `code`.
void throwToJs(napi_env env) noexcept;

/// Runs a function body at the boundary: no C++ exception passes into Node.
template <class F>
napi_value guarded(napi_env env, F&& body) {
  try {
    return body();
  } catch (...) {
    throwToJs(env);
    return nullptr;
  }
}

class Args {
 public:
  static constexpr size_t kMax = 24;
  /// `names`: the parameters' names, for messages. `site`: record the call site while tracing (ops do, queries need
  /// not).
  Args(napi_env env, napi_callback_info info, const char* op, size_t count, const char* const* names, bool site = true);
  ~Args();
  Args(const Args&) = delete;
  Args& operator=(const Args&) = delete;

  const Tensor& tensor(size_t i) const;
  const Tensor& optTensor(size_t i) const;
  /// Valid while the handle is, which no op that it is passed to can end.
  BorrowedOperands<1> operand(size_t i) const;
  std::optional<Operand> optOperand(size_t i) const {
    return absent(i) ? std::nullopt : std::optional<Operand>(operand(i));
  }
  TensorSpan tensors(size_t i) { return list(i, false); }
  TensorSpan optTensors(size_t i) { return list(i, true); }
  Scalar scalar(size_t i) const;
  std::optional<Scalar> optScalar(size_t i) const { return absent(i) ? std::nullopt : std::optional(scalar(i)); }
  int64_t integer(size_t i) const;
  std::optional<int64_t> optInteger(size_t i) const { return absent(i) ? std::nullopt : std::optional(integer(i)); }
  double floating(size_t i) const;
  std::optional<double> optFloating(size_t i) const { return absent(i) ? std::nullopt : std::optional(floating(i)); }
  bool boolean(size_t i) const;
  std::optional<bool> optBoolean(size_t i) const { return absent(i) ? std::nullopt : std::optional(boolean(i)); }
  std::string_view string(size_t i);
  std::optional<std::string_view> optString(size_t i) { return absent(i) ? std::nullopt : std::optional(string(i)); }
  DType dtype(size_t i) const;
  std::optional<DType> optDtype(size_t i) const { return absent(i) ? std::nullopt : std::optional(dtype(i)); }
  IntSpan ints(size_t i);
  std::optional<IntSpan> optInts(size_t i) { return absent(i) ? std::nullopt : std::optional(ints(i)); }
  std::span<const double> floats(size_t i);
  std::optional<std::span<const double>> optFloats(size_t i) {
    return absent(i) ? std::nullopt : std::optional(floats(i));
  }
  Generator* optGenerator(size_t i) const;

  /// Absent: null, undefined, or not passed.
  bool absent(size_t i) const;
  napi_value value(size_t i) const { return argv_[i]; }
  napi_value function(size_t i) const;
  std::vector<std::string> strings(size_t i) const;
  /// The box of a handle of this kind.
  Box* handle(size_t i, HandleKind kind) const;
  /// Any of our handles, disposed or not.
  Box* anyHandle(size_t i) const;
  /// A value that is, or stands for, a number.
  std::optional<Scalar> number(napi_value v) const;
  napi_env env() const { return env_; }
  const char* op() const { return op_; }

 private:
  struct Extra;
  [[noreturn]] void wrong(size_t i, const char* expected) const;
  [[noreturn]] void wrongItem(size_t i, const char* expected, napi_value item, size_t at) const;
  std::string describe(napi_value v) const;
  const Tensor& tensorAt(napi_value v, size_t i) const;
  TensorSpan list(size_t i, bool holes);
  uint32_t arrayLength(size_t i, const char* expected) const;
  std::optional<Scalar> numberOf(napi_value v, napi_valuetype type) const;
  std::optional<Scalar> numberObject(napi_value v) const;
  Extra& extra();

  napi_env env_;
  const char* op_;
  const char* const* names_;
  size_t count_;
  napi_value argv_[kMax];
  std::unique_ptr<Extra> extra_;  // lists and strings, for the ops that have them
};

inline napi_value wrap(napi_env env, const Tensor& t) { return wrapTensor(env, t); }
inline napi_value wrap(napi_env env, Tensor&& t) { return wrapTensor(env, std::move(t)); }
napi_value wrap(napi_env env, const TensorList& list);
napi_value wrap(napi_env env, bool v);
napi_value wrap(napi_env env, double v);
napi_value wrap(napi_env env, int64_t v);
inline napi_value wrap(napi_env env, int v) { return wrap(env, static_cast<int64_t>(v)); }
napi_value wrap(napi_env env, std::string_view s);
napi_value wrap(napi_env env, IntSpan ints);
template <class... T>
napi_value wrap(napi_env env, std::tuple<T...> t) {
  napi_value array;
  check(env, napi_create_array_with_length(env, sizeof...(T), &array));
  [&]<size_t... I>(std::index_sequence<I...>) {
    (check(env, napi_set_element(env, array, static_cast<uint32_t>(I), wrap(env, std::get<I>(t)))), ...);
  }
  (std::index_sequence_for<T...>{});
  return array;
}
napi_value jsNull(napi_env env);

/// Adds a function to an object.
void defineFunction(napi_env env, napi_value target, const char* name, napi_callback fn);

}  // namespace flambeau::node
