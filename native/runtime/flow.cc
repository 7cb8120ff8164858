// Reads plans of control flow and runs them: moves of values, runs of programs, branches, loops.
#include "runtime/flow.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace flambeau {

using runtime::Json;

namespace {

[[noreturn]] void bad(const std::string& why) { throw Error(ErrorKind::File, "control flow plan: " + why); }
/// Plans come from files as well; the reader is recursive.
constexpr int kMaxDepth = 64;
constexpr int64_t kMaxValues = 1 << 20;

}  // namespace

Ref<FlowProgram> FlowProgram::load(const std::string& plan, std::vector<Ref<GraphProgram>> programs,
                                   TensorList constants) {
  Ref<FlowProgram> flow(new FlowProgram);
  const Json j = Json::parse(plan);
  const int64_t values = j.at("values").integer("values");
  if (values < 0 || values > kMaxValues) bad("'values' is out of range");
  flow->values_ = static_cast<int>(values);
  flow->programs_ = std::move(programs);
  flow->constants_ = std::move(constants);
  flow->inputs_ = flow->slotsOf(j.at("inputs"), "inputs");
  flow->constantSlots_ = flow->slotsOf(j.at("constants"), "constants");
  flow->outputs_ = flow->slotsOf(j.at("outputs"), "outputs");
  if (flow->constantSlots_.size() != flow->constants_.size()) bad("the number of constants does not fit");
  flow->block_ = flow->blockOf(j.at("block"), 0);
  return flow;
}

std::vector<int> FlowProgram::slotsOf(const Json& j, const char* what) const {
  std::vector<int> out;
  for (const Json& item : j.array(what)) {
    const int64_t slot = item.integer(what);
    if (slot < 0 || slot >= values_) bad(std::string("'") + what + "' names a value that does not exist");
    out.push_back(static_cast<int>(slot));
  }
  return out;
}

FlowProgram::Move FlowProgram::moveOf(const Json& j, const char* what) const {
  Move m{slotsOf(j.at("from"), what), slotsOf(j.at("to"), what)};
  if (m.from.size() != m.to.size()) bad(std::string("'") + what + "' moves unequal numbers of values");
  return m;
}

FlowProgram::Block FlowProgram::blockOf(const Json& j, int depth) const {
  if (depth > kMaxDepth) bad("blocks nest too deep");
  Block block;
  for (const Json& item : j.array("block")) {
    Step s;
    if (const Json* program = item.find("run")) {
      const int64_t k = program->integer("run");
      if (k < 0 || k >= static_cast<int64_t>(programs_.size())) bad("a step runs a program that does not exist");
      s.program = static_cast<int>(k);
      s.in = slotsOf(item.at("in"), "in");
      s.out = slotsOf(item.at("out"), "out");
    } else {
      const bool loop = item.find("loop") != nullptr;
      s.kind = loop ? Step::Kind::Loop : Step::Kind::If;
      const int64_t condition = item.at(loop ? "loop" : "if").integer("condition");
      if (condition < 0 || condition >= values_) bad("a condition does not exist");
      s.condition = static_cast<int>(condition);
      s.before = moveOf(item.at("before"), "before");
      s.first = blockOf(item.at(loop ? "body" : "then"), depth + 1);
      s.after = moveOf(item.at("after"), "after");
      if (loop) {
        s.other = moveOf(item.at("done"), "done");
      } else {
        s.second = blockOf(item.at("else"), depth + 1);
        s.other = moveOf(item.at("afterElse"), "afterElse");
      }
    }
    block.push_back(std::move(s));
  }
  return block;
}

void FlowProgram::apply(const Move& move, TensorList& values) {
  TensorList taken;
  taken.reserve(move.from.size());
  for (const int k : move.from) taken.push_back(values[static_cast<size_t>(k)]);
  for (size_t k = 0; k < taken.size(); ++k) values[static_cast<size_t>(move.to[k])] = std::move(taken[k]);
}

bool FlowProgram::holds(const Tensor& condition) const {
  FB_CHECK(condition.defined() && condition.dtype() == DType::Bool && condition.numel() == 1, Value,
           "a condition must be one bool");
  return *static_cast<const uint8_t*>(condition.data()) != 0;
}

void FlowProgram::run(const Block& block, TensorList& values) const {
  TensorList inputs, results;
  std::string failure;
  for (const Step& s : block) {
    switch (s.kind) {
      case Step::Kind::Run:
        inputs.clear();
        for (const int k : s.in) {
          const Tensor& t = values[static_cast<size_t>(k)];
          FB_CHECK(t.defined(), Value, "a value of the control flow plan is read before it is computed");
          inputs.push_back(t);
        }
        results.clear();
        FB_CHECK(programs_[static_cast<size_t>(s.program)]->run(inputs, {}, results, failure), Value, "%s",
                 failure.c_str());
        FB_CHECK(results.size() == s.out.size(), Value, "a program of the control flow plan gave %zu results, not %zu",
                 results.size(), s.out.size());
        for (size_t k = 0; k < results.size(); ++k) values[static_cast<size_t>(s.out[k])] = std::move(results[k]);
        break;
      case Step::Kind::If: {
        const bool taken = holds(values[static_cast<size_t>(s.condition)]);
        apply(s.before, values);
        run(taken ? s.first : s.second, values);
        apply(taken ? s.after : s.other, values);
        break;
      }
      case Step::Kind::Loop:
        // `before`: initial values and what the body reads; the body's condition comes back in `condition`.
        apply(s.before, values);
        while (holds(values[static_cast<size_t>(s.condition)])) {
          run(s.first, values);
          apply(s.after, values);
        }
        apply(s.other, values);
        break;
    }
  }
}

TensorList FlowProgram::run(TensorSpan inputs) const {
  FB_CHECK(inputs.size() == inputs_.size(), Value, "the program takes %zu inputs, got %zu", inputs_.size(),
           inputs.size());
  TensorList values(static_cast<size_t>(values_));
  for (size_t k = 0; k < inputs.size(); ++k) values[static_cast<size_t>(inputs_[k])] = inputs[k];
  for (size_t k = 0; k < constants_.size(); ++k) values[static_cast<size_t>(constantSlots_[k])] = constants_[k];
  run(block_, values);
  TensorList out;
  for (const int k : outputs_) {
    FB_CHECK(values[static_cast<size_t>(k)].defined(), Value, "a result of the control flow plan was not computed");
    out.push_back(values[static_cast<size_t>(k)]);
  }
  return out;
}

}  // namespace flambeau
