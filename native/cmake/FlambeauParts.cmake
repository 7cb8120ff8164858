# flambeau_part(NAME FOLDER): compiles FOLDER/**/*.cc as one object target and links it into libflambeau.
# A folder that is missing or empty is fine: nothing joins. Parts see the core's headers, never Node's.
function(flambeau_part name folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*.cc")
  # Compiled elsewhere: kernels once per instruction set (FlambeauKernels), bindings with the addon (FlambeauAddon).
  list(FILTER sources EXCLUDE REGEX "/(kernels|isa)/[^/]*\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/generated/native/(node/.*|bindings_[^/]*\\.cc)$")
  if(NOT FLAMBEAU_ONEDNN_FOUND)
    list(FILTER sources EXCLUDE REGEX "/cpu/onednn/")
  endif()
  if(NOT sources)
    return()
  endif()
  add_library(flambeau_${name} OBJECT ${sources})
  flambeau_compile_settings(flambeau_${name})
  target_compile_options(flambeau_${name} PRIVATE ${FLAMBEAU_TLS_FLAGS})
  target_sources(flambeau PRIVATE $<TARGET_OBJECTS:flambeau_${name}>)
endfunction()

# Include paths, warnings and definitions of code that lives inside libflambeau.
function(flambeau_compile_settings target)
  target_compile_options(${target} PRIVATE ${FLAMBEAU_CXX_FLAGS})
  if(FLAMBEAU_QUICK)
    target_precompile_headers(${target} PRIVATE <algorithm> <array> <cmath> <cstring> <functional> <memory> <mutex> <optional>
      <span> <string> <unordered_map> <variant> <vector>)
  endif()
  target_include_directories(${target} PRIVATE
    "${CMAKE_CURRENT_SOURCE_DIR}/include" "${CMAKE_CURRENT_SOURCE_DIR}"
    "${FLAMBEAU_GENERATED}" "${FLAMBEAU_GENERATED}/include" "${FLAMBEAU_ROOT}/generated")
  target_link_libraries(${target} PRIVATE OpenMP::OpenMP_CXX)
  if(FLAMBEAU_ONEDNN_FOUND)
    target_compile_definitions(${target} PRIVATE FLAMBEAU_WITH_ONEDNN=1)
    target_include_directories(${target} SYSTEM PRIVATE ${FLAMBEAU_ONEDNN_INCLUDES})
  endif()
endfunction()
