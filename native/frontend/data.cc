// Data sets and the loader.
#include "flambeau/data.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "flambeau/generator.h"
#include "flambeau/ops.h"
#include "runtime/file.h"

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
  const std::vector<std::byte> file = runtime::readFile(path);
  const std::span bytes(reinterpret_cast<const uint8_t*>(file.data()), file.size());
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

Subset::Subset(std::shared_ptr<const Dataset> dataset, std::vector<int64_t> indices)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  FB_CHECK(dataset_ != nullptr, Value, "Subset: there is no dataset");
  for (const int64_t i : indices_)
    FB_CHECK(i >= 0 && static_cast<size_t>(i) < dataset_->size(), Index,
             "Subset: index %lld is out of range (%zu examples)", static_cast<long long>(i), dataset_->size());
}
Example Subset::get_batch(const std::vector<int64_t>& indices) const {
  std::vector<int64_t> own;
  for (const int64_t i : indices) {
    FB_CHECK(i >= 0 && static_cast<size_t>(i) < size(), Index, "Subset: index %lld is out of range (%zu examples)",
             static_cast<long long>(i), size());
    own.push_back(indices_[static_cast<size_t>(i)]);
  }
  return dataset_->get_batch(own);
}

ConcatDataset::ConcatDataset(std::vector<std::shared_ptr<const Dataset>> datasets) : datasets_(std::move(datasets)) {
  FB_CHECK(!datasets_.empty(), Value, "datasets should not be an empty iterable");
  int64_t end = 0;
  for (const auto& d : datasets_) {
    FB_CHECK(d != nullptr, Value, "ConcatDataset: one of the datasets is empty");
    ends_.push_back(end += static_cast<int64_t>(d->size()));
  }
}
size_t ConcatDataset::size() const { return static_cast<size_t>(ends_.back()); }
Example ConcatDataset::get_batch(const std::vector<int64_t>& indices) const {
  TensorList data, target;
  for (const int64_t i : indices) {
    FB_CHECK(i >= 0 && i < ends_.back(), Index, "ConcatDataset: index %lld is out of range (%zu examples)",
             static_cast<long long>(i), size());
    const auto at = static_cast<size_t>(std::ranges::upper_bound(ends_, i) - ends_.begin());
    const Example one = datasets_[at]->get_batch({i - (at > 0 ? ends_[at - 1] : 0)});
    data.push_back(one.data);
    target.push_back(one.target);
  }
  return {ops::cat(data, 0), ops::cat(target, 0)};
}

std::vector<std::shared_ptr<Subset>> random_split(std::shared_ptr<const Dataset> dataset,
                                                  const std::vector<int64_t>& lengths, Generator* generator) {
  FB_CHECK(dataset != nullptr, Value, "random_split: there is no dataset");
  const auto total = static_cast<int64_t>(dataset->size());
  for (const int64_t n : lengths) FB_CHECK(n >= 0, Value, "random_split: a length is negative");
  FB_CHECK(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}) == total, Value,
           "Sum of input lengths does not equal the length of the input dataset!");
  const Tensor order = ops::randperm(total, std::nullopt, generator);
  std::vector<std::shared_ptr<Subset>> out;
  const int64_t* at = order.ptr<int64_t>();
  for (const int64_t n : lengths) {
    out.push_back(std::make_shared<Subset>(dataset, std::vector<int64_t>(at, at + n)));
    at += n;
  }
  return out;
}

DataLoader::DataLoader(std::shared_ptr<const Dataset> dataset, DataLoaderOptions o)
    : dataset_(std::move(dataset)), batches_(std::move(o.batch_sampler)), workers_(o.workers) {
  FB_CHECK(dataset_ != nullptr, Value, "DataLoader: there is no dataset");
  FB_CHECK(o.batch_size > 0, Value, "batch_size should be a positive integer value, but got batch_size=0");
  FB_CHECK(o.sampler == nullptr || !o.shuffle, Value, "sampler option is mutually exclusive with shuffle");
  FB_CHECK(batches_ == nullptr || (o.batch_size == 1 && !o.shuffle && o.sampler == nullptr && !o.drop_last), Value,
           "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last");
  if (batches_ != nullptr) return;
  std::shared_ptr<const samplers::Sampler> order = o.sampler;
  if (order == nullptr && o.shuffle) order = std::make_shared<samplers::RandomSampler>(dataset_->size());
  if (order == nullptr) order = std::make_shared<samplers::SequentialSampler>(dataset_->size());
  batches_ = std::make_shared<samplers::BatchSampler>(order, o.batch_size, o.drop_last);
}
DataLoader::Iterator DataLoader::begin() const {
  samplers::draw_seed();  // the seed of worker processes, which PyTorch draws first
  Iterator it;
  it.dataset_ = dataset_;
  it.batches_ = batches_->sample();
  it.workers_ = workers_;
  it.loadAhead();
  return it;
}
void DataLoader::Iterator::loadAhead() {
  while (ahead_.size() < workers_ && requested_ < batches_.size())
    ahead_.push_back(std::async(
        std::launch::async, [set = dataset_, indices = batches_[requested_++]] { return set->get_batch(indices); }));
}
Example DataLoader::Iterator::operator*() {
  // Dereferencing twice gives the same batch.
  if (!present_) present_ = ahead_.empty() ? dataset_->get_batch(batches_[at_]) : ahead_.front().get();
  return *present_;
}
DataLoader::Iterator& DataLoader::Iterator::operator++() {
  present_.reset();
  ++at_;
  if (!ahead_.empty()) ahead_.pop_front();
  loadAhead();
  return *this;
}

}  // namespace flambeau::data
