/* C ABI of a deployed model: what the library that `flambeau build` writes is made of. Its own header wraps these calls
 * under the model's name; nothing here needs Node or a compiler. */
#ifndef FLAMBEAU_MODEL_H
#define FLAMBEAU_MODEL_H
#include <stddef.h>
#include <stdint.h>

#include "flambeau/runtime.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The order of flambeau::DType. */
typedef enum fb_dtype {
  FB_FLOAT32,
  FB_FLOAT64,
  FB_FLOAT16,
  FB_BFLOAT16,
  FB_INT8,
  FB_INT16,
  FB_INT32,
  FB_INT64,
  FB_UINT8,
  FB_BOOL
} fb_dtype;

#define FB_MAX_RANK 16

/* A row-major tensor in the caller's memory. */
typedef struct fb_tensor {
  fb_dtype dtype;
  int rank;
  int64_t shape[FB_MAX_RANK];
  void* data;
  size_t bytes; /* size of the memory behind `data` */
} fb_tensor;

typedef struct fb_model fb_model;

/* A generated program and its metadata (docs/program-format.md). */
typedef struct fb_model_program {
  int (*abi)(void);
  int (*run)(const fb_run_args*);
  const char* meta;
} fb_model_program;

/* A graph with branches and loops: a plan (docs/program-format.md, "Control flow") over some of the programs. */
typedef struct fb_model_flow {
  const char* meta; /* what the graph takes and gives: metadata of a program without steps */
  const char* plan;
  int first, count; /* its programs */
} fb_model_flow;

typedef struct fb_model_source {
  const char* name;
  const fb_model_program* programs; /* for the traced sizes, then for other sizes; with flows: what those are made of */
  int program_count;
  const char* const* captures; /* name of the weight behind each captured tensor */
  int capture_count;
  const void* weights; /* a safetensors file in memory, or null: read `weights_path` */
  size_t weight_bytes;
  const char* weights_path;
  const fb_model_flow* flows; /* for the traced sizes, then for other sizes; null: the programs are the graphs */
  int flow_count;
} fb_model_source;

/* All three give 0, or an error code and its description in `message` (cut to `length` bytes, always terminated; may be
 * null). */
#define FB_OK 0
#define FB_ERROR_FILE 1     /* weights are missing or damaged */
#define FB_ERROR_ARGUMENT 2 /* a tensor of another dtype or shape, too little memory, a null pointer */
#define FB_ERROR_RUN 3      /* the computation failed: an index out of range, no memory */

int fb_model_load(const fb_model_source* source, fb_model** model, char* message, size_t length);

/* Runs the model. Safe to call from several threads. Outputs: with `data` null only dtype and shape are filled in and
 * nothing is run (where they follow from the inputs' shapes); else the result is written to `data`, which must hold it,
 * and `bytes` is set to its size. */
int fb_model_run(fb_model* model, const fb_tensor* inputs, int input_count, fb_tensor* outputs, int output_count,
                 char* message, size_t length);

void fb_model_free(fb_model* model);

#ifdef __cplusplus
}
#endif
#endif
