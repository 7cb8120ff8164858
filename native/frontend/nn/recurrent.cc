// RNN, LSTM and GRU: one loop serves padded and packed input. A step is a matrix of the sequences that are still
// running.
#include "flambeau/nn/recurrent.h"

#include <algorithm>
#include <cmath>

#include "flambeau/nn/init.h"
#include "frontend/nn/layers.h"

namespace flambeau::nn {
namespace detail {
namespace {

/// Blocks of hidden_size rows in the weights.
int64_t gatesOf(CellKind kind) { return kind == CellKind::Lstm ? 4 : kind == CellKind::Gru ? 3 : 1; }

/// New states from the gates' parts of the input and of h, both [b, gates * hidden].
TensorList cellStep(CellKind kind, const Tensor& x, const Tensor& h, const TensorList& states) {
  switch (kind) {
    case CellKind::RnnTanh:
      return {ops::tanh(ops::add(x, h))};
    case CellKind::RnnRelu:
      return {ops::relu(ops::add(x, h))};
    case CellKind::Lstm: {
      const TensorList g = ops::chunk(ops::add(x, h), 4, -1);
      const Tensor c = ops::add(ops::mul(ops::sigmoid(g[1]), states[1]), ops::mul(ops::sigmoid(g[0]), ops::tanh(g[2])));
      return {ops::mul(ops::sigmoid(g[3]), ops::tanh(c)), c};
    }
    case CellKind::Gru: {
      const TensorList gx = ops::chunk(x, 3, -1), gh = ops::chunk(h, 3, -1);
      const Tensor r = ops::sigmoid(ops::add(gx[0], gh[0])), z = ops::sigmoid(ops::add(gx[1], gh[1]));
      const Tensor n = ops::tanh(ops::add(gx[2], ops::mul(r, gh[2])));
      return {ops::add(ops::mul(ops::sub(states[0], n), z), n)};
    }
  }
  __builtin_unreachable();
}

void checkSize(const char* name, const char* what, int64_t n) {
  FB_CHECK(n > 0, Value, "%s(): %s must be a positive integer, got %lld", name, what, static_cast<long long>(n));
}
void uniformBySize(const TensorList& parameters, int64_t hidden) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  for (const Tensor& p : parameters) init::uniform_(p, -bound, bound);
}
TensorList mapped(const TensorList& list, const auto& f) {
  TensorList out;
  for (const Tensor& t : list) out.push_back(f(t));
  return out;
}

}  // namespace

RNNImplBase::RNNImplBase(const char* name, const RecurrentOptions& o) : name_(name), o_(o) {
  checkSize(name, "input_size", o.input_size);
  checkSize(name, "hidden_size", o.hidden_size);
  checkSize(name, "num_layers", o.num_layers);
  FB_CHECK(o.dropout >= 0 && o.dropout <= 1, Value,
           "dropout should be a number in range [0, 1] representing the probability of an element being zeroed");
  FB_CHECK(o.proj_size >= 0, Value, "proj_size should be a positive integer or zero to disable projections");
  FB_CHECK(o.proj_size < o.hidden_size, Value, "proj_size has to be smaller than hidden_size");
  const int64_t rows = gatesOf(o.kind) * o.hidden_size, out = o.proj_size > 0 ? o.proj_size : o.hidden_size;
  const int directions = o.bidirectional ? 2 : 1;
  for (int64_t layer = 0; layer < o.num_layers; ++layer)
    for (int d = 0; d < directions; ++d) {
      const std::string suffix = "_l" + std::to_string(layer) + (d == 1 ? "_reverse" : "");
      TensorList own;
      const auto add = [&](const char* what, const Dims& sizes) {
        own.push_back(register_parameter(what + suffix, parameter(sizes)));
      };
      add("weight_ih", Dims{rows, layer == 0 ? o.input_size : out * directions});
      add("weight_hh", Dims{rows, out});
      if (o.bias) add("bias_ih", Dims{rows});
      if (o.bias) add("bias_hh", Dims{rows});
      if (o.proj_size > 0) add("weight_hr", Dims{o.proj_size, o.hidden_size});
      weights_.push_back(std::move(own));
    }
  reset_parameters();
}
void RNNImplBase::reset_parameters() { uniformBySize(parameters(), o_.hidden_size); }

std::pair<Tensor, TensorList> RNNImplBase::run(const Tensor& input, const TensorList& states) const {
  FB_CHECK(input.dim() == 2 || input.dim() == 3, Shape,
           "%s: Expected input to be 2-D or 3-D but received %lld-D tensor", name_,
           static_cast<long long>(input.dim()));
  const bool batched = input.dim() == 3;
  Tensor x = input;
  if (!batched)
    x = ops::unsqueeze(x, 1);
  else if (o_.batch_first)
    x = ops::transpose(x, 0, 1);
  FB_CHECK(x.size(-1) == o_.input_size, Shape, "input.size(-1) must be equal to input_size. Expected %lld, got %lld",
           static_cast<long long>(o_.input_size), static_cast<long long>(x.size(-1)));
  auto [output, finals] = runLayers(x, {}, initialStates(states, x.size(1), batched, x.dtype(), {}));
  if (!batched) return {output.squeeze(1), mapped(finals, [](const Tensor& s) { return s.squeeze(1); })};
  return {o_.batch_first ? ops::transpose(output, 0, 1) : output, finals};
}
std::pair<RNNImplBase::Packed, TensorList> RNNImplBase::run(const Packed& input, const TensorList& states) const {
  const Tensor& x = input.data();
  FB_CHECK(x.size(-1) == o_.input_size, Shape, "input.size(-1) must be equal to input_size. Expected %lld, got %lld",
           static_cast<long long>(o_.input_size), static_cast<long long>(x.size(-1)));
  const std::vector<int64_t> sizes = input.sizes();
  auto [output, finals] =
      runLayers(x, sizes, initialStates(states, sizes.at(0), true, x.dtype(), input.sorted_indices()));
  if (const Tensor& back = input.unsorted_indices(); back.defined())
    finals = mapped(finals, [&](const Tensor& s) { return ops::indexSelect(s, 1, back); });
  return {input.with_data(output), finals};
}

TensorList RNNImplBase::initialStates(const TensorList& states, int64_t batch, bool batched, DType dtype,
                                      const Tensor& order) const {
  const int64_t count = o_.num_layers * (o_.bidirectional ? 2 : 1);
  Dims sizes{o_.proj_size > 0 ? o_.proj_size : o_.hidden_size};
  if (o_.kind == CellKind::Lstm) sizes.push_back(o_.hidden_size);
  TensorList out;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const Dims want{count, batch, sizes[i]};
    if (states.empty()) {
      out.push_back(ops::zeros(want, dtype));
      continue;
    }
    const Tensor& s = states[i];
    FB_CHECK(s.defined() && s.dim() == (batched ? 3 : 2), Shape,
             "For %s input, hx should also be %d-D but got %lld-D tensor", batched ? "batched 3-D" : "unbatched 2-D",
             batched ? 3 : 2, static_cast<long long>(s.defined() ? s.dim() : 0));
    const Tensor hx = batched ? s : ops::unsqueeze(s, 1);
    FB_CHECK(Dims(hx.sizes()) == want, Shape, "Expected hidden%s size %s, got %s",
             states.size() == 1 ? "" : ("[" + std::to_string(i) + "]").c_str(), shapeString(want).c_str(),
             shapeString(hx.sizes()).c_str());
    out.push_back(order.defined() ? ops::indexSelect(hx, 1, order) : hx);
  }
  return out;
}

std::pair<Tensor, TensorList> RNNImplBase::runLayers(Tensor x, const Sizes& sizes, const TensorList& initial) const {
  const int64_t directions = o_.bidirectional ? 2 : 1;
  std::vector<TensorList> finals(initial.size());
  for (int64_t layer = 0; layer < o_.num_layers; ++layer) {
    TensorList outputs;
    std::vector<TensorList> last(initial.size());
    for (int64_t d = 0; d < directions; ++d) {
      const int64_t at = layer * directions + d;
      const auto states = mapped(initial, [&](const Tensor& s) { return ops::select(s, 0, at); });
      auto [output, end] = runDirection(x, sizes, weights_[static_cast<size_t>(at)], states, d == 1);
      outputs.push_back(output);
      for (size_t i = 0; i < end.size(); ++i) last[i].push_back(end[i]);
    }
    for (size_t i = 0; i < last.size(); ++i) finals[i].push_back(ops::stack(last[i], 0));
    x = outputs.size() == 1 ? outputs[0] : ops::cat(outputs, -1);
    if (o_.dropout > 0 && layer < o_.num_layers - 1) x = ops::dropout(x, o_.dropout, is_training());
  }
  TensorList joined;
  for (const TensorList& list : finals) joined.push_back(ops::cat(list, 0));
  return {x, joined};
}

std::pair<Tensor, TensorList> RNNImplBase::runDirection(const Tensor& x, const Sizes& sizes, const TensorList& weights,
                                                        const TensorList& initial, bool reverse) const {
  const Tensor& weightIh = weights[0];
  const Tensor& weightHh = weights[1];
  const Tensor biasIh = o_.bias ? weights[2] : Tensor(), biasHh = o_.bias ? weights[3] : Tensor();
  // The inputs' part of the gates is one product for all steps.
  const Tensor gates = ops::linear(x, weightIh, biasIh);
  const TensorList steps = sizes ? ops::splitWithSizes(gates, *sizes, 0) : ops::unbind(gates, 0);
  TensorList outputs(steps.size());
  std::vector<TensorList> finished;  // last to first
  // Sequences are ordered by length: forwards the last ones end first, backwards they start last.
  TensorList state = initial;
  if (reverse && !steps.empty())
    state = mapped(initial, [&](const Tensor& s) { return ops::narrow(s, 0, 0, steps.back().size(0)); });
  for (size_t i = 0; i < steps.size(); ++i) {
    const size_t t = reverse ? steps.size() - 1 - i : i;
    const int64_t now = steps[t].size(0), before = state[0].size(0);
    if (now < before) {
      finished.push_back(mapped(state, [&](const Tensor& s) { return ops::narrow(s, 0, now, before - now); }));
      state = mapped(state, [&](const Tensor& s) { return ops::narrow(s, 0, 0, now); });
    } else if (now > before) {
      for (size_t k = 0; k < state.size(); ++k)
        state[k] = ops::cat(TensorList{state[k], ops::narrow(initial[k], 0, before, now - before)}, 0);
    }
    state = cellStep(o_.kind, steps[t], ops::linear(state[0], weightHh, biasHh), state);
    if (o_.proj_size > 0) state[0] = ops::linear(state[0], weights.back());
    outputs[t] = state[0];
  }
  for (size_t k = 0; k < state.size() && !finished.empty(); ++k) {
    TensorList parts{state[k]};
    for (auto it = finished.rbegin(); it != finished.rend(); ++it) parts.push_back((*it)[k]);
    state[k] = ops::cat(parts, 0);
  }
  if (steps.empty()) {
    const int64_t out = o_.proj_size > 0 ? o_.proj_size : o_.hidden_size;
    return {ops::zeros(Dims{0, x.size(1), out}, x.dtype()), state};
  }
  return {sizes ? ops::cat(outputs, 0) : ops::stack(outputs, 0), state};
}

RNNCellImplBase::RNNCellImplBase(const char* name, CellKind kind, int64_t input_size, int64_t hidden_size, bool bias)
    : name_(name), kind_(kind), input_size_(input_size), hidden_size_(hidden_size) {
  checkSize(name, "input_size", input_size);
  checkSize(name, "hidden_size", hidden_size);
  const int64_t rows = gatesOf(kind) * hidden_size;
  weight_ih = register_parameter("weight_ih", parameter(Dims{rows, input_size}));
  weight_hh = register_parameter("weight_hh", parameter(Dims{rows, hidden_size}));
  bias_ih = register_parameter("bias_ih", bias ? parameter(Dims{rows}) : Tensor());
  bias_hh = register_parameter("bias_hh", bias ? parameter(Dims{rows}) : Tensor());
  reset_parameters();
}
void RNNCellImplBase::reset_parameters() { uniformBySize(parameters(), hidden_size_); }

TensorList RNNCellImplBase::step(const Tensor& input, const TensorList& states) const {
  FB_CHECK(input.dim() == 1 || input.dim() == 2, Shape,
           "%s: Expected input to be 1-D or 2-D but received %lld-D tensor", name_,
           static_cast<long long>(input.dim()));
  const bool batched = input.dim() == 2;
  const Tensor x = batched ? input : ops::unsqueeze(input, 0);
  FB_CHECK(x.size(1) == input_size_, Shape, "input has inconsistent input_size: got %lld expected %lld",
           static_cast<long long>(x.size(1)), static_cast<long long>(input_size_));
  TensorList before;
  for (size_t i = 0; i < (kind_ == CellKind::Lstm ? 2 : 1); ++i) {
    if (states.empty()) {
      before.push_back(ops::zeros(Dims{x.size(0), hidden_size_}, input.dtype()));
      continue;
    }
    const Tensor& s = states[i];
    FB_CHECK(s.defined() && s.dim() == input.dim(), Shape,
             "%s: Expected hidden to be %lld-D but received %lld-D tensor", name_, static_cast<long long>(input.dim()),
             static_cast<long long>(s.defined() ? s.dim() : 0));
    const Tensor hx = batched ? s : ops::unsqueeze(s, 0);
    FB_CHECK(hx.size(0) == x.size(0), Shape, "Input batch size %lld doesn't match hidden%zu batch size %lld",
             static_cast<long long>(x.size(0)), i, static_cast<long long>(hx.size(0)));
    FB_CHECK(hx.size(1) == hidden_size_, Shape, "hidden%zu has inconsistent hidden_size: got %lld, expected %lld", i,
             static_cast<long long>(hx.size(1)), static_cast<long long>(hidden_size_));
    before.push_back(hx);
  }
  const TensorList after =
      cellStep(kind_, ops::linear(x, weight_ih, bias_ih), ops::linear(before[0], weight_hh, bias_hh), before);
  return batched ? after : mapped(after, [](const Tensor& s) { return s.squeeze(0); });
}

}  // namespace detail

namespace {

using detail::CellKind;

CellKind rnnKind(const std::string& nonlinearity) {
  FB_CHECK(nonlinearity == "tanh" || nonlinearity == "relu", Value,
           "Unknown nonlinearity '%s'. Select from 'tanh' or 'relu'.", nonlinearity.c_str());
  return nonlinearity == "tanh" ? CellKind::RnnTanh : CellKind::RnnRelu;
}
template <class Options>
detail::RecurrentOptions common(CellKind kind, const Options& o) {
  return {kind,           o.input_size(),    o.hidden_size(),
          o.num_layers(), o.bias(),          o.batch_first(),
          o.dropout(),    o.bidirectional(), 0};
}
detail::RecurrentOptions withProjection(const LSTMOptions& o) {
  auto all = common(CellKind::Lstm, o);
  all.proj_size = o.proj_size();
  return all;
}
TensorList statesOf(const Tensor& hx) { return hx.defined() ? TensorList{hx} : TensorList(); }
TensorList statesOf(const std::optional<std::tuple<Tensor, Tensor>>& hx) {
  return hx ? TensorList{std::get<0>(*hx), std::get<1>(*hx)} : TensorList();
}

}  // namespace

RNNImpl::RNNImpl(const RNNOptions& o) : RNNImplBase("RNN", common(rnnKind(o.nonlinearity()), o)), options(o) {}
std::tuple<Tensor, Tensor> RNNImpl::forward(const Tensor& input, const Tensor& hx) const {
  const auto [output, states] = run(input, statesOf(hx));
  return {output, states[0]};
}
std::tuple<utils::rnn::PackedSequence, Tensor> RNNImpl::forward_with_packed_input(
    const utils::rnn::PackedSequence& input, const Tensor& hx) const {
  const auto [output, states] = run(input, statesOf(hx));
  return {output, states[0]};
}

GRUImpl::GRUImpl(const GRUOptions& o) : RNNImplBase("GRU", common(CellKind::Gru, o)), options(o) {}
std::tuple<Tensor, Tensor> GRUImpl::forward(const Tensor& input, const Tensor& hx) const {
  const auto [output, states] = run(input, statesOf(hx));
  return {output, states[0]};
}
std::tuple<utils::rnn::PackedSequence, Tensor> GRUImpl::forward_with_packed_input(
    const utils::rnn::PackedSequence& input, const Tensor& hx) const {
  const auto [output, states] = run(input, statesOf(hx));
  return {output, states[0]};
}

LSTMImpl::LSTMImpl(const LSTMOptions& o) : RNNImplBase("LSTM", withProjection(o)), options(o) {}
std::tuple<Tensor, LSTMImpl::State> LSTMImpl::forward(const Tensor& input, const std::optional<State>& hx) const {
  const auto [output, states] = run(input, statesOf(hx));
  return {output, {states[0], states[1]}};
}
std::tuple<utils::rnn::PackedSequence, LSTMImpl::State> LSTMImpl::forward_with_packed_input(
    const utils::rnn::PackedSequence& input, const std::optional<State>& hx) const {
  const auto [output, states] = run(input, statesOf(hx));
  return {output, {states[0], states[1]}};
}

RNNCellImpl::RNNCellImpl(const RNNCellOptions& o)
    : RNNCellImplBase("RNNCell", rnnKind(o.nonlinearity()), o.input_size(), o.hidden_size(), o.bias()), options(o) {}
Tensor RNNCellImpl::forward(const Tensor& input, const Tensor& hx) const { return step(input, statesOf(hx))[0]; }
GRUCellImpl::GRUCellImpl(const GRUCellOptions& o)
    : RNNCellImplBase("GRUCell", CellKind::Gru, o.input_size(), o.hidden_size(), o.bias()), options(o) {}
Tensor GRUCellImpl::forward(const Tensor& input, const Tensor& hx) const { return step(input, statesOf(hx))[0]; }
LSTMCellImpl::LSTMCellImpl(const LSTMCellOptions& o)
    : RNNCellImplBase("LSTMCell", CellKind::Lstm, o.input_size(), o.hidden_size(), o.bias()), options(o) {}
LSTMCellImpl::State LSTMCellImpl::forward(const Tensor& input, const std::optional<State>& hx) const {
  const TensorList states = step(input, statesOf(hx));
  return {states[0], states[1]};
}

}  // namespace flambeau::nn
