// Loads libflambeau_lapack.so from beside libflambeau.
#include "linalg/lapack.h"

#include <dlfcn.h>

#include <mutex>

namespace flambeau::linalg {

namespace {

const LapackTables* tables = nullptr;
std::string problem;

void load() {
  // By its path first: under a sanitizer the loader looks along the RUNPATH of another library than this one. Never
  // unloaded.
  Dl_info own;
  const bool found = ::dladdr(reinterpret_cast<const void*>(&load), &own) != 0 && own.dli_fname != nullptr;
  const std::string file = found ? own.dli_fname : "";
  void* library = ::dlopen((file.substr(0, file.rfind('/') + 1) + kLapackLibrary).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) library = ::dlopen(kLapackLibrary, RTLD_NOW | RTLD_LOCAL);
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
