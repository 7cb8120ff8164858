// Small tensors for the autograd and trace tests.
#pragma once
#include <vector>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"

namespace helpers {

using namespace flambeau;

inline Tensor make(std::vector<float> data, Dims sizes, bool requiresGrad = false) {
  Tensor t = emptyTensor(sizes, DType::Float32);
  std::copy(data.begin(), data.end(), t.ptr<float>());
  if (requiresGrad) t.setRequiresGrad(true);
  return t;
}
inline Tensor vec(std::vector<float> data, bool requiresGrad = false) {
  const auto n = static_cast<int64_t>(data.size());
  return make(std::move(data), Dims{n}, requiresGrad);
}
inline std::vector<float> values(const Tensor& t) {
  std::vector<float> out;
  Dims at(static_cast<size_t>(t.dim()));
  for (int64_t k = 0; k < t.numel(); ++k) {
    int64_t place = 0;
    for (size_t i = 0; i < at.size(); ++i) place += at[i] * t.strides()[i];
    out.push_back(t.ptr<float>()[place]);
    for (size_t i = at.size(); i-- > 0 && ++at[i] == t.sizes()[i];) at[i] = 0;
  }
  return out;
}
inline Tensor sumAll(const Tensor& t) { return ops::sum(t, std::nullopt, false, std::nullopt); }
inline Tensor add(const Tensor& a, const Operand& b) { return ops::add(a, b, Scalar(1)); }
inline void backward(const Tensor& root, Tensor grad = {}, bool retainGraph = false, bool createGraph = false) {
  autograd::RunOptions options;
  options.retainGraph = retainGraph || createGraph;
  options.createGraph = createGraph;
  autograd::runBackward({root}, {grad}, {}, options);
}
inline TensorList gradOf(const Tensor& root, TensorList inputs, bool createGraph = false, bool allowUnused = false) {
  autograd::RunOptions options;
  options.accumulate = false;
  options.retainGraph = options.createGraph = createGraph;
  options.allowUnused = allowUnused;
  return autograd::runBackward({root}, {Tensor()}, inputs, options);
}

}  // namespace helpers
