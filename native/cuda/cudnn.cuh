// cuDNN where the machine has it: loaded at run time, so that neither building nor running needs it. The declarations
// are those of its C interface (https://docs.nvidia.com/deeplearning/cudnn/backend/latest/api/cudnn-cnn-library.html),
// version 8 and later.
#pragma once
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <string>
#include <type_traits>

namespace flambeau::cuda {

/// The functions that convolutions use; `handle` is null where cuDNN does not load. FLAMBEAU_CUDNN names another file
/// than the system's, or `0` to go without.
class Cudnn {
 public:
  using Status = int;    // 0: success
  using Object = void*;  // handles and descriptors

  enum : int {
    kFloat = 0,
    kNchw = 0,
    kCrossCorrelation = 1,
    kTf32Math = 0,
    kFloat32Math = 3,
    kRelu = 1,
    kIdentity = 5
  };
  /// Algorithms by number. Those whose sums depend on the order of threads are left out. The first `kExact` compute
  /// products and sums as they are written; the others transform (FFT, Winograd): on an H100 the gradients of a block
  /// of two convolutions and batch norms were off by 6e-3, where the exact ones are by 1e-6.
  static constexpr int kForward[] = {0, 1, 2, 3, 4, 5, 6, 7};
  static constexpr int kBackwardData[] = {1, 2, 3, 4, 5};
  static constexpr int kBackwardFilter[] = {1, 2, 4, 5, 6};
  static constexpr int kExactForward = 4, kExactBackward = 1;

  static const Cudnn& get() {
    static const Cudnn one;
    return one;
  }
  Object handle = nullptr;
  /// A handle has one stream: calls take turns.
  std::mutex& turn() const { return turn_; }

  Status (*setStream)(Object, cudaStream_t) = nullptr;
  Status (*createTensor)(Object*) = nullptr;
  Status (*setTensor)(Object, int type, int dims, const int* size, const int* stride) = nullptr;
  Status (*destroyTensor)(Object) = nullptr;
  Status (*createFilter)(Object*) = nullptr;
  Status (*setFilter)(Object, int type, int format, int dims, const int* size) = nullptr;
  Status (*destroyFilter)(Object) = nullptr;
  Status (*createConvolution)(Object*) = nullptr;
  Status (*setConvolution)(Object, int dims, const int* pad, const int* stride, const int* dilation, int mode,
                           int type) = nullptr;
  Status (*setGroups)(Object, int) = nullptr;
  Status (*setMath)(Object, int) = nullptr;
  Status (*destroyConvolution)(Object) = nullptr;
  Status (*createActivation)(Object*) = nullptr;
  Status (*setActivation)(Object, int mode, int nan, double) = nullptr;
  Status (*destroyActivation)(Object) = nullptr;
  Status (*forwardBytes)(Object, Object x, Object w, Object conv, Object y, int algo, size_t*) = nullptr;
  Status (*forward)(Object, const void* alpha, Object x, const void*, Object w, const void*, Object conv, int algo,
                    void* space, size_t, const void* beta, Object y, void*) = nullptr;
  Status (*forwardEnded)(Object, const void* alpha, Object x, const void*, Object w, const void*, Object conv, int algo,
                         void* space, size_t, const void* alpha2, Object z, const void*, Object bias, const void*,
                         Object activation, Object y, void*) = nullptr;
  Status (*dataBytes)(Object, Object w, Object dy, Object conv, Object dx, int algo, size_t*) = nullptr;
  Status (*data)(Object, const void* alpha, Object w, const void*, Object dy, const void*, Object conv, int algo,
                 void* space, size_t, const void* beta, Object dx, void*) = nullptr;
  Status (*filterBytes)(Object, Object x, Object dy, Object conv, Object dw, int algo, size_t*) = nullptr;
  Status (*filter)(Object, const void* alpha, Object x, const void*, Object dy, const void*, Object conv, int algo,
                   void* space, size_t, const void* beta, Object dw, void*) = nullptr;

 private:
  Cudnn() {
    const char* asked = getenv("FLAMBEAU_CUDNN");
    void* library = nullptr;
    if (asked != nullptr && *asked != 0) {
      if (std::string(asked) != "0") library = dlopen(asked, RTLD_NOW | RTLD_LOCAL);
    } else {
      for (const char* name : {"libcudnn.so.9", "libcudnn.so.8", "libcudnn.so"})
        if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    if (library == nullptr) return;
    bool all = true;
    auto find = [&](auto& f, const char* name) {
      f = reinterpret_cast<std::remove_reference_t<decltype(f)>>(dlsym(library, name));
      all = all && f != nullptr;
    };
    Status (*create)(Object*) = nullptr;
    find(create, "cudnnCreate");
    find(setStream, "cudnnSetStream");
    find(createTensor, "cudnnCreateTensorDescriptor");
    find(setTensor, "cudnnSetTensorNdDescriptor");
    find(destroyTensor, "cudnnDestroyTensorDescriptor");
    find(createFilter, "cudnnCreateFilterDescriptor");
    find(setFilter, "cudnnSetFilterNdDescriptor");
    find(destroyFilter, "cudnnDestroyFilterDescriptor");
    find(createConvolution, "cudnnCreateConvolutionDescriptor");
    find(setConvolution, "cudnnSetConvolutionNdDescriptor");
    find(setGroups, "cudnnSetConvolutionGroupCount");
    find(setMath, "cudnnSetConvolutionMathType");
    find(destroyConvolution, "cudnnDestroyConvolutionDescriptor");
    find(createActivation, "cudnnCreateActivationDescriptor");
    find(setActivation, "cudnnSetActivationDescriptor");
    find(destroyActivation, "cudnnDestroyActivationDescriptor");
    find(forwardBytes, "cudnnGetConvolutionForwardWorkspaceSize");
    find(forward, "cudnnConvolutionForward");
    find(forwardEnded, "cudnnConvolutionBiasActivationForward");
    find(dataBytes, "cudnnGetConvolutionBackwardDataWorkspaceSize");
    find(data, "cudnnConvolutionBackwardData");
    find(filterBytes, "cudnnGetConvolutionBackwardFilterWorkspaceSize");
    find(filter, "cudnnConvolutionBackwardFilter");
    if (!all || create(&handle) != 0) handle = nullptr;
  }
  mutable std::mutex turn_;
};

}  // namespace flambeau::cuda
