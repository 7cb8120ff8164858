// Transformer layers and their stacks.
#include "flambeau/nn/transformer.h"

#include <limits>
#include <string_view>

#include "flambeau/nn/container.h"
#include "frontend/nn/layers.h"

namespace flambeau::nn {

TransformerActivation::TransformerActivation(const char* name) {
  const std::string_view which = name;
  FB_CHECK(which == "relu" || which == "gelu", Value, "activation should be relu/gelu, not %s", name);
  if (which == "relu")
    apply = [](const Tensor& x) { return ops::relu(x); };
  else
    apply = [](const Tensor& x) { return ops::gelu(x); };
}

namespace detail {

TransformerLayerImpl::TransformerLayerImpl(const TransformerLayerOptions& o, int blocks) : options(o) {
  const auto attention = [&] {
    return MultiheadAttention(MultiheadAttentionOptions(o.d_model(), o.nhead())
                                  .dropout(o.dropout())
                                  .batch_first(o.batch_first())
                                  .bias(o.bias()));
  };
  const auto linear = [&](int64_t in, int64_t out) { return Linear(LinearOptions(in, out).bias(o.bias())); };
  const auto norm = [&] { return LayerNorm(LayerNormOptions(o.d_model()).eps(o.layer_norm_eps()).bias(o.bias())); };
  const auto drop = [&] { return Dropout(o.dropout()); };
  self_attn = register_module("self_attn", attention());
  if (blocks == 3) multihead_attn = register_module("multihead_attn", attention());
  linear1 = register_module("linear1", linear(o.d_model(), o.dim_feedforward()));
  dropout = register_module("dropout", drop());
  linear2 = register_module("linear2", linear(o.dim_feedforward(), o.d_model()));
  norm1 = register_module("norm1", norm());
  norm2 = register_module("norm2", norm());
  if (blocks == 3) norm3 = register_module("norm3", norm());
  dropout1 = register_module("dropout1", drop());
  dropout2 = register_module("dropout2", drop());
  if (blocks == 3) dropout3 = register_module("dropout3", drop());
}
Tensor TransformerLayerImpl::feedForward(const Tensor& x) const {
  return linear2(dropout(options.activation().apply(linear1(x))));
}
Tensor TransformerLayerImpl::add(const Tensor& x, const LayerNorm& norm,
                                 const std::function<Tensor(const Tensor&)>& block) const {
  return options.norm_first() ? ops::add(x, block(norm(x))) : norm(ops::add(x, block(x)));
}

}  // namespace detail

namespace {

Tensor attend(const MultiheadAttention& attention, const Tensor& x, const Tensor& memory, const Tensor& mask,
              const Tensor& padding) {
  return std::get<0>(attention(x, memory, memory, padding, false, mask));
}

/// `n` layers with the values of `layer`, as the children layers.0, layers.1, ... of `owner`.
template <class Layer>
std::vector<Layer> copies(Module& owner, const Layer& layer, int64_t n) {
  ModuleList list;
  std::vector<Layer> out;
  const init::SkipGuard keep;
  for (int64_t i = 0; i < n; ++i) {
    Layer copy(layer->options);
    copy->load_state_dict(layer->state_dict());
    copy->train(layer->is_training());
    list->push_back(copy);
    out.push_back(copy);
  }
  owner.register_module("layers", list);
  return out;
}

}  // namespace

Tensor TransformerEncoderLayerImpl::forward(const Tensor& src, const Tensor& src_mask,
                                            const Tensor& src_key_padding_mask) const {
  const Tensor x = add(
      src, norm1, [&](const Tensor& y) { return dropout1(attend(self_attn, y, y, src_mask, src_key_padding_mask)); });
  return add(x, norm2, [&](const Tensor& y) { return dropout2(feedForward(y)); });
}

Tensor TransformerDecoderLayerImpl::forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask,
                                            const Tensor& memory_mask, const Tensor& tgt_key_padding_mask,
                                            const Tensor& memory_key_padding_mask) const {
  Tensor x = add(tgt, norm1,
                 [&](const Tensor& y) { return dropout1(attend(self_attn, y, y, tgt_mask, tgt_key_padding_mask)); });
  x = add(x, norm2, [&](const Tensor& y) {
    return dropout2(attend(multihead_attn, y, memory, memory_mask, memory_key_padding_mask));
  });
  return add(x, norm3, [&](const Tensor& y) { return dropout3(feedForward(y)); });
}

TransformerEncoderImpl::TransformerEncoderImpl(const TransformerEncoderLayer& layer, int64_t num_layers, LayerNorm last)
    : layers(copies(*this, layer, num_layers)), norm(std::move(last)) {
  if (!norm.is_empty()) register_module("norm", norm);
}
Tensor TransformerEncoderImpl::forward(const Tensor& src, const Tensor& src_mask,
                                       const Tensor& src_key_padding_mask) const {
  Tensor x = src;
  for (const auto& layer : layers) x = layer(x, src_mask, src_key_padding_mask);
  return norm.is_empty() ? x : norm(x);
}

TransformerDecoderImpl::TransformerDecoderImpl(const TransformerDecoderLayer& layer, int64_t num_layers, LayerNorm last)
    : layers(copies(*this, layer, num_layers)), norm(std::move(last)) {
  if (!norm.is_empty()) register_module("norm", norm);
}
Tensor TransformerDecoderImpl::forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask,
                                       const Tensor& memory_mask, const Tensor& tgt_key_padding_mask,
                                       const Tensor& memory_key_padding_mask) const {
  Tensor x = tgt;
  for (const auto& layer : layers)
    x = layer(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask);
  return norm.is_empty() ? x : norm(x);
}

TransformerImpl::TransformerImpl(const TransformerOptions& o) : options(o) {
  const auto norm = [&] { return LayerNorm(LayerNormOptions(o.d_model()).eps(o.layer_norm_eps()).bias(o.bias())); };
  const TransformerLayerOptions& layer = o;
  encoder =
      register_module("encoder", TransformerEncoder(TransformerEncoderLayer(layer), o.num_encoder_layers(), norm()));
  decoder =
      register_module("decoder", TransformerDecoder(TransformerDecoderLayer(layer), o.num_decoder_layers(), norm()));
  for (const Tensor& p : parameters())
    if (p.dim() > 1) init::xavier_uniform_(p);
}
Tensor TransformerImpl::forward(const Tensor& src, const Tensor& tgt, const Tensor& src_mask, const Tensor& tgt_mask,
                                const Tensor& memory_mask, const Tensor& src_key_padding_mask,
                                const Tensor& tgt_key_padding_mask, const Tensor& memory_key_padding_mask) const {
  const int64_t batch = options.batch_first() ? 0 : 1;
  FB_CHECK(src.dim() == 2 || src.dim() == 3, Shape, "src must have 2 or 3 dimensions, got %lld",
           static_cast<long long>(src.dim()));
  FB_CHECK(tgt.dim() == src.dim() && (src.dim() != 3 || src.size(batch) == tgt.size(batch)), Shape,
           "the batch number of src and tgt must be equal");
  FB_CHECK(src.size(-1) == options.d_model() && tgt.size(-1) == options.d_model(), Shape,
           "the feature number of src and tgt must be equal to d_model");
  const Tensor memory = encoder(src, src_mask, src_key_padding_mask);
  return decoder(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask);
}
Tensor TransformerImpl::generate_square_subsequent_mask(int64_t size) {
  return ops::triu(ops::full(Dims{size, size}, Scalar(-std::numeric_limits<double>::infinity())), 1);
}

}  // namespace flambeau::nn
