// RNN, LSTM and GRU over whole sequences, and their cells. Weights have PyTorch's names (weight_ih_l0, ...).
#pragma once
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "flambeau/functions.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"
#include "flambeau/nn/utils/rnn.h"

namespace flambeau::nn {

namespace detail {
enum class CellKind : uint8_t { RnnTanh, RnnRelu, Lstm, Gru };

/// Options of the layers, whatever their cell.
struct RecurrentOptions {
  CellKind kind = CellKind::RnnTanh;
  int64_t input_size = 0, hidden_size = 0, num_layers = 1;
  bool bias = true, batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
  int64_t proj_size = 0;
};

/// What RNN, LSTM and GRU share: weights, checks, the loop over time.
class RNNImplBase : public Module {
 public:
  void reset_parameters();
  /// The weights per layer and direction, in PyTorch's order.
  const std::vector<TensorList>& all_weights() const { return weights_; }

 protected:
  RNNImplBase(const char* name, const RecurrentOptions& options);
  using Packed = utils::rnn::PackedSequence;
  /// Output and final states; `states` are the initial ones of the cell (h, or h and c) or none.
  std::pair<Tensor, TensorList> run(const Tensor& input, const TensorList& states) const;
  std::pair<Packed, TensorList> run(const Packed& input, const TensorList& states) const;

 private:
  using Sizes = std::optional<std::vector<int64_t>>;
  TensorList initialStates(const TensorList& states, int64_t batch, bool batched, DType dtype,
                           const Tensor& order) const;
  std::pair<Tensor, TensorList> runLayers(Tensor x, const Sizes& sizes, const TensorList& initial) const;
  std::pair<Tensor, TensorList> runDirection(const Tensor& x, const Sizes& sizes, const TensorList& weights,
                                             const TensorList& initial, bool reverse) const;
  const char* name_;
  RecurrentOptions o_;
  std::vector<TensorList> weights_;
};

/// What the cells share: weight_ih, weight_hh, bias_ih, bias_hh, and the checks.
class RNNCellImplBase : public Module {
 public:
  void reset_parameters();
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  RNNCellImplBase(const char* name, CellKind kind, int64_t input_size, int64_t hidden_size, bool bias);
  TensorList step(const Tensor& input, const TensorList& states) const;

 private:
  const char* name_;
  CellKind kind_;
  int64_t input_size_, hidden_size_;
};
}  // namespace detail

#define FLAMBEAU_RECURRENT_ARGS(Self)                                                                   \
  Self(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {} \
  FLAMBEAU_ARG(Self, int64_t, input_size);                                                              \
  FLAMBEAU_ARG(Self, int64_t, hidden_size);                                                             \
  /* layers on top of each other */                                                                     \
  FLAMBEAU_ARG(Self, int64_t, num_layers) = 1;                                                          \
  FLAMBEAU_ARG(Self, bool, bias) = true;                                                                \
  /* input and output are [b, t, ...]; states stay [layers * directions, b, hidden] */                  \
  FLAMBEAU_ARG(Self, bool, batch_first) = false;                                                        \
  /* on the output of each layer but the last, while training */                                        \
  FLAMBEAU_ARG(Self, double, dropout) = 0;                                                              \
  /* a second set of weights runs from the end; outputs lie side by side */                             \
  FLAMBEAU_ARG(Self, bool, bidirectional) = false

struct RNNOptions {
  FLAMBEAU_RECURRENT_ARGS(RNNOptions);
  FLAMBEAU_ARG(RNNOptions, std::string, nonlinearity) = "tanh";  // or 'relu'
};
/// Elman network, h' = tanh(W_ih x + b_ih + W_hh h + b_hh): input [t, b, in] (or [t, in], or packed) and an optional
/// initial state [layers * directions, b, hidden] give the output and the final state.
class RNNImpl : public detail::RNNImplBase {
 public:
  RNNImpl(int64_t input_size, int64_t hidden_size) : RNNImpl(RNNOptions(input_size, hidden_size)) {}
  explicit RNNImpl(const RNNOptions& options);
  std::tuple<Tensor, Tensor> forward(const Tensor& input, const Tensor& hx = {}) const;
  std::tuple<utils::rnn::PackedSequence, Tensor> forward_with_packed_input(const utils::rnn::PackedSequence& input,
                                                                           const Tensor& hx = {}) const;
  RNNOptions options;
};
FLAMBEAU_MODULE(RNN);

struct GRUOptions {
  FLAMBEAU_RECURRENT_ARGS(GRUOptions);
};
/// Gated recurrent units; as RNN. Source: https://arxiv.org/abs/1406.1078
class GRUImpl : public detail::RNNImplBase {
 public:
  GRUImpl(int64_t input_size, int64_t hidden_size) : GRUImpl(GRUOptions(input_size, hidden_size)) {}
  explicit GRUImpl(const GRUOptions& options);
  std::tuple<Tensor, Tensor> forward(const Tensor& input, const Tensor& hx = {}) const;
  std::tuple<utils::rnn::PackedSequence, Tensor> forward_with_packed_input(const utils::rnn::PackedSequence& input,
                                                                           const Tensor& hx = {}) const;
  GRUOptions options;
};
FLAMBEAU_MODULE(GRU);

struct LSTMOptions {
  FLAMBEAU_RECURRENT_ARGS(LSTMOptions);
  /// Size of h after a projection; 0: none.
  FLAMBEAU_ARG(LSTMOptions, int64_t, proj_size) = 0;
};
/// Long short-term memory; as RNN, with the pair (h, c) as its state.
class LSTMImpl : public detail::RNNImplBase {
 public:
  using State = std::tuple<Tensor, Tensor>;
  LSTMImpl(int64_t input_size, int64_t hidden_size) : LSTMImpl(LSTMOptions(input_size, hidden_size)) {}
  explicit LSTMImpl(const LSTMOptions& options);
  std::tuple<Tensor, State> forward(const Tensor& input, const std::optional<State>& hx = {}) const;
  std::tuple<utils::rnn::PackedSequence, State> forward_with_packed_input(const utils::rnn::PackedSequence& input,
                                                                          const std::optional<State>& hx = {}) const;
  LSTMOptions options;
};
FLAMBEAU_MODULE(LSTM);

#define FLAMBEAU_CELL_ARGS(Self)                                                                        \
  Self(int64_t input_size, int64_t hidden_size) : input_size_(input_size), hidden_size_(hidden_size) {} \
  FLAMBEAU_ARG(Self, int64_t, input_size);                                                              \
  FLAMBEAU_ARG(Self, int64_t, hidden_size);                                                             \
  FLAMBEAU_ARG(Self, bool, bias) = true

struct RNNCellOptions {
  FLAMBEAU_CELL_ARGS(RNNCellOptions);
  FLAMBEAU_ARG(RNNCellOptions, std::string, nonlinearity) = "tanh";  // or 'relu'
};
/// One step of RNN: [b, in] (or [in]) and h give the new h.
class RNNCellImpl : public detail::RNNCellImplBase {
 public:
  RNNCellImpl(int64_t input_size, int64_t hidden_size) : RNNCellImpl(RNNCellOptions(input_size, hidden_size)) {}
  explicit RNNCellImpl(const RNNCellOptions& options);
  Tensor forward(const Tensor& input, const Tensor& hx = {}) const;
  RNNCellOptions options;
};
FLAMBEAU_MODULE(RNNCell);

struct GRUCellOptions {
  FLAMBEAU_CELL_ARGS(GRUCellOptions);
};
/// One step of GRU.
class GRUCellImpl : public detail::RNNCellImplBase {
 public:
  GRUCellImpl(int64_t input_size, int64_t hidden_size) : GRUCellImpl(GRUCellOptions(input_size, hidden_size)) {}
  explicit GRUCellImpl(const GRUCellOptions& options);
  Tensor forward(const Tensor& input, const Tensor& hx = {}) const;
  GRUCellOptions options;
};
FLAMBEAU_MODULE(GRUCell);

struct LSTMCellOptions {
  FLAMBEAU_CELL_ARGS(LSTMCellOptions);
};
/// One step of LSTM: the input and (h, c) give the new (h, c).
class LSTMCellImpl : public detail::RNNCellImplBase {
 public:
  using State = std::tuple<Tensor, Tensor>;
  LSTMCellImpl(int64_t input_size, int64_t hidden_size) : LSTMCellImpl(LSTMCellOptions(input_size, hidden_size)) {}
  explicit LSTMCellImpl(const LSTMCellOptions& options);
  State forward(const Tensor& input, const std::optional<State>& hx = {}) const;
  LSTMCellOptions options;
};
FLAMBEAU_MODULE(LSTMCell);

}  // namespace flambeau::nn
