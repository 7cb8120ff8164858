// Cases that test/cpp/parity.test.ts has as well: one seed, the same modules, inputs and steps, the same numbers.
#pragma once
#include <flambeau/flambeau.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace parity {

namespace fb = flambeau;
using Results = std::map<std::string, fb::Tensor>;
using Cases = std::map<std::string, std::function<Results()>>;

/// Results of several tensors as a list.
inline fb::TensorList flat(const fb::Tensor& t) { return {t}; }
template <class... T>
fb::TensorList flat(const std::tuple<T...>& tuple) {
  fb::TensorList out;
  std::apply(
      [&](const auto&... each) {
        const auto append = [&](const fb::TensorList& list) { out.insert(out.end(), list.begin(), list.end()); };
        (append(flat(each)), ...);
      },
      tuple);
  return out;
}

/// State, outputs, and the gradients of the sum of the outputs' squares; undefined and integer outputs are left out.
template <class Holder>
Results evaluate(const Holder& m, const fb::TensorList& inputs,
                 const std::function<fb::TensorList(const fb::TensorList&)>& forward) {
  Results out;
  for (const auto& [name, t] : m->state_dict()) out.emplace("state." + name, t.clone());
  for (const fb::Tensor& x : inputs)
    if (fb::isFloating(x.dtype())) x.set_requires_grad(true);
  fb::Tensor loss;
  size_t i = 0;
  for (const fb::Tensor& y : forward(inputs)) {
    if (y.defined()) out.emplace("out." + std::to_string(i), y.detach());
    ++i;
    if (!y.defined() || !fb::isFloating(y.dtype())) continue;
    const fb::Tensor part = y.square().sum();
    loss = loss.defined() ? loss + part : part;
  }
  if (loss.requires_grad()) loss.backward();
  for (size_t k = 0; k < inputs.size(); ++k)
    if (inputs[k].grad().defined()) out.emplace("input." + std::to_string(k), inputs[k].grad());
  for (const auto& [name, p] : m->named_parameters())
    if (p.grad().defined()) out.emplace("grad." + name, p.grad());
  return out;
}
/// A module of one input. An aggregate: its parts are made from left to right, so that draws come in order.
template <class Holder>
struct one {
  Holder m;
  fb::Tensor x;
  operator Results() const {
    return evaluate(m, {x}, [&](const fb::TensorList& in) { return flat(m(in[0])); });
  }
};
/// A module of two inputs.
template <class Holder>
struct two {
  Holder m;
  fb::Tensor a, b;
  operator Results() const {
    return evaluate(m, {a, b}, [&](const fb::TensorList& in) { return flat(m(in[0], in[1])); });
  }
};

void addLayers(Cases& cases);
void addSequences(Cases& cases);
void addTraining(Cases& cases);

}  // namespace parity
