// Error codes and the printf-style message builder behind FB_CHECK.
#include "flambeau/error.h"

#include <cstdarg>
#include <cstdio>

namespace flambeau {

const char* errorCode(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Value:
      return "ERR_FLAMBEAU_VALUE";
    case ErrorKind::Type:
      return "ERR_FLAMBEAU_TYPE";
    case ErrorKind::Shape:
      return "ERR_FLAMBEAU_SHAPE";
    case ErrorKind::Index:
      return "ERR_FLAMBEAU_INDEX";
    case ErrorKind::Device:
      return "ERR_FLAMBEAU_DEVICE";
    case ErrorKind::Autograd:
      return "ERR_FLAMBEAU_AUTOGRAD";
    case ErrorKind::Trace:
      return "ERR_FLAMBEAU_TRACE";
    case ErrorKind::Compile:
      return "ERR_FLAMBEAU_COMPILE";
    case ErrorKind::File:
      return "ERR_FLAMBEAU_FILE";
    case ErrorKind::Memory:
      return "ERR_FLAMBEAU_MEMORY";
    case ErrorKind::Linalg:
      return "ERR_FLAMBEAU_LINALG";
    case ErrorKind::Internal:
      return "ERR_FLAMBEAU_INTERNAL";
  }
  return "ERR_FLAMBEAU_INTERNAL";
}

namespace detail {

std::string formatMessage(const char* format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = std::vsnprintf(nullptr, 0, format, args);
  va_end(args);
  std::string out(n > 0 ? static_cast<size_t>(n) : 0, '\0');
  if (n > 0) std::vsnprintf(out.data(), out.size() + 1, format, again);
  va_end(again);
  return out;
}

}  // namespace detail
}  // namespace flambeau
