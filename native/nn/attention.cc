// Bodies of attention: in tiles where the kernel takes it (cpu/attention.h), else over the matrix of weights.
#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/bodies.h"

namespace flambeau::support {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// True where a key is seen; undefined: everywhere, or a mask of numbers.
Tensor seenKeys(const Tensor& query, const Tensor& key, const Tensor& mask, bool isCausal) {
  if (isCausal) return ops::tril(ops::ones(Dims{query.size(-2), key.size(-2)}, DType::Bool));
  return mask.defined() && mask.dtype() == DType::Bool ? mask : Tensor();
}
Tensor transposed(const Tensor& t) { return ops::transpose(t, -2, -1); }
Tensor times(const Tensor& t, double factor) { return ops::mul(t, Operand(Scalar(factor))); }
double scaleOf(const Tensor& query, std::optional<double> scale) {
  return scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
}

void checkOperands(const Tensor& query, const Tensor& key, const Tensor& mask, bool isCausal) {
  FB_CHECK(query.dim() >= 2 && key.dim() >= 2, Shape,
           "scaled_dot_product_attention: expected query and key to be at least 2-D, got %s and %s",
           shapeString(query.sizes()).c_str(), shapeString(key.sizes()).c_str());
  FB_CHECK(query.dtype() == key.dtype(), Type,
           "Expected query, key, and value to have the same dtype, but got query.dtype: %s key.dtype: %s",
           std::string(dtypeName(query.dtype())).c_str(), std::string(dtypeName(key.dtype())).c_str());
  FB_CHECK(!(isCausal && mask.defined()), Value,
           "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
}

IntSpan leading(const Tensor& t) { return t.sizes().first(static_cast<size_t>(t.dim()) - 2); }
bool broadcasts(IntSpan a, IntSpan b) {
  for (size_t k = 1; k <= std::min(a.size(), b.size()); ++k) {
    const int64_t x = a[a.size() - k], y = b[b.size() - k];
    if (x != y && x != 1 && y != 1) return false;
  }
  return true;
}
/// The same with these leading dimensions.
Tensor spread(const Tensor& t, const Dims& batch) {
  Dims sizes = batch;
  sizes.push_back(t.size(-2)), sizes.push_back(t.size(-1));
  return Dims(t.sizes()) == sizes ? t : ops::expand(t, sizes);
}

/// attentionForward's result, or undefined where it does not take the operands.
Tensor inTiles(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask, bool isCausal,
               double scale) {
  const DType dtype = query.dtype();
  if ((dtype != DType::Float32 && dtype != DType::Float64) || value.dtype() != dtype || value.dim() < 2) return {};
  if (key.size(-1) != query.size(-1) || value.size(-2) != key.size(-2)) return {};
  if (!broadcasts(leading(query), leading(key)) || !broadcasts(leading(query), leading(value)) ||
      !broadcasts(leading(key), leading(value)))
    return {};
  Dims batch = broadcastShapes(broadcastShapes(leading(query), leading(key)), leading(value));
  if (mask.defined()) {
    // A mask that is trained needs the gradients of the scores themselves.
    const bool numbers = mask.dtype() == dtype || (dtype == DType::Float64 && isFloating(mask.dtype()));
    if ((mask.dtype() != DType::Bool && !numbers) || autograd::anyRequiresGrad(mask) || mask.dim() < 1) return {};
    Dims scores = batch;
    scores.push_back(query.size(-2)), scores.push_back(key.size(-2));
    if (!broadcasts(mask.sizes(), scores)) return {};
    const Dims all = broadcastShapes(mask.sizes(), scores);
    if (all.size() != scores.size() || all[all.size() - 2] != query.size(-2) || all.back() != key.size(-2)) return {};
    batch = Dims(all.span().first(all.size() - 2));
  }
  return std::get<0>(ops::attentionForward(spread(query, batch), spread(key, batch), spread(value, batch), mask,
                                           isCausal, scale, mask.defined()));
}

}  // namespace

Tensor attentionWeights(const Tensor& query, const Tensor& key, const Tensor& mask, bool isCausal,
                        std::optional<double> scale, bool zeroUnseen) {
  checkOperands(query, key, mask, isCausal);
  // 16-bit floats: scores need the digits. Both factors are scaled, so that the product stays in range.
  const double s = scaleOf(query, scale), root = std::sqrt(std::abs(s));
  Tensor scores = ops::matmul(times(widened(query), s < 0 ? -root : root), transposed(times(widened(key), root)));
  const Tensor seen = seenKeys(query, key, mask, isCausal);
  if (seen.defined())
    scores = ops::where(seen, Operand(scores), Operand(Scalar(-kInfinity)));
  else if (mask.defined())
    scores = ops::add(scores, Operand(mask));
  Tensor unseen;
  if (zeroUnseen && key.size(-2) > 0) {
    const int64_t last[] = {-1};
    unseen = ops::eq(ops::amax(scores, IntSpan(last), true), Operand(Scalar(-kInfinity)));
    // Before the softmax: what is selected behind it would still get gradients of NaN.
    scores = ops::where(unseen, Operand(Scalar(0.0)), Operand(scores));
  }
  Tensor weights = ops::softmax(scores, -1);
  if (unseen.defined()) weights = ops::where(unseen, Operand(Scalar(0.0)), Operand(weights));
  return asDtypeOf(weights, query);
}

Tensor scaledDotProductAttention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask,
                                 double dropoutP, bool isCausal, std::optional<double> scale, bool enableGqa) {
  checkOperands(query, key, mask, isCausal);
  if (enableGqa) {
    FB_CHECK(query.dim() >= 3 && key.dim() >= 3 && value.dim() >= 3, Shape,
             "scaled_dot_product_attention: enable_gqa needs a dimension of heads, got %s, %s and %s",
             shapeString(query.sizes()).c_str(), shapeString(key.sizes()).c_str(), shapeString(value.sizes()).c_str());
    const int64_t heads = query.size(-3), shared = key.size(-3);
    FB_CHECK(shared > 0 && value.size(-3) == shared && heads % shared == 0, Shape,
             "Number of heads in key and value must divide the number of heads in query, got %lld, %lld and %lld",
             static_cast<long long>(shared), static_cast<long long>(value.size(-3)), static_cast<long long>(heads));
    // One more dimension: [..., shared, heads / shared, l, e], over which keys and values are broadcast.
    const auto grouped = [&](const Tensor& t) {
      Dims sizes(t.sizes());
      const size_t at = sizes.size() - 3;
      if (sizes[at] == 1) return ops::unsqueeze(t, -3);
      sizes[at] = shared;
      sizes.insert(at + 1, heads / shared);
      return ops::reshape(t, sizes);
    };
    const Tensor seen = mask.defined() && mask.dim() >= 3 ? grouped(mask) : mask;
    const Tensor out = scaledDotProductAttention(grouped(query), ops::unsqueeze(key, -3), ops::unsqueeze(value, -3),
                                                 seen, dropoutP, isCausal, scale, false);
    Dims sizes(out.sizes());
    const size_t at = sizes.size() - 4;
    sizes[at] = heads;
    sizes.erase(at + 1);
    return ops::reshape(out, sizes);
  }
  const double s = scaleOf(query, scale);
  if (dropoutP == 0) {
    const Tensor out = inTiles(query, key, value, mask, isCausal, s);
    if (out.defined()) return out;
  }
  const Tensor weights = attentionWeights(query, key, mask, isCausal, s, mask.defined());
  return ops::matmul(ops::dropout(weights, dropoutP, true), value);
}

TensorList attentionGradientsList(const Tensor& gradOut, const Tensor& gradLogsumexp, const Tensor& query,
                                  const Tensor& key, const Tensor& value, const Tensor& mask, bool isCausal,
                                  double scale, bool zeroUnseen, const Tensor& out, const Tensor& logsumexp) {
  if (!autograd::gradEnabled() && !gradLogsumexp.defined()) {
    auto [dq, dk, dv] = ops::attentionBackward(gradOut, query, key, value, mask, out, logsumexp, isCausal, scale);
    return {dq, dk, dv};
  }
  const Tensor weights = attentionWeights(query, key, mask, isCausal, scale, zeroUnseen);
  Tensor slopes, dv;
  if (gradOut.defined()) {
    const int64_t last[] = {-1};
    dv = ops::matmul(transposed(weights), gradOut);
    const Tensor d = ops::matmul(gradOut, transposed(value));
    const Tensor mean = ops::sum(ops::mul(d, Operand(weights)), IntSpan(last), true);
    slopes = ops::mul(weights, Operand(ops::sub(d, Operand(mean))));
  } else {
    dv = ops::zerosLike(value);
  }
  if (gradLogsumexp.defined()) {
    const Tensor more = ops::mul(weights, Operand(ops::unsqueeze(gradLogsumexp, -1)));
    slopes = slopes.defined() ? ops::add(slopes, Operand(more)) : more;
  }
  const Tensor seen = seenKeys(query, key, mask, isCausal);
  if (seen.defined()) slopes = ops::where(seen, Operand(slopes), Operand(Scalar(0.0)));
  return {times(ops::matmul(slopes, key), scale), times(ops::matmul(transposed(slopes), query), scale), dv};
}

}  // namespace flambeau::support
