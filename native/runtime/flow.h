// Programs with control flow: graph programs as the steps of a plan of branches and loops. A run goes through the plan
// here, without JavaScript. The plan is the JSON of docs/program-format.md, "Control flow".
#pragma once
#include <span>
#include <string>
#include <vector>

#include "runtime/graph.h"
#include "runtime/json.h"

namespace flambeau {

class FlowProgram : public RefCounted {
 public:
  /// Throws Error(File) for a plan that is malformed or names values or programs that do not exist.
  static Ref<FlowProgram> load(const std::string& plan, std::vector<Ref<GraphProgram>> programs, TensorList constants);

  /// The results for these inputs. Throws Error(Value) when inputs are not those that the plan was made for, and the
  /// errors of kernels.
  TensorList run(TensorSpan inputs) const;

 private:
  struct Step;
  using Block = std::vector<Step>;
  /// values[to[k]] = values[from[k]], all at once.
  struct Move {
    std::vector<int> from, to;
  };
  struct Step {
    enum class Kind { Run, If, Loop } kind = Kind::Run;
    int program = 0;           // Run
    std::vector<int> in, out;  // Run
    int condition = 0;         // If, Loop
    Block first, second;       // then and else, or a loop's body
    Move before, after, other;
  };

  FlowProgram() = default;
  Block blockOf(const runtime::Json& j, int depth) const;
  std::vector<int> slotsOf(const runtime::Json& j, const char* what) const;
  Move moveOf(const runtime::Json& j, const char* what) const;
  void run(const Block& block, TensorList& values) const;
  static void apply(const Move& move, TensorList& values);
  bool holds(const Tensor& condition) const;

  std::vector<Ref<GraphProgram>> programs_;
  TensorList constants_;
  int values_ = 0;
  std::vector<int> inputs_, constantSlots_, outputs_;
  Block block_;
};

}  // namespace flambeau
