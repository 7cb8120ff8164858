// Recurrent layers, attention, transformers, packed sequences.
#include "parity.h"

namespace parity {

namespace nn = fb::nn;
namespace rnn = fb::nn::utils::rnn;
using fb::randn;
using fb::Tensor;

namespace {

/// A recurrent layer over packed sequences.
template <class Holder>
Results packed(const Holder& m, bool sorted) {
  const Tensor x = randn({5, 3, 4});
  return evaluate(m, {x}, [&](const fb::TensorList& in) {
    const auto p = sorted ? rnn::pack_padded_sequence(in[0], {5, 3, 2})
                          : rnn::pack_padded_sequence(in[0], {2, 5, 3}, false, false);
    const auto result = m->forward_with_packed_input(p);
    const auto [padded, lengths] = rnn::pad_packed_sequence(std::get<0>(result), false, 0.5, 6);
    fb::TensorList out = flat(std::get<1>(result));
    out.push_back(padded);
    out.push_back(lengths);
    return out;
  });
}
Tensor causal(int64_t n) { return nn::TransformerImpl::generate_square_subsequent_mask(n); }

}  // namespace

void addSequences(Cases& c) {
  c["RNN"] = [] { return one{nn::RNN(4, 3), randn({5, 2, 4})}; };
  c["RNN relu"] = [] {
    return one{nn::RNN(nn::RNNOptions(4, 3).nonlinearity("relu").num_layers(2).bias(false)), randn({5, 4})};
  };
  c["GRU"] = [] {
    return one{nn::GRU(nn::GRUOptions(4, 3).num_layers(2).bidirectional(true).dropout(0.3)), randn({5, 2, 4})};
  };
  c["LSTM"] = [] {
    const nn::LSTM m(nn::LSTMOptions(4, 5).num_layers(2).bidirectional(true).batch_first(true));
    const Tensor x = randn({2, 5, 4}), h = randn({4, 2, 5}), cell = randn({4, 2, 5});
    return evaluate(m, {x, h, cell},
                    [&](const fb::TensorList& in) { return flat(m(in[0], nn::LSTMImpl::State(in[1], in[2]))); });
  };
  c["LSTM projected"] = [] { return one{nn::LSTM(nn::LSTMOptions(4, 5).proj_size(3)), randn({5, 2, 4})}; };
  c["RNN packed"] = [] { return packed(nn::RNN(4, 3), true); };
  c["GRU packed"] = [] { return packed(nn::GRU(nn::GRUOptions(4, 3).bidirectional(true)), false); };
  c["LSTM packed"] = [] { return packed(nn::LSTM(nn::LSTMOptions(4, 3).bidirectional(true).num_layers(2)), false); };
  c["RNNCell"] = [] { return two{nn::RNNCell(4, 3), randn({2, 4}), randn({2, 3})}; };
  c["GRUCell"] = [] { return two{nn::GRUCell(nn::GRUCellOptions(4, 3).bias(false)), randn({4}), randn({3})}; };
  c["LSTMCell"] = [] {
    const nn::LSTMCell m(4, 3);
    return evaluate(m, {randn({2, 4}), randn({2, 3}), randn({2, 3})},
                    [&](const fb::TensorList& in) { return flat(m(in[0], nn::LSTMCellImpl::State(in[1], in[2]))); });
  };
  c["MultiheadAttention"] = [] {
    const nn::MultiheadAttention m(8, 2);
    const Tensor mask = causal(5);
    return evaluate(m, {randn({5, 2, 8})},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[0], in[0], Tensor(), true, mask)); });
  };
  c["MultiheadAttention sizes"] = [] {
    const nn::MultiheadAttention m(nn::MultiheadAttentionOptions(8, 2)
                                       .kdim(6)
                                       .vdim(4)
                                       .batch_first(true)
                                       .add_bias_kv(true)
                                       .add_zero_attn(true)
                                       .dropout(0.1));
    const Tensor padding = fb::randint(0, 2, {2, 7}).to(fb::DType::Bool);
    return evaluate(m, {randn({2, 5, 8}), randn({2, 7, 6}), randn({2, 7, 4})}, [&](const fb::TensorList& in) {
      return flat(m(in[0], in[1], in[2], padding, true, Tensor(), false));
    });
  };
  c["TransformerEncoderLayer"] = [] {
    const nn::TransformerEncoderLayer m(nn::TransformerEncoderLayerOptions(8, 2).dim_feedforward(16));
    return evaluate(m, {randn({5, 2, 8})}, [&](const fb::TensorList& in) { return flat(m(in[0], causal(5))); });
  };
  c["TransformerDecoderLayer"] = [] {
    const nn::TransformerDecoderLayer m(
        nn::TransformerDecoderLayerOptions(8, 2).dim_feedforward(16).activation("gelu").norm_first(true).batch_first(
            true));
    return evaluate(m, {randn({2, 5, 8}), randn({2, 7, 8})},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], causal(5))); });
  };
  c["TransformerEncoder"] = [] {
    const nn::TransformerEncoderLayer layer(nn::TransformerEncoderLayerOptions(8, 2).dim_feedforward(16).bias(false));
    const nn::TransformerEncoder m(layer, 2, nn::LayerNorm(nn::LayerNormOptions(8)));
    return one{m, randn({5, 2, 8})};
  };
  c["TransformerDecoder"] = [] {
    const nn::TransformerDecoderLayer layer(nn::TransformerDecoderLayerOptions(8, 2).dim_feedforward(16).dropout(0));
    return two{nn::TransformerDecoder(layer, 2), randn({5, 2, 8}), randn({7, 2, 8})};
  };
  c["Transformer"] = [] {
    const auto layer = nn::TransformerLayerOptions(8, 2).dim_feedforward(16);
    const nn::Transformer m(nn::TransformerOptions(layer, 2, 1));
    return evaluate(m, {randn({5, 2, 8}), randn({4, 2, 8})},
                    [&](const fb::TensorList& in) { return flat(m(in[0], in[1], Tensor(), causal(4))); });
  };
}

}  // namespace parity
