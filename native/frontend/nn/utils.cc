// nn::utils: packed sequences, gradient clipping, parameters as one vector.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "flambeau/autograd.h"
#include "flambeau/nn/utils/clip_grad.h"
#include "flambeau/nn/utils/rnn.h"
#include "flambeau/ops.h"

namespace flambeau::nn::utils {

namespace rnn {
namespace {

Tensor int64s(const std::vector<int64_t>& values) {
  Tensor t = emptyTensor(Dims{static_cast<int64_t>(values.size())}, DType::Int64);
  std::copy(values.begin(), values.end(), t.ptr<int64_t>());
  return t;
}
std::vector<int64_t> numbers(const Tensor& t) {
  const Tensor dense = ops::contiguous(t.to(DType::Int64));
  return {dense.ptr<int64_t>(), dense.ptr<int64_t>() + dense.numel()};
}
Dims with(std::initializer_list<int64_t> first, IntSpan rest) {
  Dims out(IntSpan(first.begin(), first.size()));
  for (const int64_t n : rest) out.push_back(n);
  return out;
}

}  // namespace

PackedSequence::PackedSequence(Tensor data, Tensor batch_sizes, Tensor sorted_indices, Tensor unsorted_indices)
    : data_(std::move(data)),
      batch_sizes_(std::move(batch_sizes)),
      sorted_indices_(std::move(sorted_indices)),
      unsorted_indices_(std::move(unsorted_indices)) {
  if (!sorted_indices_.defined() || unsorted_indices_.defined()) return;
  const std::vector<int64_t> order = numbers(sorted_indices_);
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    FB_CHECK(order[i] >= 0 && static_cast<size_t>(order[i]) < order.size(), Index, "sorted_indices is no permutation");
    back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  }
  unsorted_indices_ = int64s(back);
}
std::vector<int64_t> PackedSequence::sizes() const { return numbers(batch_sizes_); }

PackedSequence pack_padded_sequence(const Tensor& input, IntList lengths, bool batch_first, bool enforce_sorted) {
  FB_CHECK(input.dim() >= 2, Value, "pack_padded_sequence(): expected an input of 2 or more dimensions, got %lld",
           static_cast<long long>(input.dim()));
  std::vector<int64_t> sizes(lengths.span().begin(), lengths.span().end());
  Tensor x = input, sorted;
  const int64_t batch = input.size(batch_first ? 0 : 1);
  FB_CHECK(batch != 0, Value, "Cannot pack empty tensors.");
  FB_CHECK(static_cast<int64_t>(sizes.size()) == batch, Value,
           "Expected `len(lengths)` to be equal to batch_size, but got %zu (batch_size=%lld)", sizes.size(),
           static_cast<long long>(batch));
  if (!enforce_sorted) {
    std::vector<int64_t> order(sizes.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(
        order, [&](int64_t a, int64_t b) { return sizes[static_cast<size_t>(a)] > sizes[static_cast<size_t>(b)]; });
    sorted = int64s(order);
    x = ops::indexSelect(x, batch_first ? 0 : 1, sorted);
    std::ranges::sort(sizes, std::greater<>());
  }
  if (batch_first) x = ops::transpose(x, 0, 1);
  FB_CHECK(sizes.back() > 0, Value,
           "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0");
  FB_CHECK(std::ranges::is_sorted(sizes, std::greater<>()), Value,
           "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
           "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement.");
  FB_CHECK(sizes[0] <= x.size(0), Value, "Expected lengths of at most %lld steps, got %lld",
           static_cast<long long>(x.size(0)), static_cast<long long>(sizes[0]));
  std::vector<int64_t> running;
  TensorList parts;
  // Steps with the same number of running sequences are one block.
  for (int64_t b = batch, t = 0; b > 0; --b) {
    const int64_t until = sizes[static_cast<size_t>(b - 1)];
    if (until == t) continue;
    const Tensor block = ops::narrow(ops::narrow(x, 0, t, until - t), 1, 0, b);
    parts.push_back(ops::reshape(block, with({(until - t) * b}, x.sizes().subspan(2))));
    for (; t < until; ++t) running.push_back(b);
  }
  return PackedSequence(ops::cat(parts, 0), int64s(running), sorted);
}

std::tuple<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence, bool batch_first, double padding_value,
                                               std::optional<int64_t> total_length) {
  const std::vector<int64_t> running = sequence.sizes();
  FB_CHECK(!running.empty(), Value, "pad_packed_sequence(): the sequence has no steps");
  const int64_t longest = static_cast<int64_t>(running.size()), steps = total_length.value_or(longest);
  FB_CHECK(steps >= longest, Value,
           "Expected total_length to be at least the length of the longest sequence in input, but got "
           "total_length=%lld and max sequence length being %lld",
           static_cast<long long>(steps), static_cast<long long>(longest));
  const Tensor& data = sequence.data();
  const int64_t batch = running[0];
  std::vector<int64_t> lengths, order, starts, index, own;
  for (int64_t b = 0; b < batch; ++b) {
    lengths.push_back(std::ranges::count_if(running, [b](int64_t n) { return n > b; }));
    order.push_back(b);
  }
  if (sequence.unsorted_indices().defined()) order = numbers(sequence.unsorted_indices());
  int64_t at = 0;
  for (const int64_t n : running) starts.push_back(std::exchange(at, at + n));
  // The row behind the data stands for everything beyond the end of a sequence.
  const int64_t padding = data.size(0);
  const int64_t first = batch_first ? batch : steps, second = batch_first ? steps : batch;
  for (int64_t p = 0; p < first; ++p)
    for (int64_t q = 0; q < second; ++q) {
      const int64_t t = batch_first ? q : p, row = order[static_cast<size_t>(batch_first ? p : q)];
      index.push_back(t < lengths[static_cast<size_t>(row)] ? starts[static_cast<size_t>(t)] + row : padding);
    }
  const Tensor fill = ops::full(with({1}, data.sizes().subspan(1)), Scalar(padding_value), data.dtype());
  const Tensor padded = ops::indexSelect(ops::cat(TensorList{data, fill}, 0), 0, int64s(index));
  for (const int64_t row : order) own.push_back(lengths[static_cast<size_t>(row)]);
  return {ops::reshape(padded, with({first, second}, data.sizes().subspan(1))), int64s(own)};
}

Tensor pad_sequence(const TensorList& sequences, bool batch_first, double padding_value) {
  FB_CHECK(!sequences.empty(), Value, "pad_sequence(): received an empty list of sequences");
  int64_t longest = 0;
  for (const Tensor& s : sequences) longest = std::max(longest, s.size(0));
  TensorList rows;
  for (const Tensor& s : sequences) {
    const int64_t lack = longest - s.size(0);
    const auto fill = [&] { return ops::full(with({lack}, s.sizes().subspan(1)), Scalar(padding_value), s.dtype()); };
    rows.push_back(lack == 0 ? s : ops::cat(TensorList{s, fill()}, 0));
  }
  return ops::stack(rows, batch_first ? 0 : 1);
}
PackedSequence pack_sequence(const TensorList& sequences, bool enforce_sorted) {
  std::vector<int64_t> lengths;
  for (const Tensor& s : sequences) lengths.push_back(s.size(0));
  return pack_padded_sequence(pad_sequence(sequences), lengths, false, enforce_sorted);
}

}  // namespace rnn

namespace {

TensorList gradsOf(const TensorList& parameters) {
  TensorList out;
  for (const Tensor& p : parameters)
    if (const Tensor g = p.grad(); g.defined()) out.push_back(ops::detach(g));
  return out;
}

}  // namespace

double clip_grad_norm_(const TensorList& parameters, double max_norm, double norm_type, bool error_if_nonfinite) {
  const autograd::GradGuard noGrad(false);
  const TensorList grads = gradsOf(parameters);
  if (grads.empty()) return 0;
  TensorList norms;
  for (const Tensor& g : grads) norms.push_back(ops::norm(g, norm_type));
  const Tensor total = ops::norm(ops::stack(norms, 0), norm_type);
  const double value = total.item<double>();
  FB_CHECK(!error_if_nonfinite || std::isfinite(value), Value,
           "The total norm of order %g for gradients from `parameters` is non-finite, so it cannot be clipped.",
           norm_type);
  const Tensor factor =
      ops::clampMax(ops::mul(ops::reciprocal(ops::add(total, Operand(1e-6))), Operand(max_norm)), Operand(1));
  for (const Tensor& g : grads) ops::mul_(g, factor);
  return value;
}
void clip_grad_value_(const TensorList& parameters, double clip_value) {
  const autograd::GradGuard noGrad(false);
  for (const Tensor& g : gradsOf(parameters)) ops::copy_(g, ops::clamp(g, Operand(-clip_value), Operand(clip_value)));
}
Tensor parameters_to_vector(const TensorList& parameters) {
  TensorList flat;
  for (const Tensor& p : parameters) flat.push_back(ops::reshape(p, Dims{-1}));
  return ops::cat(flat, 0);
}
void vector_to_parameters(const Tensor& vector, const TensorList& parameters) {
  const autograd::GradGuard noGrad(false);
  int64_t at = 0;
  for (const Tensor& p : parameters) {
    ops::copy_(p, ops::reshape(ops::narrow(vector, 0, at, p.numel()), p.sizes()));
    at += p.numel();
  }
}

}  // namespace flambeau::nn::utils
