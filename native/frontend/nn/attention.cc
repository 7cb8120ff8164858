// Attention with several heads: projections, masks, the product, the output projection.
#include "flambeau/nn/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "frontend/nn/layers.h"

namespace flambeau::nn {

namespace functional {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
using Options = MultiheadAttentionForwardOptions;

std::string torchSize(const Tensor& t) { return "torch.Size(" + shapeString(t.sizes()) + ")"; }

/// Checks a mask's dtype; uint8 counts as bool, as in older programs.
Tensor checkedMask(const char* name, const Tensor& mask) {
  if (!mask.defined() || mask.dtype() == DType::Bool || isFloating(mask.dtype())) return mask;
  FB_CHECK(mask.dtype() == DType::UInt8, Type, "only bool and floating types of %s are supported, got %s", name,
           std::string(dtypeName(mask.dtype())).c_str());
  return mask.to(DType::Bool);
}
/// The mask with one more source that everything sees.
Tensor extend(const Tensor& mask) {
  if (!mask.defined()) return mask;
  Dims sizes(mask.sizes());
  sizes[sizes.size() - 1] = 1;
  return ops::cat(TensorList{mask, ops::zeros(sizes, mask.dtype())}, -1);
}

/// true for a batch.
bool checkShapes(const Tensor& query, const Tensor& key, const Tensor& value, int64_t embed, bool separate) {
  const bool batched = query.dim() == 3;
  FB_CHECK(batched || query.dim() == 2, Shape,
           "query should be unbatched 2D or batched 3D tensor but received %lld-D query tensor",
           static_cast<long long>(query.dim()));
  FB_CHECK(key.dim() == query.dim() && value.dim() == query.dim(), Shape,
           "For %s `query`, expected `key` and `value` to be %lld-D but found %lld-D and %lld-D tensors respectively",
           batched ? "batched (3-D)" : "unbatched (2-D)", static_cast<long long>(query.dim()),
           static_cast<long long>(key.dim()), static_cast<long long>(value.dim()));
  FB_CHECK(query.size(-1) == embed, Shape, "was expecting embedding dimension of %lld, but got %lld",
           static_cast<long long>(embed), static_cast<long long>(query.size(-1)));
  const size_t leading = key.sizes().size() - 1;
  if (separate)
    FB_CHECK(std::ranges::equal(key.sizes().first(leading), value.sizes().first(leading)), Shape,
             "key's sequence and batch dims %s do not match value's %s",
             shapeString(key.sizes().first(leading)).c_str(), shapeString(value.sizes().first(leading)).c_str());
  else
    FB_CHECK(std::ranges::equal(key.sizes(), value.sizes()), Shape, "key shape %s does not match value shape %s",
             torchSize(key).c_str(), torchSize(value).c_str());
  return batched;
}

TensorList project(const Tensor& query, const Tensor& key, const Tensor& value, bool same, const Options& o) {
  const TensorList biases =
      o.in_proj_bias.defined() ? ops::chunk(o.in_proj_bias, 3, 0) : TensorList{Tensor(), Tensor(), Tensor()};
  if (o.in_proj_weight.defined()) {
    if (same) return ops::chunk(ops::linear(query, o.in_proj_weight, o.in_proj_bias), 3, -1);
    const TensorList w = ops::chunk(o.in_proj_weight, 3, 0);
    return {ops::linear(query, w[0], biases[0]), ops::linear(key, w[1], biases[1]),
            ops::linear(value, w[2], biases[2])};
  }
  for (const Tensor& w : {o.q_proj_weight, o.k_proj_weight, o.v_proj_weight})
    FB_CHECK(w.defined(), Value, "multi_head_attention_forward: a projection's weight is missing");
  return {ops::linear(query, o.q_proj_weight, biases[0]), ops::linear(key, o.k_proj_weight, biases[1]),
          ops::linear(value, o.v_proj_weight, biases[2])};
}

/// attn_mask as [1 or rows, l, s], checked.
Tensor attentionMask(const Tensor& given, int64_t rows, int64_t targets, int64_t sources) {
  const Tensor mask = checkedMask("attn_mask", given);
  if (!mask.defined()) return mask;
  FB_CHECK(mask.dim() == 2 || mask.dim() == 3, Shape, "attn_mask's dimension %lld is not supported",
           static_cast<long long>(mask.dim()));
  const Dims wanted = mask.dim() == 2 ? Dims{targets, sources} : Dims{rows, targets, sources};
  FB_CHECK(Dims(mask.sizes()) == wanted, Shape, "The shape of the %lldD attn_mask is %s, but should be %s.",
           static_cast<long long>(mask.dim()), torchSize(mask).c_str(), shapeString(wanted).c_str());
  return mask.dim() == 2 ? ops::unsqueeze(mask, 0) : mask;
}

/// Both masks as one that broadcasts to [rows, l, s]: bool when both are, else numbers to add.
Tensor combine(const Tensor& mask, const Tensor& padding, int64_t batch, int64_t heads, int64_t sources) {
  if (!padding.defined()) return mask;
  const Tensor wide = ops::expand(ops::reshape(padding, Dims{batch, 1, 1, sources}), Dims{batch, heads, 1, sources});
  const Tensor rows = ops::reshape(wide, Dims{batch * heads, 1, sources});
  if (!mask.defined()) return rows;
  const bool maskBool = mask.dtype() == DType::Bool, rowsBool = rows.dtype() == DType::Bool;
  if (maskBool && rowsBool) return ops::logicalOr(mask, rows);
  if (rowsBool) return ops::maskedFill(mask, rows, Operand(kMinusInfinity));
  return maskBool ? ops::maskedFill(rows, mask, Operand(kMinusInfinity)) : ops::add(mask, rows);
}

}  // namespace

std::tuple<Tensor, Tensor> multi_head_attention_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                        const MultiheadAttentionForwardOptions& o) {
  const Tensor& first = o.in_proj_weight.defined() ? o.in_proj_weight : o.q_proj_weight;
  FB_CHECK(first.defined() && first.dim() == 2, Value, "multi_head_attention_forward: there are no projections");
  const bool batched = checkShapes(query, key, value, first.size(1), !o.in_proj_weight.defined());
  const bool same = query.is(key) && key.is(value);
  const auto lift = [&](const Tensor& t) { return batched ? t : ops::unsqueeze(t, 1); };
  const TensorList projected = project(lift(query), lift(key), lift(value), same, o);
  Tensor q = projected[0], k = projected[1], v = projected[2];
  const int64_t targets = q.size(0), batch = q.size(1), embed = q.size(2), heads = o.num_heads;
  FB_CHECK(heads > 0 && embed % heads == 0, Shape, "embed_dim %lld not divisible by num_heads %lld",
           static_cast<long long>(embed), static_cast<long long>(heads));
  const int64_t headSize = embed / heads, rows = batch * heads;
  int64_t sources = k.size(0);
  Tensor mask = attentionMask(o.attn_mask, rows, targets, sources);
  Tensor padding = checkedMask("key_padding_mask", o.key_padding_mask);
  if (padding.defined() && !batched && padding.dim() == 1) padding = ops::unsqueeze(padding, 0);
  FB_CHECK(!padding.defined() || Dims(padding.sizes()) == Dims({batch, sources}), Shape,
           "expecting key_padding_mask shape of (%lld, %lld), but got %s", static_cast<long long>(batch),
           static_cast<long long>(sources), torchSize(padding).c_str());
  FB_CHECK(o.bias_k.defined() == o.bias_v.defined(), Value, "bias_k and bias_v must be given together");
  if (o.bias_k.defined()) {
    k = ops::cat(TensorList{k, ops::expand(o.bias_k, Dims{1, batch, embed})}, 0);
    v = ops::cat(TensorList{v, ops::expand(o.bias_v, Dims{1, batch, embed})}, 0);
    mask = extend(mask), padding = extend(padding);
  }
  const auto split = [&](const Tensor& t) {
    return ops::transpose(ops::reshape(t, Dims{t.size(0), rows, headSize}), 0, 1);
  };
  q = split(q), k = split(k), v = split(v);
  if (o.add_zero_attn) {
    const Tensor zero = ops::zeros(Dims{rows, 1, headSize}, q.dtype());
    k = ops::cat(TensorList{k, zero}, 1), v = ops::cat(TensorList{v, zero}, 1);
    mask = extend(mask), padding = extend(padding);
  }
  sources = k.size(1);
  mask = combine(mask, padding, batch, heads, sources);
  Tensor scores = ops::bmm(ops::div(q, Operand(std::sqrt(static_cast<double>(headSize)))), ops::transpose(k, 1, 2));
  if (mask.defined())
    scores =
        mask.dtype() == DType::Bool ? ops::maskedFill(scores, mask, Operand(kMinusInfinity)) : ops::add(scores, mask);
  Tensor weights = ops::softmax(scores, -1);
  if (o.training && o.dropout > 0) weights = ops::dropout(weights, o.dropout, true);
  const Tensor joined = ops::reshape(ops::transpose(ops::bmm(weights, v), 0, 1), Dims{targets * batch, embed});
  const Tensor out = ops::linear(joined, o.out_proj_weight, o.out_proj_bias);
  const Tensor output = ops::reshape(out, Dims{targets, batch, out.size(1)});
  const auto lower = [&](const Tensor& t, int64_t dim) { return batched ? t : t.squeeze(dim); };
  if (!o.need_weights) return {lower(output, 1), Tensor()};
  const Tensor all = ops::reshape(weights, Dims{batch, heads, targets, sources});
  return {lower(output, 1), lower(o.average_attn_weights ? ops::mean(all, Dims{1}.span()) : all, 0)};
}

}  // namespace functional

MultiheadAttentionImpl::MultiheadAttentionImpl(const MultiheadAttentionOptions& o) : options(o) {
  const int64_t e = o.embed_dim(), kdim = o.kdim().value_or(e), vdim = o.vdim().value_or(e);
  FB_CHECK(e > 0 && o.num_heads() > 0, Value,
           "embed_dim and num_heads must be greater than 0, got embed_dim=%lld and num_heads=%lld instead",
           static_cast<long long>(e), static_cast<long long>(o.num_heads()));
  FB_CHECK(e % o.num_heads() == 0, Value, "embed_dim must be divisible by num_heads");
  const auto make = [&](const char* name, bool exists, Dims sizes) {
    return register_parameter(name, exists ? parameter(sizes) : Tensor());
  };
  const bool same = kdim == e && vdim == e;
  in_proj_weight = make("in_proj_weight", same, {3 * e, e});
  q_proj_weight = make("q_proj_weight", !same, {e, e});
  k_proj_weight = make("k_proj_weight", !same, {e, kdim});
  v_proj_weight = make("v_proj_weight", !same, {e, vdim});
  in_proj_bias = make("in_proj_bias", o.bias(), {3 * e});
  out_proj = register_module("out_proj", Linear(LinearOptions(e, e).bias(o.bias())));
  bias_k = make("bias_k", o.add_bias_kv(), {1, 1, e});
  bias_v = make("bias_v", o.add_bias_kv(), {1, 1, e});
  for (const Tensor& w : {in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight})
    if (w.defined()) init::xavier_uniform_(w);
  if (o.bias()) {
    init::zeros_(in_proj_bias);
    init::zeros_(out_proj->bias);
  }
  for (const Tensor& b : {bias_k, bias_v})
    if (b.defined()) init::xavier_normal_(b);
}

std::tuple<Tensor, Tensor> MultiheadAttentionImpl::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                           const Tensor& key_padding_mask, bool need_weights,
                                                           const Tensor& attn_mask, bool average_attn_weights) const {
  const bool swap = options.batch_first() && query.dim() == 3;
  const auto turn = [&](const Tensor& t) { return swap && t.dim() == 3 ? ops::transpose(t, 0, 1) : t; };
  // Equal tensors stay equal, so that the three projections can be one product.
  const Tensor q = turn(query), k = key.is(query) ? q : turn(key);
  const Tensor v = value.is(key) ? k : value.is(query) ? q : turn(value);
  functional::MultiheadAttentionForwardOptions o;
  o.num_heads = options.num_heads();
  o.in_proj_weight = in_proj_weight;
  o.q_proj_weight = q_proj_weight;
  o.k_proj_weight = k_proj_weight;
  o.v_proj_weight = v_proj_weight;
  o.in_proj_bias = in_proj_bias;
  o.bias_k = bias_k;
  o.bias_v = bias_v;
  o.add_zero_attn = options.add_zero_attn();
  o.dropout = options.dropout();
  o.out_proj_weight = out_proj->weight;
  o.out_proj_bias = out_proj->bias;
  o.training = is_training();
  o.key_padding_mask = key_padding_mask;
  o.need_weights = need_weights;
  o.attn_mask = attn_mask;
  o.average_attn_weights = average_attn_weights;
  const auto [output, weights] = functional::multi_head_attention_forward(q, k, v, o);
  return {swap ? ops::transpose(output, 0, 1) : output, weights};
}

}  // namespace flambeau::nn
