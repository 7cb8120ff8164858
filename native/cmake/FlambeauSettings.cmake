# Compiler settings shared by every target.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# cmake-js asks for Release/; one fixed place is simpler for the loader and for $ORIGIN.
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
if(FLAMBEAU_QUICK)
  set(CMAKE_CXX_FLAGS_RELEASE "-O0")
endif()
if(FLAMBEAU_SANITIZE)
  # -O1 keeps the sanitizer build quick to compile and its stacks readable.
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g -fno-omit-frame-pointer")
  # Without the per-pointer checks that AddressSanitizer's faults make redundant: half the compile time and memory.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,alignment,vptr,object-size -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

# Math flags that change no result: errno and trapping are not part of PyTorch's semantics; fast-math would be.
set(FLAMBEAU_CXX_FLAGS -Wall -Wextra -Wno-unused-parameter -Wno-psabi
  -fno-math-errno -fno-trapping-math -fno-semantic-interposition)

# Thread-local variables of libflambeau are read on every operation. initial-exec makes that one instruction instead of a
# call; the library then takes its (few hundred bytes of) TLS from the reserve that glibc keeps for loaded libraries.
# extern thread_local variables of ours have constant initialisers: no wrapper call.
include(CheckCXXSymbolExists)
check_cxx_symbol_exists(__GLIBC__ "features.h" FLAMBEAU_GLIBC)
set(FLAMBEAU_TLS_FLAGS -fno-extern-tls-init)
if(FLAMBEAU_GLIBC)
  list(APPEND FLAMBEAU_TLS_FLAGS -ftls-model=initial-exec)
endif()

# As many jobs as cores (at least two); Ninja alone would start two more than that. CMAKE_BUILD_PARALLEL_LEVEL overrides.
if(NOT DEFINED ENV{CMAKE_BUILD_PARALLEL_LEVEL} AND CMAKE_GENERATOR MATCHES "Ninja")
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  if(cores LESS 2)
    set(cores 2)
  endif()
  set_property(GLOBAL PROPERTY JOB_POOLS flambeau=${cores})
  set(CMAKE_JOB_POOL_COMPILE flambeau)
  set(CMAKE_JOB_POOL_LINK flambeau)
endif()

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(FLAMBEAU_CCACHE ccache)
  if(FLAMBEAU_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${FLAMBEAU_CCACHE}")
  endif()
endif()
