// The text of a deployment build: header, glue, Node addon, CMake project. The programs themselves come from src/emit.
import { cString } from './names.js';

export interface Deployment {
  /** C identifier of the model: prefix of its calls, name of its files. */
  readonly id: string;
  /** The module's own name, for messages. */
  readonly title: string;
  readonly programs: readonly {
    readonly source: string;
    readonly meta: string;
    /** Ops of its library steps. */
    readonly steps: readonly string[];
  }[];
  /** Of graphs with branches and loops: plans over some of the programs each; empty: the programs are the whole. */
  readonly flows: readonly {
    readonly meta: string;
    readonly plan: string;
    readonly first: number;
    readonly count: number;
  }[];
  /** Name of the weight behind each captured tensor. */
  readonly captures: readonly string[];
  /** Weights inside the library instead of a file beside it. */
  readonly embed: boolean;
  /** g++'s -march. */
  readonly march: string;
  /** Inputs and outputs at the traced sizes, for people. */
  readonly signature: string;
  readonly inputs: number;
  readonly outputs: number;
}

export function header(d: Deployment): string {
  const guard = `${d.id.toUpperCase()}_H`;
  return `/* ${d.signature}
 * Written by \`flambeau build\`. Link with lib${d.id}.so, or with lib${d.id}_static.a and libflambeau.so. */
#ifndef ${guard}
#define ${guard}
#include <flambeau/model.h>
#ifdef __cplusplus
extern "C" {
#endif

#define ${d.id.toUpperCase()}_INPUTS ${d.inputs}
#define ${d.id.toUpperCase()}_OUTPUTS ${d.outputs}

/* Loads the model. \`weights\`: path of ${d.id}.safetensors; null: ${d.embed ? 'the weights inside the library' : 'the file beside the library'}.
 * Calls give FB_OK, or an error code and its text in \`message\`. */
int ${d.id}_load(const char* weights, fb_model** model, char* message, size_t length);
/* Runs it; from any thread, from several at once. See fb_model_run in flambeau/model.h. */
int ${d.id}_run(fb_model* model, const fb_tensor* inputs, int input_count, fb_tensor* outputs, int output_count,
                char* message, size_t length);
void ${d.id}_free(fb_model* model);

#ifdef __cplusplus
}
#endif
#endif
`;
}

export function glue(d: Deployment): string {
  const entries = d.programs.map((_, k) => `int ${d.id}_abi_${k}(void);\nint ${d.id}_run_${k}(const fb_run_args*);`);
  const rows = d.programs.map((p, k) => `    {${d.id}_abi_${k}, ${d.id}_run_${k},\n    ${cString(p.meta)}},`);
  const embedded = d.embed
    ? `
// The file lies beside this source.
__asm__(
    ".section .rodata\\n.balign 64\\n.local ${d.id}_weights\\n${d.id}_weights:\\n.incbin \\"${d.id}.safetensors\\"\\n"
    ".local ${d.id}_weights_end\\n${d.id}_weights_end:\\n.byte 0\\n.previous\\n");
extern "C" const char ${d.id}_weights[] __attribute__((visibility("hidden")));
extern "C" const char ${d.id}_weights_end[] __attribute__((visibility("hidden")));
`
    : '';
  return `// ${d.id}: calls of ${d.id}.h over the generated programs.
#include "${d.id}.h"

#include <dlfcn.h>

#include <cstdio>
#include <string>

extern "C" {
${entries.join('\n')}
}
${embedded}
namespace {

const fb_model_program programs[] = {
${rows.join('\n')}
};
const char* const captures[] = {${[...d.captures.map((c) => cString(c)), 'nullptr'].join(', ')}};
${
  d.embed
    ? ''
    : `
/// ${d.id}.safetensors beside the file that this code was loaded from.
std::string besideLibrary() {
  Dl_info info;
  std::string path = dladdr(reinterpret_cast<void*>(&${d.id}_load), &info) && info.dli_fname ? info.dli_fname : "";
  const size_t slash = path.rfind('/');
  return (slash == std::string::npos ? std::string() : path.substr(0, slash + 1)) + "${d.id}.safetensors";
}
`
}
}  // namespace

extern "C" {

int ${d.id}_load(const char* weights, fb_model** model, char* message, size_t length) {
${
  !/^x86-64-v[234]$/.test(d.march)
    ? ''
    : `  if (!__builtin_cpu_supports("${d.march}")) {
    if (message && length) std::snprintf(message, length, "${d.id} was built for ${d.march} processors; build it with --march x86-64 for this one");
    return FB_ERROR_RUN;
  }
`
}  fb_model_source source = {};
  source.name = ${cString(d.title)};
  source.programs = programs;
  source.program_count = ${d.programs.length};
  source.captures = captures;
  source.capture_count = ${d.captures.length};
${flowLines(d)}${
    d.embed
      ? `  if (!weights) {
    source.weights = ${d.id}_weights;
    source.weight_bytes = (size_t)(${d.id}_weights_end - ${d.id}_weights);
  }
  source.weights_path = weights;`
      : `  const std::string beside = weights ? weights : besideLibrary();
  source.weights_path = beside.c_str();`
  }
  return fb_model_load(&source, model, message, length);
}
int ${d.id}_run(fb_model* model, const fb_tensor* inputs, int input_count, fb_tensor* outputs, int output_count,
                char* message, size_t length) {
  return fb_model_run(model, inputs, input_count, outputs, output_count, message, length);
}
void ${d.id}_free(fb_model* model) { fb_model_free(model); }

}  // extern "C"
`;
}

/** The plans of branches and loops, which the runtime follows. */
function flowLines(d: Deployment): string {
  if (d.flows.length === 0) return '';
  const rows = d.flows.map((f) => `    {${cString(f.meta)},\n    ${cString(f.plan)},\n    ${f.first}, ${f.count}},`);
  return `  static const fb_model_flow flows[] = {\n${rows.join('\n')}\n  };
  source.flows = flows;
  source.flow_count = ${d.flows.length};
`;
}

/** A program with entry points of its own name, so that several fit into one library. */
export const programSource = (d: Deployment, k: number): string =>
  `#define fb_graph_abi ${d.id}_abi_${k}\n#define fb_graph_run ${d.id}_run_${k}\n${d.programs[k]!.source}`;

export function cmake(d: Deployment): string {
  return `# Written by \`flambeau build\`: ${d.id} as a shared and a static library and, where NODE_API_INCLUDE names Node's headers, as a Node addon.
#   cmake -S . -B build [-DNODE_API_INCLUDE=/usr/include/node] && cmake --build build     (everything lands in dist/)
cmake_minimum_required(VERSION 3.18)
project(${d.id} CXX)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "\${CMAKE_CURRENT_SOURCE_DIR}/dist")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "\${CMAKE_CURRENT_SOURCE_DIR}/dist")
# Found through the folder that the library itself lies in, so the folder can be moved. Also for the libraries behind libflambeau.so.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN")

add_library(${d.id}_objects OBJECT src/${d.id}.cc ${d.programs.map((_, k) => `src/program_${k}.cc`).join(' ')})
target_include_directories(${d.id}_objects PUBLIC include)
# The incbin of embedded weights looks beside the sources.
target_compile_options(${d.id}_objects PRIVATE -O3 -march=${d.march} -fno-math-errno -fno-trapping-math -ffp-contract=off
  -Wno-psabi "-Wa,-I\${CMAKE_CURRENT_SOURCE_DIR}/src")

add_library(${d.id} SHARED $<TARGET_OBJECTS:${d.id}_objects>)
add_library(${d.id}_static STATIC $<TARGET_OBJECTS:${d.id}_objects>)
set(runtime "\${CMAKE_CURRENT_SOURCE_DIR}/dist/libflambeau.so")
target_link_libraries(${d.id} PRIVATE "\${runtime}")
target_link_options(${d.id} PRIVATE "LINKER:--disable-new-dtags" "LINKER:--allow-shlib-undefined")
target_include_directories(${d.id} INTERFACE include)

if(NODE_API_INCLUDE)
  add_library(${d.id}_node MODULE src/addon.cc $<TARGET_OBJECTS:${d.id}_objects>)
  target_include_directories(${d.id}_node PRIVATE include "\${NODE_API_INCLUDE}")
  set_target_properties(${d.id}_node PROPERTIES PREFIX "" SUFFIX ".node" OUTPUT_NAME "${d.id}")
  target_link_libraries(${d.id}_node PRIVATE "\${runtime}")
  target_link_options(${d.id}_node PRIVATE "LINKER:--disable-new-dtags" "LINKER:--allow-shlib-undefined")
endif()
`;
}
