// Batches of sequences of different lengths, padded or packed.
#pragma once
#include <vector>

#include "flambeau/lists.h"
#include "flambeau/tensor.h"

namespace flambeau::nn::utils::rnn {

/// Sequences of different lengths without padding, time step by time step: `data` [sum of lengths, ...], and how many
/// sequences are still running at each step (int64).
class PackedSequence {
 public:
  /// `sorted_indices`: the order of the sequences in here (longest first); undefined when they were in that order.
  PackedSequence(Tensor data, Tensor batch_sizes, Tensor sorted_indices = {}, Tensor unsorted_indices = {});
  const Tensor& data() const { return data_; }
  const Tensor& batch_sizes() const { return batch_sizes_; }
  const Tensor& sorted_indices() const { return sorted_indices_; }
  /// Where each sequence of the caller is in here.
  const Tensor& unsorted_indices() const { return unsorted_indices_; }
  /// The same sequences with other data.
  PackedSequence with_data(Tensor data) const {
    return PackedSequence(std::move(data), batch_sizes_, sorted_indices_, unsorted_indices_);
  }
  /// Running sequences per step as numbers.
  std::vector<int64_t> sizes() const;

 private:
  Tensor data_, batch_sizes_, sorted_indices_, unsorted_indices_;
};

/// Padded sequences [t, b, ...] ([b, t, ...] with `batch_first`). `lengths` falls unless `enforce_sorted` is false.
/// Throws Error(Value) with PyTorch's words for lengths that do not fit.
PackedSequence pack_padded_sequence(const Tensor& input, IntList lengths, bool batch_first = false,
                                    bool enforce_sorted = true);
/// Sequences [t, b, ...] padded with a value, and their lengths (int64) in the caller's order. `total_length`: at least
/// that of the longest.
std::tuple<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence, bool batch_first = false,
                                               double padding_value = 0, std::optional<int64_t> total_length = {});
/// Sequences [length, ...] as one tensor [longest, b, ...] ([b, longest, ...] with `batch_first`), padded behind.
Tensor pad_sequence(const TensorList& sequences, bool batch_first = false, double padding_value = 0);
/// Sequences [length, ...] as a PackedSequence.
PackedSequence pack_sequence(const TensorList& sequences, bool enforce_sorted = true);

}  // namespace flambeau::nn::utils::rnn
