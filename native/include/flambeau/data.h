// Data sets and loaders. The order of a shuffled epoch is PyTorch's for the same seed.
#pragma once
#include <deque>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flambeau/samplers.h"
#include "flambeau/tensor.h"

namespace flambeau::data {

struct Example {
  Tensor data, target;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual size_t size() const = 0;
  /// Examples at these positions, stacked along a new first dimension.
  virtual Example get_batch(const std::vector<int64_t>& indices) const = 0;
};

/// Rows of tensors with equal first extents.
class TensorDataset : public Dataset {
 public:
  TensorDataset(Tensor data, Tensor target);
  size_t size() const override;
  Example get_batch(const std::vector<int64_t>& indices) const override;

 private:
  Tensor data_, target_;
};

namespace datasets {
/// The handwritten digits: [1, 28, 28] float32 in [0, 1], normalised when asked to; labels int64. Reads the four IDX
/// files (train-images-idx3-ubyte, ...) of `root`. Throws Error(File) for one that is missing or damaged.
class MNIST : public Dataset {
 public:
  enum class Mode { kTrain, kTest };
  explicit MNIST(const std::string& root, Mode mode = Mode::kTrain);
  /// (x - mean) / std of every image.
  MNIST& normalize(double mean, double std);
  size_t size() const override;
  Example get_batch(const std::vector<int64_t>& indices) const override;

 private:
  std::vector<uint8_t> images_, labels_;
  float mean_ = 0, std_ = 1;
};
}  // namespace datasets

/// Some positions of another data set.
class Subset : public Dataset {
 public:
  /// Throws Error(Index) for positions that the data set does not have.
  Subset(std::shared_ptr<const Dataset> dataset, std::vector<int64_t> indices);
  size_t size() const override { return indices_.size(); }
  Example get_batch(const std::vector<int64_t>& indices) const override;

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<int64_t> indices_;
};
/// Several data sets, one after the other.
class ConcatDataset : public Dataset {
 public:
  explicit ConcatDataset(std::vector<std::shared_ptr<const Dataset>> datasets);
  size_t size() const override;
  Example get_batch(const std::vector<int64_t>& indices) const override;

 private:
  std::vector<std::shared_ptr<const Dataset>> datasets_;
  std::vector<int64_t> ends_;
};
/// Subsets of these sizes in random order. Throws Error(Value) unless the sizes add up to the data set's.
std::vector<std::shared_ptr<Subset>> random_split(std::shared_ptr<const Dataset> dataset,
                                                  const std::vector<int64_t>& lengths, Generator* generator = nullptr);

struct DataLoaderOptions {
  size_t batch_size = 1;
  bool shuffle = false;
  bool drop_last = false;
  /// The order of an epoch instead of `shuffle`.
  std::shared_ptr<const samplers::Sampler> sampler = nullptr;
  /// Whole batches instead of batch_size, shuffle, sampler and drop_last.
  std::shared_ptr<const samplers::BatchSampler> batch_sampler = nullptr;
  /// Batches that are loaded ahead, each in a thread of its own; 0: in the loop. The data set must be safe to read from
  /// several threads (those of this file are). Batches come in order whatever their number.
  size_t workers = 0;
};

/// Batches of a data set, one epoch each time it is iterated: for (const Example& batch : loader).
class DataLoader {
 public:
  /// Throws Error(Value) for options that exclude each other.
  DataLoader(std::shared_ptr<const Dataset> dataset, DataLoaderOptions options);

  class Iterator {
   public:
    Example operator*();
    Iterator& operator++();
    bool operator!=(std::default_sentinel_t) const { return at_ < batches_.size(); }

   private:
    friend class DataLoader;
    void loadAhead();
    std::shared_ptr<const Dataset> dataset_;
    std::vector<std::vector<int64_t>> batches_;
    size_t at_ = 0, workers_ = 0, requested_ = 0;
    std::deque<std::future<Example>> ahead_;
    std::optional<Example> present_;
  };
  /// Draws the order of an epoch from the default generator.
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }
  /// Batches of an epoch.
  size_t size() const { return batches_->size(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const samplers::BatchSampler> batches_;
  size_t workers_;
};

}  // namespace flambeau::data
