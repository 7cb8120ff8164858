// Checkpoints of optimizers: tensors by name, the rest as JSON with {"tensor": name} in their places.
// src/serialization/optimizer_state.ts has the same layout.
#include "flambeau/serialize.h"
#include "frontend/json_text.h"
#include "runtime/json.h"
#include "runtime/safetensors.h"

namespace flambeau {

namespace {

using optim::OptimizerStateDict;
using optim::OptionValue;
using optim::StateValue;
using runtime::Json;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::string joined(const auto& list, const auto& text) {
  std::string out = "[";
  for (const auto& x : list) out += (out.size() > 1 ? "," : "") + text(x);
  return out + "]";
}
std::string optionText(const OptionValue& value) {
  return std::visit(
      Overloaded{[](std::monostate) { return std::string("null"); },
                 [](bool b) { return std::string(b ? "true" : "false"); }, [](double d) { return jsonNumber(d); },
                 [](const std::string& s) { return jsonString(s); },
                 [](const std::vector<std::optional<double>>& list) {
                   return joined(list, [](const auto& d) { return d ? jsonNumber(*d) : "null"; });
                 }},
      value);
}

OptionValue optionOf(const Json& j) {
  if (j.isBool()) return j.boolean("an option");
  if (j.isNumber()) return j.number("an option");
  if (j.isString()) {
    const std::string& s = j.string("an option");
    if (s == "nan" || s == "inf" || s == "-inf") return j.number("an option");
    return s;
  }
  if (!j.isArray()) return std::monostate();
  std::vector<std::optional<double>> list;
  for (const Json& x : j.array("an option"))
    list.push_back(x.isNull() ? std::optional<double>() : x.number("an option"));
  return list;
}

}  // namespace

void save(const OptimizerStateDict& dict, const std::string& path) {
  std::map<std::string, Tensor> tensors;
  const auto place = [&](const std::string& name, const Tensor& t) {
    tensors.emplace(name, t);
    return "{\"tensor\":" + jsonString(name) + "}";
  };
  std::string state = "{";
  for (const auto& [number, values] : dict.state) {
    std::string own = "{";
    for (const auto& [name, value] : values) {
      const std::string key = "state." + std::to_string(number) + "." + name;
      const std::string text = std::visit(
          Overloaded{[&](const Tensor& t) { return place(key, t); }, [](double d) { return jsonNumber(d); },
                     [&](const TensorList& list) {
                       size_t i = 0;
                       return joined(list, [&](const Tensor& t) { return place(key + "." + std::to_string(i++), t); });
                     },
                     [](const std::vector<double>& list) { return joined(list, jsonNumber); }},
          value);
      own += (own.size() > 1 ? "," : "") + jsonString(name) + ":" + text;
    }
    state += (state.size() > 1 ? "," : "") + jsonString(std::to_string(number)) + ":" + own + "}";
  }
  const std::string groups = joined(dict.param_groups, [](const OptimizerStateDict::Group& g) {
    std::string text = "{";
    for (const auto& [name, value] : g.options) text += jsonString(name) + ":" + optionText(value) + ",";
    return text + "\"params\":" + joined(g.params, [](int64_t n) { return std::to_string(n); }) + "}";
  });
  save(tensors, path, {{"optimizer", "{\"state\":" + state + "},\"param_groups\":" + groups + "}"}});
}

OptimizerStateDict load_optimizer_state(const std::string& path) {
  const runtime::Safetensors file = runtime::readSafetensorsFile(path);
  const auto text = file.metadata.find("optimizer");
  FB_CHECK(text != file.metadata.end(), File, "'%s' holds no state of an optimizer", path.c_str());
  const Json json = Json::parse(text->second);
  const auto tensorOf = [&](const Json& j) {
    const std::string& name = j.at("tensor").string("a tensor's name");
    const auto found = file.tensors.find(name);
    FB_CHECK(found != file.tensors.end(), File, "'%s' lacks the tensor '%s'", path.c_str(), name.c_str());
    return found->second;
  };
  const auto valueOf = [&](const Json& j) -> StateValue {
    if (j.isObject()) return tensorOf(j);
    if (!j.isArray()) return j.number("a state");
    const auto& list = j.array("a state");
    if (list.empty() || list[0].isObject()) {
      TensorList tensors;
      for (const Json& x : list) tensors.push_back(tensorOf(x));
      return tensors;
    }
    std::vector<double> numbers;
    for (const Json& x : list) numbers.push_back(x.number("a state"));
    return numbers;
  };
  OptimizerStateDict out;
  for (const auto& [key, values] : json.at("state").fields("state")) {
    FB_CHECK(!key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos, File,
             "'%s': '%s' is no number of a parameter", path.c_str(), key.c_str());
    auto& own = out.state[std::stoll(key)];
    for (const auto& [name, value] : values.fields("a state"))
      if (!value.isNull()) own[name] = valueOf(value);
  }
  for (const Json& g : json.at("param_groups").array("param_groups")) {
    OptimizerStateDict::Group group;
    for (const auto& [name, value] : g.fields("a group"))
      if (name != "params") group.options[name] = optionOf(value);
    for (const Json& n : g.at("params").array("params")) group.params.push_back(n.integer("a parameter"));
    out.param_groups.push_back(std::move(group));
  }
  return out;
}

}  // namespace flambeau
