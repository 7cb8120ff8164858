// Data sets and loaders. The order of a shuffled epoch is PyTorch's for the same seed.
#pragma once
#include <memory>
#include <string>

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

struct DataLoaderOptions {
  size_t batch_size = 1;
  bool shuffle = false;
  bool drop_last = false;
};

/// Batches of a data set, one epoch each time it is iterated: for (const Example& batch : loader).
class DataLoader {
 public:
  DataLoader(std::shared_ptr<const Dataset> dataset, DataLoaderOptions options);

  class Iterator {
   public:
    Example operator*() const { return loader_->batch(*order_, at_); }
    Iterator& operator++() {
      at_ += loader_->options_.batch_size;
      return *this;
    }
    bool operator!=(std::default_sentinel_t) const { return loader_->has(*order_, at_); }

   private:
    friend class DataLoader;
    const DataLoader* loader_ = nullptr;
    std::shared_ptr<const std::vector<int64_t>> order_;
    size_t at_ = 0;
  };
  /// Draws the order of an epoch from the default generator.
  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }
  /// Batches of an epoch.
  size_t size() const;

 private:
  Example batch(const std::vector<int64_t>& order, size_t at) const;
  bool has(const std::vector<int64_t>& order, size_t at) const;
  std::shared_ptr<const Dataset> dataset_;
  DataLoaderOptions options_;
};

}  // namespace flambeau::data
