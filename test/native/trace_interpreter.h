// Re-executes a recorded graph with plain loops over row-major values: what the graph MEANS, independent of all
// kernels.
#pragma once
#include <functional>

#include "autograd_helpers.h"
#include "mini_json.h"

namespace helpers {

struct Value {
  Dims sizes;
  std::vector<float> data;
};

class Interpreter {
 public:
  explicit Interpreter(const std::string& json) : g(mini::Parser(json).parse()) {}
  mini::Json g;
  std::map<int64_t, Value> env;

  void run() {
    for (const auto& n : g["nodes"].items) step(n);
  }
  static Value of(const Tensor& t) { return {Dims(t.sizes()), values(t)}; }

 private:
  static Dims dims(const mini::Json& j) {
    Dims d;
    for (const auto& v : j.items) d.push_back(v.i());
    return d;
  }
  static int64_t at(const Dims& index, const Dims& sizes) {  // row-major, broadcasting
    int64_t place = 0;
    const size_t lead = index.size() - sizes.size();
    for (size_t i = 0; i < sizes.size(); ++i) place = place * sizes[i] + (sizes[i] == 1 ? 0 : index[lead + i]);
    return place;
  }
  static void each(const Dims& sizes, const std::function<void(const Dims&)>& f) {
    Dims index(sizes.size());
    for (int64_t k = 0, n = product(sizes); k < n; ++k) {
      f(index);
      for (size_t i = index.size(); i-- > 0 && ++index[i] == sizes[i];) index[i] = 0;
    }
  }
  Value operand(const mini::Json& j) {
    if (j.kind == mini::Json::Kind::Object) {
      const double c = j.has("live") ? g["live"][static_cast<size_t>(j["live"].i())].num() : j["c"].num();
      return {Dims{}, {static_cast<float>(c)}};
    }
    return env.at(j.i());
  }
  /// result[index] = in[map(index)]
  static Value gather(const Value& in, Dims sizes, const std::function<int64_t(const Dims&)>& map) {
    Value out{sizes, {}};
    each(sizes, [&](const Dims& i) { out.data.push_back(in.data.at(static_cast<size_t>(map(i)))); });
    return out;
  }
  Value strided(const Value& in, const mini::Json& attrs) {
    const Dims stride = dims(attrs["stride"]);
    return gather(in, dims(attrs["size"]), [&](const Dims& i) {
      int64_t p = attrs["storageOffset"].i();
      for (size_t k = 0; k < i.size(); ++k) p += i[k] * stride[k];
      return p;
    });
  }

  void step(const mini::Json& n) {
    const std::string& op = n["op"].string;
    const mini::Json &in = n["in"], &attrs = n["attrs"];
    const Dims outSizes = dims(g["values"][static_cast<size_t>(n["out"][0].i())]["shape"]);
    const int64_t out = n["out"][0].i();
    Value a = in.size() > 0 && !in[0].isNull() ? operand(in[0]) : Value{};
    auto binary = [&](auto f) {
      const Value b = operand(in[1]);
      Value r{outSizes, {}};
      each(outSizes, [&](const Dims& i) {
        r.data.push_back(
            f(a.data.at(static_cast<size_t>(at(i, a.sizes))), b.data.at(static_cast<size_t>(at(i, b.sizes)))));
      });
      return r;
    };
    if (op == "add") {
      const float alpha = attrs.has("alpha") ? static_cast<float>(attrs["alpha"].num()) : 1.0f;
      env[out] = binary([&](float x, float y) { return x + alpha * y; });
    } else if (op == "mul") {
      env[out] = binary([](float x, float y) { return x * y; });
    } else if (op == "copy") {
      env[out] = binary([](float, float y) { return y; });
    } else if (op == "clone" || op == "contiguous" || op == "alias" || op == "detach") {
      env[out] = a;
    } else if (op == "view" || op == "unsqueeze" || op == "squeeze" || op == "reshape") {
      env[out] = {outSizes, a.data};
    } else if (op == "expand") {
      env[out] = gather(a, outSizes, [&](const Dims& i) { return at(i, a.sizes); });
    } else if (op == "transpose" || op == "permute" || op == "t") {
      Dims perm;
      for (size_t k = 0; k < a.sizes.size(); ++k) perm.push_back(static_cast<int64_t>(k));
      if (op == "transpose")
        std::swap(perm[static_cast<size_t>(attrs["dim0"].i())], perm[static_cast<size_t>(attrs["dim1"].i())]);
      else if (op == "permute")
        perm = dims(attrs["dims"]);
      env[out] = gather(a, outSizes, [&](const Dims& i) {
        Dims src(i.size());
        for (size_t k = 0; k < i.size(); ++k) src[static_cast<size_t>(perm[k])] = i[k];
        return at(src, a.sizes);
      });
    } else if (op == "select") {
      env[out] = gather(a, outSizes, [&](const Dims& i) {
        Dims src = i;
        src.insert(static_cast<size_t>(attrs["dim"].i()), attrs["index"].i());
        return at(src, a.sizes);
      });
    } else if (op == "slice") {
      const int64_t start = attrs["start"].isNull() ? 0 : attrs["start"].i();
      env[out] = gather(a, outSizes, [&](const Dims& i) {
        Dims src = i;
        int64_t& d = src[static_cast<size_t>(attrs["dim"].i())];
        d = start + d * attrs["step"].i();
        int64_t place = 0;
        for (size_t k = 0; k < src.size(); ++k) place = place * a.sizes[k] + src[k];
        return place;
      });
    } else if (op == "asStrided") {
      env[out] = strided(a, attrs);
    } else if (op == "asStridedScatter") {
      Value r = a, src = operand(in[1]);
      const Dims stride = dims(attrs["stride"]), size = dims(attrs["size"]);
      size_t k = 0;
      each(size, [&](const Dims& i) {
        int64_t p = attrs["storageOffset"].i();
        for (size_t d = 0; d < i.size(); ++d) p += i[d] * stride[d];
        r.data.at(static_cast<size_t>(p)) = src.data.at(k++);
      });
      env[out] = r;
    } else if (op == "full") {
      env[out] = {outSizes, std::vector<float>(static_cast<size_t>(product(outSizes)),
                                               static_cast<float>(attrs["fillValue"].num()))};
    } else if (op == "sum") {
      Value r{outSizes, std::vector<float>(static_cast<size_t>(product(outSizes)))};
      std::vector<bool> gone(a.sizes.size(), attrs["dim"].isNull() || attrs["dim"].size() == 0);
      for (const auto& d : attrs["dim"].items) gone[static_cast<size_t>(d.i())] = true;
      each(a.sizes, [&](const Dims& i) {
        int64_t place = 0;
        for (size_t d = 0; d < i.size(); ++d)
          if (!gone[d]) place = place * a.sizes[d] + i[d];
        r.data.at(static_cast<size_t>(place)) += a.data.at(static_cast<size_t>(at(i, a.sizes)));
      });
      env[out] = r;
    } else {
      throw std::runtime_error("interpreter: unknown op " + op);
    }
  }
};

/// Records `fn` on the inputs, runs the graph on the values that inputs and captures had before, and compares outputs
/// and everything written with what eager execution left in memory. Returns "" or the first difference.
inline std::string compareWithGraph(const TensorList& inputs, const TensorList& outside,
                                    const std::function<TensorList()>& fn, std::string* json = nullptr) {
  std::map<const TensorImpl*, Value> before;
  auto remember = [&](const Tensor& t) { before[t.impl()] = Interpreter::of(t); };
  for (const Tensor& t : inputs) remember(t);
  for (const Tensor& t : outside) remember(t);
  trace::begin(inputs);
  TensorList outputs;
  trace::Result result;
  try {
    outputs = fn();
    result = trace::end(outputs);
  } catch (...) {
    trace::abort();
    throw;
  }
  if (json) *json = result.json;
  Interpreter run(result.json);
  std::map<int64_t, Tensor> targets;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int64_t id = run.g["inputs"][i].i();
    run.env[id] = before.at(inputs[i].impl());
    targets[id] = inputs[i];
  }
  for (size_t i = 0; i < result.captures.size(); ++i) {
    const int64_t id = run.g["captures"][i].i();
    auto it = before.find(result.captures[i].impl());
    if (it == before.end()) return "captured a tensor that was not outside";
    run.env[id] = it->second;
    targets[id] = result.captures[i];
  }
  run.run();
  for (size_t i = 0; i < outputs.size(); ++i)
    if (run.env.at(run.g["outputs"][i].i()).data != values(outputs[i]))
      return "output " + std::to_string(i) + " differs";
  std::map<int64_t, int64_t> writes;
  for (const auto& w : run.g["writes"].items) writes[w["target"].i()] = w["value"].i();
  for (auto& [id, t] : targets) {
    const Value& v = writes.contains(id) ? run.env.at(writes[id]) : run.env.at(id);
    if (v.data != values(t)) return "final value of tensor " + std::to_string(id) + " differs";
  }
  return "";
}

}  // namespace helpers
