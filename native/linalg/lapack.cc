// Loads libflambeau_lapack.so from beside libflambeau.
#include "linalg/lapack.h"

#include <dlfcn.h>

#include <mutex>

namespace flambeau::linalg {

namespace {

const LapackTables* tables = nullptr;
std::string problem;

void load() {
  // The loader looks along the RUNPATH of the library that asks: beside libflambeau first. Never unloaded.
  void* library = ::dlopen(kLapackLibrary, RTLD_NOW | RTLD_LOCAL);
  auto* give = library ? reinterpret_cast<LapackTablesFn*>(::dlsym(library, kLapackFunction)) : nullptr;
  if (give)
    tables = give();
  else
    problem = ::dlerror();
}

}  // namespace

void requireLapack(std::string_view op) {
  static std::once_flag once;
  std::call_once(once, load);
  if (tables) return;
  throw Error(ErrorKind::Linalg,
              std::string(op) +
                  ": needs LAPACK, which was not found when flambeau was built; install it (Debian: liblapack-dev) and "
                  "build again (" +
                  problem + ")");
}

template <>
const RoutineTable<float>& routines<float>() {
  return tables->single;
}
template <>
const RoutineTable<double>& routines<double>() {
  return tables->twice;
}

}  // namespace flambeau::linalg
