// Transformer: encoder and decoder layers, their stacks, and both together. Source: https://arxiv.org/abs/1706.03762
#pragma once
#include <functional>
#include <vector>

#include "flambeau/nn/attention.h"
#include "flambeau/nn/dropout.h"
#include "flambeau/nn/norm.h"

namespace flambeau::nn {

/// Between the two linear maps: 'relu', 'gelu' or a function.
struct TransformerActivation {
  TransformerActivation(const char* name);
  TransformerActivation(std::function<Tensor(const Tensor&)> f) : apply(std::move(f)) {}
  std::function<Tensor(const Tensor&)> apply;
};

struct TransformerLayerOptions {
  TransformerLayerOptions(int64_t d_model, int64_t nhead) : d_model_(d_model), nhead_(nhead) {}
  FLAMBEAU_ARG(TransformerLayerOptions, int64_t, d_model);
  FLAMBEAU_ARG(TransformerLayerOptions, int64_t, nhead);
  FLAMBEAU_ARG(TransformerLayerOptions, int64_t, dim_feedforward) = 2048;
  FLAMBEAU_ARG(TransformerLayerOptions, double, dropout) = 0.1;
  FLAMBEAU_ARG(TransformerLayerOptions, TransformerActivation, activation) = "relu";
  FLAMBEAU_ARG(TransformerLayerOptions, double, layer_norm_eps) = 1e-5;
  /// [b, t, e] instead of [t, b, e].
  FLAMBEAU_ARG(TransformerLayerOptions, bool, batch_first) = false;
  /// Normalise before each block instead of after the sum.
  FLAMBEAU_ARG(TransformerLayerOptions, bool, norm_first) = false;
  /// Biases in linear layers and normalisations.
  FLAMBEAU_ARG(TransformerLayerOptions, bool, bias) = true;
};
using TransformerEncoderLayerOptions = TransformerLayerOptions;
using TransformerDecoderLayerOptions = TransformerLayerOptions;

namespace detail {
/// What the layers share: attention, the two-layer network, normalisations before or after.
class TransformerLayerImpl : public Module {
 public:
  TransformerLayerOptions options;
  MultiheadAttention self_attn = nullptr, multihead_attn = nullptr;
  Linear linear1 = nullptr, linear2 = nullptr;
  LayerNorm norm1 = nullptr, norm2 = nullptr, norm3 = nullptr;
  Dropout dropout = nullptr, dropout1 = nullptr, dropout2 = nullptr, dropout3 = nullptr;

 protected:
  TransformerLayerImpl(const TransformerLayerOptions& options, int blocks);
  Tensor feedForward(const Tensor& x) const;
  /// norm(x + f(x)), or x + f(norm(x)).
  Tensor add(const Tensor& x, const LayerNorm& norm, const std::function<Tensor(const Tensor&)>& block) const;
};
}  // namespace detail

/// Self-attention and a two-layer network: [t, b, e] to the same. Masks as in MultiheadAttention.
class TransformerEncoderLayerImpl : public detail::TransformerLayerImpl {
 public:
  TransformerEncoderLayerImpl(int64_t d_model, int64_t nhead)
      : TransformerEncoderLayerImpl(TransformerEncoderLayerOptions(d_model, nhead)) {}
  explicit TransformerEncoderLayerImpl(const TransformerEncoderLayerOptions& o) : TransformerLayerImpl(o, 2) {}
  Tensor forward(const Tensor& src, const Tensor& src_mask = {}, const Tensor& src_key_padding_mask = {}) const;
};
FLAMBEAU_MODULE(TransformerEncoderLayer);

/// Self-attention, attention over `memory` (the encoder's output), and a two-layer network.
class TransformerDecoderLayerImpl : public detail::TransformerLayerImpl {
 public:
  TransformerDecoderLayerImpl(int64_t d_model, int64_t nhead)
      : TransformerDecoderLayerImpl(TransformerDecoderLayerOptions(d_model, nhead)) {}
  explicit TransformerDecoderLayerImpl(const TransformerDecoderLayerOptions& o) : TransformerLayerImpl(o, 3) {}
  Tensor forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask = {}, const Tensor& memory_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {}) const;
};
FLAMBEAU_MODULE(TransformerDecoderLayer);

/// `num_layers` copies of an encoder layer with its values, and a normalisation at the end where one is given.
class TransformerEncoderImpl : public Module {
 public:
  TransformerEncoderImpl(const TransformerEncoderLayer& layer, int64_t num_layers, LayerNorm norm = nullptr);
  Tensor forward(const Tensor& src, const Tensor& src_mask = {}, const Tensor& src_key_padding_mask = {}) const;
  std::vector<TransformerEncoderLayer> layers;
  LayerNorm norm;
};
FLAMBEAU_MODULE(TransformerEncoder);

/// `num_layers` copies of a decoder layer with its values, and a normalisation at the end where one is given.
class TransformerDecoderImpl : public Module {
 public:
  TransformerDecoderImpl(const TransformerDecoderLayer& layer, int64_t num_layers, LayerNorm norm = nullptr);
  Tensor forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask = {}, const Tensor& memory_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {}) const;
  std::vector<TransformerDecoderLayer> layers;
  LayerNorm norm;
};
FLAMBEAU_MODULE(TransformerDecoder);

struct TransformerOptions : TransformerLayerOptions {
  TransformerOptions(int64_t d_model = 512, int64_t nhead = 8, int64_t encoder_layers = 6, int64_t decoder_layers = 6)
      : TransformerLayerOptions(d_model, nhead),
        num_encoder_layers_(encoder_layers),
        num_decoder_layers_(decoder_layers) {}
  /// The layers' settings with these numbers of layers.
  TransformerOptions(const TransformerLayerOptions& layer, int64_t encoder_layers, int64_t decoder_layers)
      : TransformerLayerOptions(layer), num_encoder_layers_(encoder_layers), num_decoder_layers_(decoder_layers) {}
  FLAMBEAU_ARG(TransformerOptions, int64_t, num_encoder_layers);
  FLAMBEAU_ARG(TransformerOptions, int64_t, num_decoder_layers);
};
/// Encoder and decoder: source [s, b, e] and target [t, b, e] to [t, b, e].
class TransformerImpl : public Module {
 public:
  explicit TransformerImpl(const TransformerOptions& options = {});
  Tensor forward(const Tensor& src, const Tensor& tgt, const Tensor& src_mask = {}, const Tensor& tgt_mask = {},
                 const Tensor& memory_mask = {}, const Tensor& src_key_padding_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {}) const;
  /// The mask that lets position i see positions up to i: 0 there, -infinity elsewhere.
  static Tensor generate_square_subsequent_mask(int64_t size);
  TransformerOptions options;
  TransformerEncoder encoder = nullptr;
  TransformerDecoder decoder = nullptr;
};
FLAMBEAU_MODULE(Transformer);

}  // namespace flambeau::nn
