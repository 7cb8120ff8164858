// Attention with several heads.
#pragma once
#include <optional>
#include <tuple>

#include "flambeau/nn/linear.h"

namespace flambeau::nn {

struct MultiheadAttentionOptions {
  MultiheadAttentionOptions(int64_t embed_dim, int64_t num_heads) : embed_dim_(embed_dim), num_heads_(num_heads) {}
  FLAMBEAU_ARG(MultiheadAttentionOptions, int64_t, embed_dim);
  FLAMBEAU_ARG(MultiheadAttentionOptions, int64_t, num_heads);
  /// On the weights, while training.
  FLAMBEAU_ARG(MultiheadAttentionOptions, double, dropout) = 0;
  FLAMBEAU_ARG(MultiheadAttentionOptions, bool, bias) = true;
  /// One more learned key and value that every query sees.
  FLAMBEAU_ARG(MultiheadAttentionOptions, bool, add_bias_kv) = false;
  /// One more key and value of zeros.
  FLAMBEAU_ARG(MultiheadAttentionOptions, bool, add_zero_attn) = false;
  /// Sizes of keys and values where they differ from embed_dim.
  FLAMBEAU_ARG(MultiheadAttentionOptions, std::optional<int64_t>, kdim);
  FLAMBEAU_ARG(MultiheadAttentionOptions, std::optional<int64_t>, vdim);
  /// [b, l, e] instead of [l, b, e].
  FLAMBEAU_ARG(MultiheadAttentionOptions, bool, batch_first) = false;
};

namespace functional {
/// Weights and settings of multi_head_attention_forward.
struct MultiheadAttentionForwardOptions {
  int64_t num_heads = 1;
  /// The three projections in one [3 e, e], or undefined and each by itself.
  Tensor in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight;
  Tensor in_proj_bias, bias_k, bias_v;
  bool add_zero_attn = false;
  double dropout = 0;
  Tensor out_proj_weight, out_proj_bias;
  bool training = true;
  /// [b, s] (or [s]): bool, true where a key is masked out; floating: added to the scores.
  Tensor key_padding_mask;
  bool need_weights = true;
  /// [l, s] or [b * heads, l, s]: bool, true where a pair is masked out; floating: added to the scores.
  Tensor attn_mask;
  /// The mean of the weights over the heads instead of those of each head.
  bool average_attn_weights = true;
};
/// Attention of query [l, b, e] (or [l, e]) over key and value [s, b, ...]: the output and the weights (undefined
/// unless needed). Throws Error(Shape), Error(Type) with PyTorch's words. Source: https://arxiv.org/abs/1706.03762
std::tuple<Tensor, Tensor> multi_head_attention_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                        const MultiheadAttentionForwardOptions& options);
}  // namespace functional

/// Query [l, b, e] (batch_first: [b, l, e]; [l, e] without a batch), key and value [s, b, ...] give the output like the
/// query, and the weights [b, l, s] where they are needed.
class MultiheadAttentionImpl : public Module {
 public:
  MultiheadAttentionImpl(int64_t embed_dim, int64_t num_heads)
      : MultiheadAttentionImpl(MultiheadAttentionOptions(embed_dim, num_heads)) {}
  explicit MultiheadAttentionImpl(const MultiheadAttentionOptions& options);
  std::tuple<Tensor, Tensor> forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const Tensor& key_padding_mask = {}, bool need_weights = true,
                                     const Tensor& attn_mask = {}, bool average_attn_weights = true) const;
  MultiheadAttentionOptions options;
  Tensor in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, bias_k, bias_v;
  Linear out_proj = nullptr;
};
FLAMBEAU_MODULE(MultiheadAttention);

}  // namespace flambeau::nn
