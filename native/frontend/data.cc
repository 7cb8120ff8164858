// Data sets and the loader.
#include "flambeau/data.h"

#include <algorithm>
#include <fstream>
#include <numeric>

#include "flambeau/generator.h"
#include "flambeau/ops.h"

namespace flambeau::data {

TensorDataset::TensorDataset(Tensor data, Tensor target) : data_(std::move(data)), target_(std::move(target)) {
  FB_CHECK(data_.dim() > 0 && target_.dim() > 0 && data_.size(0) == target_.size(0), Value,
           "Size mismatch between tensors");
}
size_t TensorDataset::size() const { return static_cast<size_t>(data_.size(0)); }
Example TensorDataset::get_batch(const std::vector<int64_t>& indices) const {
  Tensor at = emptyTensor(Dims{static_cast<int64_t>(indices.size())}, DType::Int64);
  std::copy(indices.begin(), indices.end(), at.ptr<int64_t>());
  return {ops::indexSelect(data_, 0, at), ops::indexSelect(target_, 0, at)};
}

namespace datasets {
namespace {

constexpr size_t kPixels = 28 * 28;

/// An IDX file of unsigned bytes. Source of the format: http://yann.lecun.com/exdb/mnist/
std::vector<uint8_t> readIdx(const std::string& path, uint8_t dims, size_t each) {
  std::ifstream in(path, std::ios::binary);
  FB_CHECK(in.good(), File, "MNIST: cannot read '%s'", path.c_str());
  const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const size_t header = 4 + 4 * size_t{dims};
  FB_CHECK(bytes.size() >= header && bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 8 && bytes[3] == dims, File,
           "MNIST: '%s' is no IDX file of bytes with %d dimensions", path.c_str(), dims);
  uint64_t total = 1;
  for (uint8_t d = 0; d < dims; ++d) {
    const uint8_t* p = &bytes[4 + 4 * size_t{d}];
    const uint32_t extent = uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
    FB_CHECK(d == 0 || extent == 28, File, "MNIST: '%s' holds no images of 28 x 28", path.c_str());
    FB_CHECK(!__builtin_mul_overflow(total, uint64_t{extent}, &total), File, "MNIST: '%s' is damaged", path.c_str());
  }
  FB_CHECK(bytes.size() - header == total && total % each == 0, File,
           "MNIST: '%s' has %zu bytes of data, its header says %llu", path.c_str(), bytes.size() - header,
           static_cast<unsigned long long>(total));
  return {bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end()};
}

}  // namespace

MNIST::MNIST(const std::string& root, Mode mode) {
  const std::string prefix = root + (mode == Mode::kTrain ? "/train-" : "/t10k-");
  images_ = readIdx(prefix + "images-idx3-ubyte", 3, kPixels);
  labels_ = readIdx(prefix + "labels-idx1-ubyte", 1, 1);
  FB_CHECK(images_.size() == labels_.size() * kPixels, File, "MNIST: '%s' has not one label for each image",
           root.c_str());
}
MNIST& MNIST::normalize(double mean, double std) {
  FB_CHECK(std != 0, Value, "normalize: std is 0");
  mean_ = static_cast<float>(mean), std_ = static_cast<float>(std);
  return *this;
}
size_t MNIST::size() const { return labels_.size(); }
Example MNIST::get_batch(const std::vector<int64_t>& indices) const {
  const int64_t n = static_cast<int64_t>(indices.size());
  Tensor x = emptyTensor(Dims{n, 1, 28, 28}, DType::Float32), y = emptyTensor(Dims{n}, DType::Int64);
  float* to = x.ptr<float>();
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = indices[static_cast<size_t>(i)];
    FB_CHECK(at >= 0 && static_cast<size_t>(at) < size(), Index, "MNIST: index %lld is out of range (%zu images)",
             static_cast<long long>(at), size());
    const uint8_t* from = &images_[static_cast<size_t>(at) * kPixels];
    // ToTensor, then Normalize.
    for (size_t k = 0; k < kPixels; ++k) *to++ = (static_cast<float>(from[k]) / 255.0f - mean_) / std_;
    y.ptr<int64_t>()[i] = labels_[static_cast<size_t>(at)];
  }
  return {x, y};
}

}  // namespace datasets

DataLoader::DataLoader(std::shared_ptr<const Dataset> dataset, DataLoaderOptions options)
    : dataset_(std::move(dataset)), options_(options) {
  FB_CHECK(dataset_ != nullptr, Value, "DataLoader: there is no dataset");
  FB_CHECK(options.batch_size > 0, Value, "batch_size should be a positive integer value, but got batch_size=0");
}
namespace {
/// What PyTorch's loaders draw for every epoch: 63 bits of two draws.
uint64_t drawSeed() {
  Generator& g = defaultGenerator();
  std::lock_guard<std::mutex> lock(g.mutex);
  return g.random64() & ((uint64_t{1} << 63) - 1);
}
}  // namespace
DataLoader::Iterator DataLoader::begin() const {
  auto order = std::make_shared<std::vector<int64_t>>(dataset_->size());
  std::iota(order->begin(), order->end(), 0);
  drawSeed();  // the seed of worker processes, which PyTorch draws first
  if (options_.shuffle) {
    Generator generator(drawSeed());
    const Tensor permutation = ops::randperm(static_cast<int64_t>(order->size()), std::nullopt, &generator);
    std::copy_n(permutation.ptr<int64_t>(), order->size(), order->begin());
  }
  Iterator it;
  it.loader_ = this;
  it.order_ = std::move(order);
  return it;
}
bool DataLoader::has(const std::vector<int64_t>& order, size_t at) const {
  return options_.drop_last ? at + options_.batch_size <= order.size() : at < order.size();
}
Example DataLoader::batch(const std::vector<int64_t>& order, size_t at) const {
  const size_t end = std::min(order.size(), at + options_.batch_size);
  return dataset_->get_batch(
      {order.begin() + static_cast<std::ptrdiff_t>(at), order.begin() + static_cast<std::ptrdiff_t>(end)});
}
size_t DataLoader::size() const {
  const size_t n = dataset_->size(), b = options_.batch_size;
  return options_.drop_last ? n / b : (n + b - 1) / b;
}

}  // namespace flambeau::data
