# flambeau.node from native/node and the generated bindings: the only target that sees Node's headers.
file(GLOB_RECURSE FLAMBEAU_ADDON_SOURCES CONFIGURE_DEPENDS
  "${CMAKE_CURRENT_SOURCE_DIR}/node/*.cc" "${FLAMBEAU_GENERATED}/bindings_*.cc" "${FLAMBEAU_GENERATED}/node/*.cc")

find_program(FLAMBEAU_NODE NAMES node nodejs)

# napi.h: from the installed package, wherever npm put it.
find_path(FLAMBEAU_NAPI_INCLUDE napi.h
  PATHS "${FLAMBEAU_ROOT}/node_modules/node-addon-api" "${FLAMBEAU_ROOT}/../node-addon-api" NO_DEFAULT_PATH)
if(NOT FLAMBEAU_NAPI_INCLUDE AND FLAMBEAU_NODE)
  execute_process(COMMAND "${FLAMBEAU_NODE}" -p "require('node-addon-api').include_dir"
    WORKING_DIRECTORY "${FLAMBEAU_ROOT}" OUTPUT_VARIABLE FLAMBEAU_NAPI_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_path(FLAMBEAU_NAPI_INCLUDE napi.h PATHS "${FLAMBEAU_NAPI_DIR}" NO_DEFAULT_PATH)
endif()

# node_api.h: what cmake-js offers, else the node-api-headers package that comes with it, else the headers beside the node binary.
set(candidates ${CMAKE_JS_INC} "${FLAMBEAU_ROOT}/node_modules/node-api-headers/include" "${FLAMBEAU_ROOT}/../node-api-headers/include")
if(FLAMBEAU_NODE)
  execute_process(COMMAND "${FLAMBEAU_NODE}" -p "process.execPath" OUTPUT_VARIABLE nodePath OUTPUT_STRIP_TRAILING_WHITESPACE)
  get_filename_component(nodePrefix "${nodePath}" DIRECTORY)
  get_filename_component(nodePrefix "${nodePrefix}" DIRECTORY)
  list(APPEND candidates "${nodePrefix}/include/node")
endif()
find_path(FLAMBEAU_NODE_INCLUDE node_api.h PATHS ${candidates} NO_DEFAULT_PATH)

if(NOT FLAMBEAU_ADDON_SOURCES)
  message(STATUS "addon: no sources yet")
elseif(NOT FLAMBEAU_NAPI_INCLUDE OR NOT FLAMBEAU_NODE_INCLUDE)
  message(STATUS "addon: skipped, Node's headers or node-addon-api were not found (run npm install)")
else()
  add_library(flambeau_addon MODULE ${FLAMBEAU_ADDON_SOURCES})
  set_target_properties(flambeau_addon PROPERTIES PREFIX "" OUTPUT_NAME flambeau SUFFIX .node
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN")
  flambeau_compile_settings(flambeau_addon)
  target_include_directories(flambeau_addon SYSTEM PRIVATE "${FLAMBEAU_NAPI_INCLUDE}" "${FLAMBEAU_NODE_INCLUDE}")
  # NAPI_VERSION_EXPERIMENTAL: finalizers run during garbage collection, so a synchronous loop stays in bounded memory.
  target_compile_definitions(flambeau_addon PRIVATE NAPI_VERSION=2147483647 NAPI_EXPERIMENTAL
    NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS NAPI_CPP_EXCEPTIONS)
  target_link_libraries(flambeau_addon PRIVATE flambeau)
endif()
