// The one exception type of the core. The addon turns it into a JS Error with `code`.
#pragma once
#include <stdexcept>
#include <string>

namespace flambeau {

enum class ErrorKind { Value, Type, Shape, Index, Device, Autograd, Trace, Compile, File, Memory, Linalg, Internal };

/// 'ERR_FLAMBEAU_VALUE', ... what JS users see as `error.code`.
const char* errorCode(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

namespace detail {
std::string formatMessage(const char* format, ...) __attribute__((format(printf, 1, 2)));
}

/// Throws Error(kind, message) unless the condition holds; the message is printf style and only built on failure.
#define FB_CHECK(cond, kind, ...)                                                                           \
  do {                                                                                                      \
    if (__builtin_expect(!(cond), 0))                                                                       \
      throw ::flambeau::Error(::flambeau::ErrorKind::kind, ::flambeau::detail::formatMessage(__VA_ARGS__)); \
  } while (0)

}  // namespace flambeau
