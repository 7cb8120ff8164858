// Layers of few lines: activations with weights, embeddings, dropout of channels, reshaping and resampling, losses.
#include "frontend/nn/layers.h"

#include <algorithm>
#include <cmath>

#include "flambeau/autograd.h"
#include "flambeau/nn/activation.h"
#include "flambeau/nn/dropout.h"
#include "flambeau/nn/embedding.h"
#include "flambeau/nn/loss.h"
#include "flambeau/nn/shape.h"

namespace flambeau::nn {

PReLUImpl::PReLUImpl(const PReLUOptions& o) : options(o) {
  weight = register_parameter("weight", init::constant_(parameter(Dims{o.num_parameters()}), o.init()));
}

// ---- embeddings ----

namespace {

/// A row counted from the front, -1: none.
int64_t paddingRow(const std::optional<int64_t>& index, int64_t rows, const char* name) {
  if (!index) return -1;
  FB_CHECK(*index >= -rows && *index < rows, Value, "%s must be within num_embeddings", name);
  return *index < 0 ? *index + rows : *index;
}
/// The table of an embedding: the given one, or normal numbers with a row of zeros for the padding.
Tensor table(const Tensor& given, int64_t rows, int64_t dim, int64_t padding) {
  if (given.defined()) {
    FB_CHECK(given.dim() == 2 && given.size(0) == rows && given.size(1) == dim, Shape,
             "Shape of weight does not match num_embeddings and embedding_dim");
    return given;
  }
  const Tensor weight = init::normal_(parameter(Dims{rows, dim}));
  if (padding >= 0) init::zeros_(ops::select(weight, 0, padding));
  return weight;
}

}  // namespace

EmbeddingImpl::EmbeddingImpl(const EmbeddingOptions& o) : options(o) {
  const int64_t rows = o.num_embeddings(), padding = paddingRow(o.padding_idx(), rows, "Padding_idx");
  if (o.padding_idx()) options.padding_idx(padding);
  weight = register_parameter("weight", table(o._weight(), rows, o.embedding_dim(), padding));
}
Tensor EmbeddingImpl::forward(const Tensor& indices) const {
  const auto& o = options;
  if (o.max_norm()) ops::embeddingRenorm(ops::detach(weight), indices, *o.max_norm(), o.norm_type());
  return ops::embedding(weight, indices, o.padding_idx().value_or(-1), o.scale_grad_by_freq());
}
Embedding Embedding::from_pretrained(const Tensor& embeddings, bool freeze) {
  FB_CHECK(embeddings.dim() == 2, Shape, "Embeddings parameter is expected to be 2-dimensional");
  Embedding e(EmbeddingOptions(embeddings.size(0), embeddings.size(1))._weight(embeddings));
  e->weight.set_requires_grad(!freeze);
  return e;
}

EmbeddingBagImpl::EmbeddingBagImpl(const EmbeddingBagOptions& o) : options(o) {
  FB_CHECK(o.mode() == "sum" || o.mode() == "mean" || o.mode() == "max", Value,
           "mode has to be one of sum, mean, max, got %s", o.mode().c_str());
  const int64_t rows = o.num_embeddings(), padding = paddingRow(o.padding_idx(), rows, "padding_idx");
  if (o.padding_idx()) options.padding_idx(padding);
  weight = register_parameter("weight", table(o._weight(), rows, o.embedding_dim(), padding));
}
Tensor EmbeddingBagImpl::forward(const Tensor& indices, const Tensor& offsets, const Tensor& factors) const {
  const auto& o = options;
  if (o.max_norm()) ops::embeddingRenorm(ops::detach(weight), indices, *o.max_norm(), o.norm_type());
  return ops::embeddingBag(weight, indices, offsets, o.mode(), factors, o.include_last_offset(),
                           o.padding_idx().value_or(-1), o.scale_grad_by_freq());
}

// ---- shapes ----

UnflattenImpl::UnflattenImpl(const UnflattenOptions& o) : options(o) {
  FB_CHECK(!o.sizes().empty(), Value, "Unflatten(): there are no sizes");
}
Tensor UnflattenImpl::forward(const Tensor& x) const {
  const size_t at = static_cast<size_t>(wrapDim(options.dim(), x.dim()));
  Dims sizes(x.sizes().first(at));
  for (const int64_t s : inferSize(options.sizes(), x.sizes()[at])) sizes.push_back(s);
  for (const int64_t s : x.sizes().subspan(at + 1)) sizes.push_back(s);
  return ops::reshape(x, sizes);
}
Tensor UnfoldImpl::forward(const Tensor& x) const {
  const auto& o = options;
  return functional::unfold(x, o.kernel_size().span(), o.dilation().span(), o.padding().span(), o.stride().span());
}
Tensor FoldImpl::forward(const Tensor& x) const {
  const auto& o = options;
  return functional::fold(x, o.output_size().span(), o.kernel_size().span(), o.dilation().span(), o.padding().span(),
                          o.stride().span());
}

// ---- losses ----

namespace detail {
void checkReduction(const std::string& r, bool batchmean) {
  FB_CHECK(r == "mean" || r == "sum" || r == "none" || (batchmean && r == "batchmean"), Value,
           "%s is not a valid value for reduction", r.c_str());
}
Tensor checkedBinaryCrossEntropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                                 const std::string& reduction) {
  FB_CHECK(std::ranges::equal(input.sizes(), target.sizes()), Shape,
           "Using a target size (torch.Size(%s)) that is different to the input size (torch.Size(%s)) is deprecated. "
           "Please ensure they have the same size.",
           shapeString(target.sizes()).c_str(), shapeString(input.sizes()).c_str());
  const Tensor x = ops::detach(input);
  FB_CHECK(input.numel() == 0 || ops::all(ops::logicalAnd(ops::ge(x, Operand(0)), ops::le(x, Operand(1)))).item<bool>(),
           Value, "all elements of input should be between 0 and 1");
  return ops::binaryCrossEntropy(input, target, weight, reduction);
}
Tensor checkedBinaryCrossEntropyWithLogits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                           const std::string& reduction, const Tensor& posWeight) {
  FB_CHECK(std::ranges::equal(input.sizes(), target.sizes()), Shape,
           "Target size (torch.Size(%s)) must be the same as input size (torch.Size(%s))",
           shapeString(target.sizes()).c_str(), shapeString(input.sizes()).c_str());
  return ops::binaryCrossEntropyWithLogits(input, target, weight, reduction, posWeight);
}
}  // namespace detail

namespace functional {

Tensor triplet_margin_with_distance_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                         const TripletMarginWithDistanceLossOptions& o) {
  const auto distance = [&](const Tensor& a, const Tensor& b) {
    return o.distance_function() ? o.distance_function()(a, b) : ops::pairwiseDistance(a, b);
  };
  const Tensor near = distance(anchor, positive);
  Tensor far = distance(anchor, negative);
  if (o.swap()) far = ops::minimum(far, distance(positive, negative));
  const Tensor loss = ops::clampMin(ops::add(ops::sub(near, far), Operand(o.margin())), Operand(0));
  return o.reduction() == "none" ? loss : o.reduction() == "sum" ? ops::sum(loss) : ops::mean(loss);
}

// ---- dropout of channels ----

namespace {

Tensor dropMaps(const char* name, const Tensor& x, int64_t lo, int64_t unbatched, double p, bool training) {
  FB_CHECK(p >= 0 && p <= 1, Value, "dropout probability has to be between 0 and 1, but got %g", p);
  FB_CHECK(x.dim() == lo || x.dim() == lo + 1, Shape,
           "%s: Expected %lldD or %lldD input, but received a %lldD input. Use dropout to drop single elements.", name,
           static_cast<long long>(lo), static_cast<long long>(lo + 1), static_cast<long long>(x.dim()));
  if (x.dim() != unbatched) return ops::featureDropout(x, p, training);
  return ops::featureDropout(ops::unsqueeze(x, 0), p, training).squeeze(0);
}

}  // namespace

Tensor dropout1d(const Tensor& x, double p, bool training) { return dropMaps("dropout1d", x, 2, 2, p, training); }
Tensor dropout2d(const Tensor& x, double p, bool training) { return dropMaps("dropout2d", x, 3, 0, p, training); }
Tensor dropout3d(const Tensor& x, double p, bool training) { return dropMaps("dropout3d", x, 4, 4, p, training); }

// ---- resampling ----

namespace {

/// Numbers of spatial dimensions that a mode is for, and its name in the op.
struct Mode {
  const char *name, *op;
  int64_t lo, hi;
};
constexpr Mode kModes[] = {{"nearest", "nearest", 1, 3}, {"nearest-exact", "nearest-exact", 1, 3},
                           {"area", "area", 1, 3},       {"linear", "linear", 1, 1},
                           {"bilinear", "linear", 2, 2}, {"trilinear", "linear", 3, 3},
                           {"bicubic", "cubic", 2, 2}};

template <class T>
std::vector<T> perDimension(const std::vector<T>& given, int64_t n, const char* what) {
  if (given.size() == 1) return std::vector<T>(static_cast<size_t>(n), given[0]);
  FB_CHECK(static_cast<int64_t>(given.size()) == n, Value,
           "Input and %s must have the same number of spatial dimensions, but got %lld and %zu", what,
           static_cast<long long>(n), given.size());
  return given;
}

}  // namespace

Tensor interpolate(const Tensor& x, const InterpolateFuncOptions& o) {
  const auto* mode = std::ranges::find_if(kModes, [&](const Mode& m) { return o.mode() == m.name; });
  const int64_t n = x.dim() - 2;
  const bool plain = o.mode() == "nearest" || o.mode() == "nearest-exact" || o.mode() == "area";
  FB_CHECK(
      !plain || !o.align_corners(), Value,
      "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear");
  FB_CHECK(o.size().empty() || o.scale_factor().empty(), Value, "only one of size or scale_factor should be defined");
  FB_CHECK(!o.size().empty() || !o.scale_factor().empty(), Value, "either size or scale_factor should be defined");
  FB_CHECK(!o.recompute_scale_factor() || o.size().empty(), Value,
           "recompute_scale_factor is not meaningful with an explicit size.");
  FB_CHECK(!o.antialias() || (n == 2 && (o.mode() == "bilinear" || o.mode() == "bicubic")), Value,
           "Anti-alias option is only supported for bilinear and bicubic modes");
  FB_CHECK(mode != std::end(kModes) && n >= mode->lo && n <= mode->hi, Shape,
           "Input Error: Only 3D, 4D and 5D input Tensors supported (got %lldD) for the modes: nearest | linear | "
           "bilinear | bicubic | trilinear | area | nearest-exact (got %s)",
           static_cast<long long>(x.dim()), o.mode().c_str());
  const IntSpan spatial = x.sizes().subspan(2);
  std::vector<double> scales;
  Dims size;
  if (!o.scale_factor().empty()) {
    scales = perDimension(o.scale_factor(), n, "scale_factor");
    for (size_t d = 0; d < scales.size(); ++d)
      size.push_back(static_cast<int64_t>(std::floor(static_cast<double>(spatial[d]) * scales[d])));
  } else
    size = Dims(perDimension(o.size(), n, "output size"));
  if (o.mode() == "area")
    return n == 1   ? ops::adaptiveAvgPool1d(x, size)
           : n == 2 ? ops::adaptiveAvgPool2d(x, size)
                    : ops::adaptiveAvgPool3d(x, size);
  if (o.recompute_scale_factor()) scales.clear();
  return ops::resample(x, size, mode->op, o.align_corners().value_or(false), scales, o.antialias());
}

}  // namespace functional

}  // namespace flambeau::nn
