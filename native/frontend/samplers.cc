// Samplers; src/data/sampler.ts has the same draws.
#include "flambeau/samplers.h"

#include <algorithm>
#include <numeric>

#include "flambeau/generator.h"
#include "flambeau/ops.h"

namespace flambeau::data::samplers {

namespace {

std::vector<int64_t> numbers(const Tensor& t) { return {t.ptr<int64_t>(), t.ptr<int64_t>() + t.numel()}; }
std::vector<int64_t> permutation(size_t n, Generator* generator) {
  return numbers(ops::randperm(static_cast<int64_t>(n), std::nullopt, generator));
}
void checkCount(int64_t n) {
  FB_CHECK(n > 0, Value, "num_samples should be a positive integer value, but got num_samples=%lld",
           static_cast<long long>(n));
}

}  // namespace

uint64_t draw_seed(Generator* generator) {
  Generator& g = generator != nullptr ? *generator : defaultGenerator();
  const std::lock_guard<std::mutex> lock(g.mutex);
  return g.random64() & ((uint64_t{1} << 63) - 1);
}

std::vector<int64_t> SequentialSampler::sample() const {
  std::vector<int64_t> order(size_);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

RandomSampler::RandomSampler(size_t size, bool replacement, std::optional<int64_t> num_samples, Generator* generator)
    : size_(size),
      count_(num_samples ? static_cast<size_t>(*num_samples) : size),
      replacement_(replacement),
      generator_(generator) {
  if (num_samples) checkCount(*num_samples);
}
std::vector<int64_t> RandomSampler::sample() const {
  // PyTorch seeds a generator of the epoch from the default one unless it was given one.
  std::optional<Generator> own;
  Generator* generator = generator_ != nullptr ? generator_ : &own.emplace(draw_seed());
  std::vector<int64_t> out;
  if (size_ == 0) return out;
  const auto append = [&](const std::vector<int64_t>& part) { out.insert(out.end(), part.begin(), part.end()); };
  if (replacement_) {
    // In blocks of 32, as PyTorch draws them.
    while (out.size() < count_) {
      const auto n = static_cast<int64_t>(std::min<size_t>(32, count_ - out.size()));
      append(numbers(ops::randint_(emptyTensor(Dims{n}, DType::Int64), 0, static_cast<int64_t>(size_), generator)));
    }
    return out;
  }
  for (size_t i = 0; i < count_ / size_; ++i) append(permutation(size_, generator));
  // Also drawn when nothing is left, as PyTorch does: a shared generator advances.
  append(permutation(size_, generator));
  out.resize(count_);
  return out;
}

std::vector<int64_t> SubsetRandomSampler::sample() const {
  std::vector<int64_t> out = permutation(indices_.size(), generator_);
  for (int64_t& i : out) i = indices_[static_cast<size_t>(i)];
  return out;
}

WeightedRandomSampler::WeightedRandomSampler(std::vector<double> weights, int64_t num_samples, bool replacement,
                                             Generator* generator)
    : weights_(std::move(weights)), count_(num_samples), replacement_(replacement), generator_(generator) {
  checkCount(num_samples);
}
std::vector<int64_t> WeightedRandomSampler::sample() const {
  const Tensor w = emptyTensor(Dims{static_cast<int64_t>(weights_.size())}, DType::Float64);
  std::copy(weights_.begin(), weights_.end(), w.ptr<double>());
  return numbers(ops::multinomial(w, count_, replacement_, generator_));
}

DistributedSampler::DistributedSampler(size_t size, int64_t num_replicas, int64_t rank, bool shuffle, uint64_t seed,
                                       bool drop_last)
    : size_(size), replicas_(num_replicas), rank_(rank), shuffle_(shuffle), drop_last_(drop_last), seed_(seed) {
  FB_CHECK(rank >= 0 && rank < num_replicas, Value, "Invalid rank %lld, rank should be in the interval [0, %lld]",
           static_cast<long long>(rank), static_cast<long long>(num_replicas - 1));
}
size_t DistributedSampler::size() const {
  const auto n = static_cast<size_t>(replicas_);
  return drop_last_ ? size_ / n : (size_ + n - 1) / n;
}
std::vector<int64_t> DistributedSampler::sample() const {
  std::vector<int64_t> order = SequentialSampler(size_).sample(), out;
  if (shuffle_) {
    Generator generator(seed_ + epoch_);
    order = permutation(size_, &generator);
  }
  for (size_t i = 0; i < size(); ++i)
    out.push_back(order[(static_cast<size_t>(rank_) + i * static_cast<size_t>(replicas_)) % size_]);
  return out;
}

BatchSampler::BatchSampler(std::shared_ptr<const Sampler> sampler, size_t batch_size, bool drop_last)
    : sampler_(std::move(sampler)), batch_size_(batch_size), drop_last_(drop_last) {
  FB_CHECK(sampler_ != nullptr, Value, "BatchSampler: there is no sampler");
  FB_CHECK(batch_size > 0, Value, "batch_size should be a positive integer value, but got batch_size=0");
}
size_t BatchSampler::size() const {
  const size_t n = sampler_->size();
  return drop_last_ ? n / batch_size_ : (n + batch_size_ - 1) / batch_size_;
}
std::vector<std::vector<int64_t>> BatchSampler::sample() const {
  std::vector<std::vector<int64_t>> out;
  for (const int64_t i : sampler_->sample()) {
    if (out.empty() || out.back().size() == batch_size_) out.emplace_back();
    out.back().push_back(i);
  }
  if (drop_last_ && !out.empty() && out.back().size() < batch_size_) out.pop_back();
  return out;
}

}  // namespace flambeau::data::samplers
