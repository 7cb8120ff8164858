// Embedding tables.
#pragma once
#include <optional>
#include <string>

#include "flambeau/functions.h"
#include "flambeau/nn/init.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

struct EmbeddingOptions {
  EmbeddingOptions(int64_t num, int64_t dim) : num_embeddings_(num), embedding_dim_(dim) {}
  FLAMBEAU_ARG(EmbeddingOptions, int64_t, num_embeddings);
  FLAMBEAU_ARG(EmbeddingOptions, int64_t, embedding_dim);
  /// Row that stays zero and gets no gradient; negative counts from the end.
  FLAMBEAU_ARG(EmbeddingOptions, std::optional<int64_t>, padding_idx);
  /// Rows with a larger norm are scaled down to it when they are looked up: the table changes in place.
  FLAMBEAU_ARG(EmbeddingOptions, std::optional<double>, max_norm);
  FLAMBEAU_ARG(EmbeddingOptions, double, norm_type) = 2;
  /// Divide a row's gradient by how often it was looked up.
  FLAMBEAU_ARG(EmbeddingOptions, bool, scale_grad_by_freq) = false;
  /// The table to use, instead of normal numbers.
  FLAMBEAU_ARG(EmbeddingOptions, Tensor, _weight);
};
/// Rows of a table: integer indices [...] to [..., dim].
class EmbeddingImpl : public Module {
 public:
  EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim)
      : EmbeddingImpl(EmbeddingOptions(num_embeddings, embedding_dim)) {}
  /// Throws Error(Value) for a padding row outside the table, Error(Shape) for a table of another size.
  explicit EmbeddingImpl(const EmbeddingOptions& options);
  Tensor forward(const Tensor& indices) const;
  EmbeddingOptions options;
  Tensor weight;
};
/// The handle; from_pretrained makes one over given vectors [num, dim].
class Embedding : public ModuleHolder<EmbeddingImpl> {
 public:
  using ModuleHolder<EmbeddingImpl>::ModuleHolder;
  static Embedding from_pretrained(const Tensor& embeddings, bool freeze = true);
};

struct EmbeddingBagOptions {
  EmbeddingBagOptions(int64_t num, int64_t dim) : num_embeddings_(num), embedding_dim_(dim) {}
  FLAMBEAU_ARG(EmbeddingBagOptions, int64_t, num_embeddings);
  FLAMBEAU_ARG(EmbeddingBagOptions, int64_t, embedding_dim);
  FLAMBEAU_ARG(EmbeddingBagOptions, std::optional<double>, max_norm);
  FLAMBEAU_ARG(EmbeddingBagOptions, double, norm_type) = 2;
  FLAMBEAU_ARG(EmbeddingBagOptions, bool, scale_grad_by_freq) = false;
  /// What becomes of the vectors of a bag: 'sum', 'mean' or 'max'.
  FLAMBEAU_ARG(EmbeddingBagOptions, std::string, mode) = "mean";
  /// The last offset is the number of indices.
  FLAMBEAU_ARG(EmbeddingBagOptions, bool, include_last_offset) = false;
  /// Entries with this index are no part of their bag.
  FLAMBEAU_ARG(EmbeddingBagOptions, std::optional<int64_t>, padding_idx);
  FLAMBEAU_ARG(EmbeddingBagOptions, Tensor, _weight);
};
/// Sums, means or maxima of bags of vectors: indices [b, n], or indices [n] with the offsets where the bags begin.
class EmbeddingBagImpl : public Module {
 public:
  EmbeddingBagImpl(int64_t num_embeddings, int64_t embedding_dim)
      : EmbeddingBagImpl(EmbeddingBagOptions(num_embeddings, embedding_dim)) {}
  explicit EmbeddingBagImpl(const EmbeddingBagOptions& options);
  Tensor forward(const Tensor& indices, const Tensor& offsets = {}, const Tensor& per_sample_weights = {}) const;
  EmbeddingBagOptions options;
  Tensor weight;
};
FLAMBEAU_MODULE(EmbeddingBag);

}  // namespace flambeau::nn
