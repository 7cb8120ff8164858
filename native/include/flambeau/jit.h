// Saved graphs: what TypeScript's jit.trace(...).save and jit.script(...).save wrote, branches and loops included, run
// op by op on the prebuilt kernels. For compiled code: flambeau build.
#pragma once
#include <memory>
#include <string>

#include "flambeau/tensor.h"

namespace flambeau::jit {

class GraphModule;

/// A loaded graph with its weights. Copies share them.
class Module {
 public:
  explicit Module(std::shared_ptr<const GraphModule> graph) : graph_(std::move(graph)) {}
  /// The graph's results in order. Other sizes than the traced ones work where the file holds a graph for them.
  /// Numbers that a scripted function takes are tensors without dimensions, int64 or float64.
  /// Throws Error(Value) for a wrong number of inputs, a wrong dtype or shape.
  TensorList forward(const TensorList& inputs) const;
  /// A graph with one result.
  Tensor operator()(const TensorList& inputs) const;
  const std::string& name() const;

 private:
  std::shared_ptr<const GraphModule> graph_;
};

/// Reads a .fbg file (docs/fbg-format.md). Throws Error(File) for one that is missing, damaged or of another version.
Module load(const std::string& path);

}  // namespace flambeau::jit
