// Handles: what JavaScript holds. A handle is a Node-API External that points to a Box in one reserved address range,
// so that a foreign External is recognised by its address alone and never read. Measured on Node 20: making and
// collecting one costs about 200 ns (an object with napi_wrap: the same to make, four times as long to read back),
// reading it 12 ns.
#pragma once
#include <node_api.h>

#include "flambeau/autograd.h"
#include "flambeau/tensor.h"

namespace flambeau::node {

enum class HandleKind : uint32_t { Free, Tensor, Disposed, Generator, Node, Graph, Flow };

struct Box {
  Tensor tensor;          // of Tensor handles
  Ref<RefCounted> other;  // of all other kinds
  HandleKind kind = HandleKind::Free;
};

/// Makes a handle; undefined tensors become null.
napi_value wrapTensor(napi_env env, Tensor t);
napi_value wrapObject(napi_env env, HandleKind kind, Ref<RefCounted> object);
/// The box behind a value, or null when the value is not one of our handles.
Box* boxOf(napi_env env, napi_value value);
/// Lets go of what a handle holds; using it again is an error, disposing twice is not.
void disposeBox(Box* box);
const char* handleKindName(HandleKind kind);
/// Boxes in use in this process (tests: nothing leaks).
int64_t liveHandles();

}  // namespace flambeau::node
