// Loads .fbg files and runs their graphs op by op.
#include "flambeau/jit.h"

#include <cstring>
#include <optional>
#include <vector>

#include "flambeau/autograd.h"
#include "flambeau/ops.h"
#include "frontend/graph_text.h"
#include "runtime/file.h"
#include "runtime/safetensors.h"

namespace flambeau::jit {

class GraphModule {
 public:
  std::string name;
  GraphText graph;
  std::optional<GraphText> dynamic;
  TensorList captures;

  TensorList forward(const TensorList& inputs) const {
    FB_CHECK(inputs.size() == graph.inputs.size(), Value, "%s takes %zu tensors, got %zu", name.c_str(),
             graph.inputs.size(), inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      FB_CHECK(inputs[i].defined(), Value, "%s: input %zu is undefined", name.c_str(), i);
      FB_CHECK(inputs[i].dtype() == graph.inputs[i].dtype, Value, "%s: input %zu was traced as %s, got %s",
               name.c_str(), i, std::string(dtypeName(graph.inputs[i].dtype)).c_str(),
               std::string(dtypeName(inputs[i].dtype())).c_str());
    }
    std::vector<long long> sizes;
    const autograd::GradGuard noGrad(false);
    TensorList dense;
    for (const Tensor& t : inputs) dense.push_back(ops::contiguous(ops::detach(t)));
    if (fits(graph, inputs, sizes)) return run(graph, dense, captures, sizes);
    if (dynamic && fits(*dynamic, inputs, sizes)) return run(*dynamic, dense, captures, sizes);
    std::string got;
    for (const Tensor& t : inputs) got += (got.empty() ? "" : ", ") + shapeString(t.sizes());
    throw Error(ErrorKind::Value, name + ": the graph does not take inputs of shape " + got);
  }

 private:
  /// Finds the symbols' values: plain extents first, then the others are checked.
  static bool fits(const GraphText& g, const TensorList& inputs, std::vector<long long>& sizes) {
    sizes.assign(g.symbols.size(), -1);
    for (size_t s = 0; s < g.symbols.size(); ++s) {
      // The extent that is exactly this symbol: it is 1 where the symbol is 1 and all others are 0, and so on.
      for (size_t i = 0; i < inputs.size() && sizes[s] < 0; ++i) {
        const auto& shape = g.inputs[i].shape;
        if (shape.size() != static_cast<size_t>(inputs[i].dim())) return false;
        for (size_t d = 0; d < shape.size() && sizes[s] < 0; ++d)
          if (shape[d].symbolic() && isSymbol(shape[d], s, g.symbols.size())) sizes[s] = inputs[i].sizes()[d];
      }
      if (sizes[s] < 0) return false;
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto& shape = g.inputs[i].shape;
      if (shape.size() != static_cast<size_t>(inputs[i].dim())) return false;
      for (size_t d = 0; d < shape.size(); ++d)
        if (shape[d].value(sizes.data()) != inputs[i].sizes()[d]) return false;
    }
    return true;
  }
  static bool isSymbol(const runtime::DimExpr& e, size_t s, size_t count) {
    std::vector<long long> at(count, 0);
    if (e.value(at.data()) != 0) return false;
    for (const long long v : {1, 3}) {
      at[s] = v;
      if (e.value(at.data()) != v) return false;
    }
    return true;
  }

  /// A graph, or a body of one: bodies have no captured tensors.
  TensorList run(const GraphText& g, const TensorList& inputs, const TensorList& captured,
                 const std::vector<long long>& sizes) const {
    TensorList values(static_cast<size_t>(g.values));
    const auto set = [&](int at, Tensor t) { values[static_cast<size_t>(at)] = std::move(t); };
    for (size_t i = 0; i < inputs.size(); ++i) set(g.inputValues[i], inputs[i]);
    for (size_t i = 0; i < captured.size(); ++i) set(g.captureValues[i], captured[i]);
    for (const GraphNode& n : g.nodes) {
      const TensorList results = n.control() ? runControl(n, values, sizes) : runNode(n, values, sizes);
      FB_CHECK(results.size() == n.outputs.size(), Value, "%s: '%s' gave %zu results, the graph has %zu", name.c_str(),
               n.op.c_str(), results.size(), n.outputs.size());
      for (size_t k = 0; k < results.size(); ++k) set(n.outputs[k], results[k]);
    }
    TensorList out;
    for (int r : g.results) out.push_back(values[static_cast<size_t>(r)]);
    return out;
  }

  bool holds(const Tensor& condition) const {
    FB_CHECK(condition.defined() && condition.dtype() == DType::Bool && condition.numel() == 1, Value,
             "%s: a condition must be one bool", name.c_str());
    return condition.item<bool>();
  }
  /// 'if' runs one of its bodies, 'loop' its body as long as the condition holds (src/ir/control.ts).
  TensorList runControl(const GraphNode& n, const TensorList& values, const std::vector<long long>& sizes) const {
    TensorList given;
    for (const GraphOperand& o : n.inputs) given.push_back(values[static_cast<size_t>(o.values[0])]);
    bool again = holds(given[0]);
    given.erase(given.begin());
    if (n.op == "if") return run(n.bodies[again ? 0 : 1], given, {}, sizes);
    while (again) {
      TensorList made = run(n.bodies[0], given, {}, sizes);
      again = holds(made[0]);
      for (size_t k = 0; k < n.carried; ++k) given[k] = std::move(made[k + 1]);
    }
    given.resize(n.carried);
    return given;
  }

  TensorList runNode(const GraphNode& n, const TensorList& values, const std::vector<long long>& sizes) const {
    std::vector<boxed::Value> inputs;
    for (const GraphOperand& o : n.inputs) {
      const auto at = [&](int v) { return values[static_cast<size_t>(v)]; };
      switch (o.kind) {
        case boxed::Value::Kind::None:
          inputs.emplace_back();
          break;
        case boxed::Value::Kind::Number:
          inputs.emplace_back(o.number);
          break;
        case boxed::Value::Kind::Tensor:
          inputs.emplace_back(at(o.values[0]));
          break;
        case boxed::Value::Kind::List: {
          TensorList list;
          for (int v : o.values) list.push_back(at(v));
          inputs.emplace_back(std::move(list));
        }
      }
    }
    std::vector<trace::Attr> attrs;
    for (const GraphAttr& a : n.attrs) {
      trace::Attr attr(a.name.c_str());
      attr.kind = a.kind;
      attr.scalar = a.kind == trace::Attr::Kind::Scalar && !a.dims.empty()
                        ? Scalar(int64_t{a.dims[0].value(sizes.data())})
                        : a.scalar;
      attr.string = a.text;
      attr.floats = a.floats;
      for (const auto& d : a.dims) attr.ints.push_back(d.value(sizes.data()));
      attrs.push_back(std::move(attr));
    }
    return call(n.op, std::move(inputs), std::move(attrs));
  }

  /// Recorded names that are not called as they are: src/runtime/execute.ts has the same rules.
  TensorList call(const std::string& op, std::vector<boxed::Value> inputs, std::vector<trace::Attr> attrs) const {
    const auto first = [&] {
      FB_CHECK(!inputs.empty() && inputs[0].tensor.defined(), Value, "%s: '%s' lacks its tensor", name.c_str(),
               op.c_str());
      return inputs[0].tensor;
    };
    // A graph's values are row-major whatever layout the tensor at hand has.
    if (op == "view") {
      FB_CHECK(attrs.size() == 1, Value, "%s: 'view' without a size", name.c_str());
      return {ops::reshape(first(), attrs[0].ints)};
    }
    if (op == "asStrided" || op == "asStridedScatter") inputs[0] = ops::clone(ops::contiguous(first()));
    if (op == "copy") {
      const Tensor out = ops::clone(first());
      FB_CHECK(inputs.size() == 2, Value, "%s: 'copy' needs two operands", name.c_str());
      if (inputs[1].kind == boxed::Value::Kind::Number)
        ops::fill_(out, inputs[1].number);
      else
        ops::copy_(out, inputs[1].tensor);
      return {out};
    }
    if (boxed::exists(op)) return boxed::call(op, inputs, attrs);
    FB_CHECK(boxed::exists(op + "_"), Value, "%s: unknown op '%s'", name.c_str(), op.c_str());
    const Tensor copy = ops::clone(first());
    inputs[0] = copy;
    boxed::call(op + "_", inputs, attrs);
    return {copy};
  }
};

TensorList Module::forward(const TensorList& inputs) const { return graph_->forward(inputs); }
Tensor Module::operator()(const TensorList& inputs) const {
  const TensorList out = forward(inputs);
  FB_CHECK(out.size() == 1, Value, "%s has %zu results; call forward()", name().c_str(), out.size());
  return out[0];
}
const std::string& Module::name() const { return graph_->name; }

Module load(const std::string& path) {
  const std::vector<std::byte> bytes = runtime::readFile(path);
  uint32_t version = 0, length = 0;
  FB_CHECK(bytes.size() >= 16 && std::memcmp(bytes.data(), "FBGRAPH", 8) == 0, File, "'%s' is no graph file",
           path.c_str());
  std::memcpy(&version, &bytes[8], 4);
  std::memcpy(&length, &bytes[12], 4);
  FB_CHECK(version == 1, File, "'%s' has format version %u, this library reads 1", path.c_str(), version);
  FB_CHECK(length <= bytes.size() - 16, File, "'%s': the description goes beyond the end", path.c_str());
  const runtime::Json json = runtime::Json::parse({reinterpret_cast<const char*>(&bytes[16]), length});
  auto g = std::make_shared<GraphModule>();
  g->name = json.at("name").string("name");
  g->graph = parseGraphText(json.at("graph").string("graph"));
  if (const runtime::Json* d = json.find("dynamic"); d && d->isString())
    g->dynamic = parseGraphText(d->string("dynamic"));
  const auto weights = runtime::readSafetensors(std::span(bytes).subspan(16 + length)).tensors;
  const auto& names = json.at("captures").array("captures");
  const auto check = [&](const GraphText& t) {
    FB_CHECK(t.captures.size() == names.size() && t.inputs.size() == g->graph.inputs.size() &&
                 t.results.size() == g->graph.results.size(),
             File, "'%s': its graphs do not fit its description", path.c_str());
  };
  check(g->graph);
  if (g->dynamic) check(*g->dynamic);
  FB_CHECK(g->graph.symbols.empty(), File, "'%s': 'graph' has symbolic sizes", path.c_str());
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string& key = names[i].string("a capture");
    const auto found = weights.find(key);
    FB_CHECK(found != weights.end(), File, "'%s': the weight '%s' is missing", path.c_str(), key.c_str());
    const GraphType& type = g->graph.captures[i];
    Dims sizes;
    for (const auto& d : type.shape) sizes.push_back(d.value(nullptr));
    FB_CHECK(found->second.dtype() == type.dtype && Dims(found->second.sizes()) == sizes, File,
             "'%s': the weight '%s' has another type than the graph says", path.c_str(), key.c_str());
    g->captures.push_back(found->second);
  }
  return Module(std::move(g));
}

}  // namespace flambeau::jit
