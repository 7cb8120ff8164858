// The metadata of a graph program (docs/program-format.md), parsed and checked.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "flambeau/error.h"
#include "flambeau/trace.h"
#include "runtime/json.h"

namespace flambeau::runtime {

/// A symbolic extent: sum of coef * product(symbols).
class DimExpr {
 public:
  DimExpr() = default;
  explicit DimExpr(int64_t v) : constant_(v) {}
  /// "s0", "2*s0+1", "16*s0*s1"; throws Error(File) for anything else or an unknown symbol.
  static DimExpr parse(const Json& j, const std::vector<std::string>& symbols);
  static std::optional<DimExpr> tryParse(std::string_view text, const std::vector<std::string>& symbols);
  bool symbolic() const { return !terms_.empty(); }
  /// Throws Error(Value) beyond 2^53: graphs hold JavaScript's integers.
  int64_t value(const long long* dims) const {
    int64_t v = constant_;
    bool over = false;
    for (const Term& t : terms_) {
      int64_t p = t.coef;
      for (int s : t.symbols) over |= __builtin_mul_overflow(p, int64_t{dims[s]}, &p);
      over |= __builtin_add_overflow(v, p, &v);
    }
    constexpr int64_t kLargest = int64_t{1} << 53;
    FB_CHECK(!over && v >= -kLargest && v <= kLargest, Value, "a size of the graph is beyond 2^53");
    return v;
  }

 private:
  struct Term {
    int64_t coef = 1;
    std::vector<int> symbols;
  };
  int64_t constant_ = 0;
  std::vector<Term> terms_;
};

/// dtype, shape and strides (empty: contiguous) of one tensor.
struct TensorMeta {
  DType dtype = DType::Float32;
  std::vector<DimExpr> shape, strides;
  bool hasStrides = false;
  std::optional<bool> requiresGrad;
  bool symbolic() const;
  Dims sizes(const long long* dims) const;
  Dims stepsOf(const long long* dims, const Dims& sizes) const;
};

/// A reference to input or capture `index`, as a position in inputs + captures.
struct Slot {
  int index = -1;
};

struct OutputMeta {
  std::optional<Slot> alias;  // the same tensor as an input or capture
  TensorMeta tensor;
};

struct StepOperand {
  enum class Kind : uint8_t { None, Tensor, List, Number, Live };
  Kind kind = Kind::None;
  std::vector<TensorMeta> tensors;  // one, or the list
  Scalar number;
  int live = -1;
};

struct StepAttr {
  std::string name;
  trace::Attr::Kind kind = trace::Attr::Kind::None;
  Scalar scalar;
  int live = -1;
  std::vector<DimExpr> ints;  // Ints, or one entry for a symbolic number
  std::vector<double> floats;
  std::string text;
};

struct StepMeta {
  std::string op;
  std::vector<StepOperand> inputs;
  std::vector<StepAttr> attrs;
  std::vector<TensorMeta> outputs;
  std::vector<std::string> epilogue;
  bool symbolic = false;
  int buffersIn = 0;
};

struct ProgramMeta {
  struct Symbol {
    std::string name;
    int input = 0, dim = 0;
  };
  struct GradWrite {
    Slot leaf;
    int output = -1;  // -1: the gradient becomes undefined
  };
  struct GradRead {
    Slot leaf;
    std::optional<Slot> is;
  };
  std::vector<Symbol> symbols;
  std::vector<TensorMeta> inputs, captures;
  std::vector<OutputMeta> outputs;
  std::vector<Slot> writes;
  std::vector<GradWrite> gradWrites;
  std::vector<GradRead> gradReads;
  std::vector<StepMeta> steps;
  std::vector<std::string> errors;  // messages of the program's own checks: code 1000 + index
  /// A kernel or library step, in the order of the program, and the program's own name: for profilers.
  struct Label {
    std::string name;
    bool step = false;
  };
  std::vector<Label> labels;
  std::string name = "program";
  size_t results = 0, live = 0;
  DimExpr arena, random;
  std::optional<bool> gradEnabled;

  /// Throws Error(File) when the text is damaged or of another version.
  static ProgramMeta parse(std::string_view text);
};

}  // namespace flambeau::runtime
