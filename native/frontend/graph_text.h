// The textual form of graphs (src/ir/print.ts), as far as running needs it: names, types and places in the source are
// read over.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "flambeau/boxed.h"
#include "runtime/meta.h"

namespace flambeau::jit {

struct GraphType {
  DType dtype = DType::Float32;
  std::vector<runtime::DimExpr> shape;
};

/// An operand: a value by its place, a list of them, a number, or nothing.
struct GraphOperand {
  boxed::Value::Kind kind = boxed::Value::Kind::None;
  std::vector<int> values;
  Scalar number;
};

struct GraphAttr {
  std::string name;
  trace::Attr::Kind kind = trace::Attr::Kind::None;
  Scalar scalar;
  std::string text;
  std::vector<double> floats;
  std::vector<runtime::DimExpr> dims;  // Ints; or one entry: a number that depends on the sizes
};

struct GraphText;

struct GraphNode {
  std::string op;
  std::vector<GraphOperand> inputs;
  std::vector<GraphAttr> attrs;
  std::vector<int> outputs;
  /// Of 'if' (then, else) and 'loop' (one round): see src/ir/control.ts.
  std::vector<GraphText> bodies;
  /// Of 'loop': values that a round hands to the next.
  size_t carried = 0;

  bool control() const { return op == "if" || op == "loop"; }
};

/// Values are numbered in the order of their definition.
struct GraphText {
  std::vector<std::string> symbols;
  std::vector<GraphType> inputs, captures;
  std::vector<int> inputValues, captureValues, results;
  std::vector<GraphNode> nodes;
  int values = 0;
};

/// Throws Error(File) with line and column. The numbers of operands, bodies and results of branches and loops fit.
/// Graphs that write to their inputs or take numbers that vary are refused.
GraphText parseGraphText(std::string_view text);

}  // namespace flambeau::jit
