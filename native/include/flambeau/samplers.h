// Samplers: the order in which a loader visits a data set. Draws equal PyTorch's for the same seed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace flambeau {
class Generator;
}

namespace flambeau::data::samplers {

/// Gives the indices of an epoch; the number of them is known before.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual size_t size() const = 0;
  virtual std::vector<int64_t> sample() const = 0;
};

/// 0, 1, 2, ...
class SequentialSampler : public Sampler {
 public:
  explicit SequentialSampler(size_t size) : size_(size) {}
  size_t size() const override { return size_; }
  std::vector<int64_t> sample() const override;

 private:
  size_t size_;
};

/// A random order; with `replacement` independent draws. `num_samples` of an epoch: the data set's size unless given.
/// Generators (here and below) are the default one unless given, and must outlive the sampler.
class RandomSampler : public Sampler {
 public:
  explicit RandomSampler(size_t size, bool replacement = false, std::optional<int64_t> num_samples = {},
                         Generator* generator = nullptr);
  size_t size() const override { return count_; }
  std::vector<int64_t> sample() const override;

 private:
  size_t size_, count_;
  bool replacement_;
  Generator* generator_;
};

/// The given indices in random order.
class SubsetRandomSampler : public Sampler {
 public:
  explicit SubsetRandomSampler(std::vector<int64_t> indices, Generator* generator = nullptr)
      : indices_(std::move(indices)), generator_(generator) {}
  size_t size() const override { return indices_.size(); }
  std::vector<int64_t> sample() const override;

 private:
  std::vector<int64_t> indices_;
  Generator* generator_;
};

/// Indices drawn with probabilities proportional to `weights`.
class WeightedRandomSampler : public Sampler {
 public:
  WeightedRandomSampler(std::vector<double> weights, int64_t num_samples, bool replacement = true,
                        Generator* generator = nullptr);
  size_t size() const override { return static_cast<size_t>(count_); }
  std::vector<int64_t> sample() const override;

 private:
  std::vector<double> weights_;
  int64_t count_;
  bool replacement_;
  Generator* generator_;
};

/// The part of a data set that one of several processes reads; call set_epoch before each epoch, or the order stays the
/// same. Without `drop_last` the first indices are given out again where the parts differ in size.
class DistributedSampler : public Sampler {
 public:
  DistributedSampler(size_t size, int64_t num_replicas, int64_t rank, bool shuffle = true, uint64_t seed = 0,
                     bool drop_last = false);
  size_t size() const override;
  std::vector<int64_t> sample() const override;
  void set_epoch(uint64_t epoch) { epoch_ = epoch; }

 private:
  size_t size_;
  int64_t replicas_, rank_;
  bool shuffle_, drop_last_;
  uint64_t seed_, epoch_ = 0;
};

/// Groups the indices of another sampler.
class BatchSampler {
 public:
  BatchSampler(std::shared_ptr<const Sampler> sampler, size_t batch_size, bool drop_last = false);
  virtual ~BatchSampler() = default;
  virtual size_t size() const;
  virtual std::vector<std::vector<int64_t>> sample() const;

 protected:
  BatchSampler() = default;

 private:
  std::shared_ptr<const Sampler> sampler_;
  size_t batch_size_ = 1;
  bool drop_last_ = false;
};

/// What PyTorch's loaders and samplers draw for every epoch: 63 bits of two draws.
uint64_t draw_seed(Generator* generator = nullptr);

}  // namespace flambeau::data::samplers
