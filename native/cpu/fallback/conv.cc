// Own convolutions. Float32 runs on the direct loops of cpu/isa: straight from the image when rows are whole chunks and
// the stride is one (after a padded copy if there is padding), else from unfolded columns. Float64 unfolds and
// multiplies.
#include <algorithm>
#include <vector>

#include "cpu/conv.h"
#include "cpu/conv_kernels.h"
#include "cpu/fallback/im2col.h"
#include "cpu/gemm.h"
#include "cpu/gemm_kernels.h"
#include "cpu/scratch.h"
#include "flambeau/error.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kParallelWork = int64_t{1} << 22;
constexpr int64_t kColumnFloats = int64_t{1} << 16;  // unfolded columns stay within 256 KB
constexpr int64_t kL1Floats = 8192;

// Where the loops read pixels: the image, a copy with its border, or columns.
enum class Source { Image, Padded, Columns };

class DirectConv : public ConvPlan {
 public:
  explicit DirectConv(const ConvSpec& s) : s_(s) {
    const ConvKernels& k = convKernels();
    const bool unit = s.stride[0] == 1 && s.stride[1] == 1 && s.stride[2] == 1,
               padded = s.pad[0] || s.pad[1] || s.pad[2];
    source_ = !unit || s.out[2] % k.chunk ? Source::Columns : padded ? Source::Padded : Source::Image;
    for (int d = 0; d < 3; ++d) box_[d] = s.in[d] + (source_ == Source::Padded ? 2 * s.pad[d] : 0);
    boxPixels_ = box_[0] * box_[1] * box_[2];
    const int64_t depth = s.depth();
    taps_.resize(static_cast<size_t>(depth));
    if (source_ == Source::Columns) {
      // Ranges of pixels, each a whole number of registers.
      range_ =
          std::clamp<int64_t>(kColumnFloats / std::max<int64_t>(1, depth) / 64 * 64, 64, (s.pixels() + 63) / 64 * 64);
      for (int64_t t = 0; t < depth; ++t) taps_[t] = t * range_;
      for (int64_t q = 0; q < range_; q += k.chunk) chunks_.push_back(q);
    } else {
      range_ = s.pixels();
      for (int64_t t = 0; t < depth; ++t) {
        const int64_t kw = t % s.kernel[2], kh = t / s.kernel[2] % s.kernel[1],
                      kd = t / (s.kernel[2] * s.kernel[1]) % s.kernel[0];
        taps_[t] = t / s.taps() * boxPixels_ + (kd * s.dilation[0] * box_[1] + kh * s.dilation[1]) * box_[2] +
                   kw * s.dilation[2];
      }
      for (int64_t z = 0; z < s.out[0]; ++z)
        for (int64_t y = 0; y < s.out[1]; ++y)
          for (int64_t x = 0; x < s.out[2]; x += k.chunk) chunks_.push_back((z * box_[1] + y) * box_[2] + x);
    }
  }

  int64_t packedFloats() const override { return s_.kind == ConvSpec::Kind::Forward ? groupFloats() * s_.groups : 0; }
  void pack(const void* weights, void* to) const override {
    const int64_t each = outGroup() * s_.depth();
    for (int64_t g = 0; g < s_.groups; ++g)
      packWeights(static_cast<const float*>(weights) + g * each, static_cast<float*>(to) + g * groupFloats());
  }
  void runPacked(const void* a, const void* packed, const void* bias, void* out) const override {
    forward(static_cast<const float*>(a), static_cast<const float*>(packed), static_cast<const float*>(bias),
            static_cast<float*>(out));
  }
  void run(const void* a, const void* b, const void* bias, void* out) const override {
    const float *p = static_cast<const float*>(a), *q = static_cast<const float*>(b);
    switch (s_.kind) {
      case ConvSpec::Kind::Forward: {
        static thread_local Scratch weights;
        float* packed = weights.get<float>(packedFloats());
        pack(b, packed);
        return runPacked(a, packed, bias, out);
      }
      case ConvSpec::Kind::BackwardInput:
        return backwardInput(p, q, static_cast<float*>(out));
      case ConvSpec::Kind::BackwardWeight:
        return backwardWeight(p, q, static_cast<float*>(out));
    }
  }
  const char* via() const override { return "own"; }

 private:
  int64_t inGroup() const { return s_.channels / s_.groups; }
  int64_t outGroup() const { return s_.outChannels / s_.groups; }
  /// Packed filters of one group.
  int64_t groupFloats() const {
    const int64_t rows = convKernels().rows;
    return (outGroup() + rows - 1) / rows * rows * s_.depth();
  }
  int64_t imageGrain() const {
    return std::max<int64_t>(1, kParallelWork * s_.batch / std::max<int64_t>(1, s_.work()));
  }

  // [block][tap][rows] of one group's weights, missing rows zero.
  void packWeights(const float* w, float* packed) const {
    const int64_t rows = convKernels().rows, depth = s_.depth(), out = outGroup();
    for (int64_t o = 0; o < out; o += rows) {
      const int64_t here = std::min(rows, out - o);
      if (here < rows) std::fill_n(packed, depth * rows, 0.0f);
      for (int64_t r = 0; r < here; ++r)
        for (int64_t t = 0; t < depth; ++t) packed[t * rows + r] = w[(o + r) * depth + t];
      packed += depth * rows;
    }
  }

  // Copies `channels` planes into their padded boxes; the border is zero.
  void padInto(const float* x, int64_t channels, float* to) const {
    std::fill_n(to, channels * boxPixels_, 0.0f);
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t z = 0; z < s_.in[0]; ++z)
        for (int64_t y = 0; y < s_.in[1]; ++y)
          std::memcpy(to + c * boxPixels_ + ((z + s_.pad[0]) * box_[1] + y + s_.pad[1]) * box_[2] + s_.pad[2],
                      x + c * s_.inPixels() + (z * s_.in[1] + y) * s_.in[2],
                      static_cast<size_t>(s_.in[2]) * sizeof(float));
  }

  void forward(const float* x, const float* packed, const float* bias, float* y) const {
    const ConvKernels& k = convKernels();
    const int64_t depth = s_.depth(), pixels = s_.pixels(), packedSize = groupFloats();
    parallelFor(s_.batch, imageGrain(), [&](int64_t begin, int64_t end) {
      static thread_local Scratch work;
      float* buffer = source_ == Source::Image    ? nullptr
                      : source_ == Source::Padded ? work.get<float>(inGroup() * boxPixels_)
                                                  : work.get<float>(depth * range_);
      for (int64_t n = begin; n < end; ++n)
        for (int64_t g = 0; g < s_.groups; ++g) {
          const float* image = x + (n * s_.channels + g * inGroup()) * s_.inPixels();
          float* to = y + (n * s_.outChannels + g * outGroup()) * pixels;
          ConvForwardBlock block{image,
                                 taps_.data(),
                                 depth,
                                 chunks_.data(),
                                 static_cast<int64_t>(chunks_.size()),
                                 k.chunk,
                                 packed + g * packedSize,
                                 outGroup(),
                                 bias ? bias + g * outGroup() : nullptr,
                                 to,
                                 pixels,
                                 s_.relu};
          if (source_ == Source::Padded) {
            padInto(image, inGroup(), buffer);
            block.x = buffer;
          }
          if (source_ != Source::Columns) {
            k.forward(block);
            continue;
          }
          for (int64_t q = 0; q < pixels; q += range_) {
            const int64_t count = std::min(range_, pixels - q), covered = (count + k.chunk - 1) / k.chunk * k.chunk;
            unfold(s_, image, 0, depth, q, q + count, buffer, range_);
            if (covered > count)
              for (int64_t t = 0; t < depth; ++t)
                std::fill(buffer + t * range_ + count, buffer + t * range_ + covered, 0.0f);
            block.x = buffer;
            block.chunkCount = covered / k.chunk;
            block.lastChunk = k.chunk - (covered - count);
            block.y = to + q;
            k.forward(block);
          }
        }
    });
  }

  void backwardWeight(const float* dy, const float* x, float* dw) const {
    const ConvKernels& k = convKernels();
    const int64_t depth = s_.depth(), pixels = s_.pixels(), outs = outGroup();
    std::fill_n(dw, s_.outChannels * depth, 0.0f);
    if (s_.batch == 0 || pixels == 0) return;
    // Tasks own ranges of taps, so that no two threads write one element and the order of the sums is fixed.
    const int64_t tiles = (depth + k.taps - 1) / k.taps, total = tiles * s_.groups;
    const int64_t grain = std::max<int64_t>(1, kParallelWork * total / std::max<int64_t>(1, s_.work()));
    parallelFor(total, grain, [&](int64_t begin, int64_t end) {
      static thread_local Scratch work;
      while (begin < end) {
        const int64_t g = begin / tiles, t0 = begin % tiles * k.taps, stop = std::min(end, (g + 1) * tiles);
        const int64_t t1 = std::min(depth, (stop - g * tiles) * k.taps);
        begin = stop;
        const float* image = x + g * inGroup() * s_.inPixels();
        ConvWeightBlock block{};
        block.dyImage = s_.outChannels * pixels;
        block.ldy = pixels;
        block.xImage = s_.channels * s_.inPixels();
        block.taps = taps_.data();
        block.tapBegin = t0;
        block.tapEnd = t1;
        block.chunks = chunks_.data();
        block.chunkCount = static_cast<int64_t>(chunks_.size());
        block.lastChunk = k.chunk;
        block.dw = dw + g * outs * depth;
        block.ldw = depth;
        const float* grad = dy + g * outs * pixels;
        if (source_ == Source::Columns) {
          float* columns = work.get<float>((t1 - t0) * range_);
          block.images = 1;
          block.channelBegin = 0;
          block.channelEnd = outs;
          for (int64_t n = 0; n < s_.batch; ++n)
            for (int64_t q = 0; q < pixels; q += range_) {
              const int64_t count = std::min(range_, pixels - q);
              unfold(s_, image + n * block.xImage, t0, t1, q, q + count, columns, range_);
              block.x = columns - t0 * range_;
              block.dy = grad + n * block.dyImage + q;
              block.chunkCount = (count + k.chunk - 1) / k.chunk;
              block.lastChunk = count - (block.chunkCount - 1) * k.chunk;
              k.weight(block);
            }
          continue;
        }
        // As many images at once as keep the gradients of one channel block in the first-level cache.
        const int64_t chunk = std::clamp<int64_t>(kL1Floats / (k.rows * pixels), 1, 32);
        const int64_t boxed = inGroup() * boxPixels_;
        float* boxes = source_ == Source::Padded ? work.get<float>(chunk * boxed) : nullptr;
        for (int64_t n = 0; n < s_.batch; n += chunk) {
          block.images = std::min(chunk, s_.batch - n);
          block.x = image + n * block.xImage;
          if (boxes) {
            for (int64_t i = 0; i < block.images; ++i)
              padInto(image + (n + i) * s_.channels * s_.inPixels(), inGroup(), boxes + i * boxed);
            block.x = boxes;
          }
          if (boxes) block.xImage = boxed;
          block.dy = grad + n * block.dyImage;
          for (int64_t o = 0; o < outs; o += k.rows) {
            block.channelBegin = o;
            block.channelEnd = std::min(outs, o + k.rows);
            k.weight(block);
          }
        }
      }
    });
  }

  void backwardInput(const float* dy, const float* w, float* dx) const {
    const ConvKernels& k = convKernels();
    const int64_t depth = s_.depth(), pixels = s_.pixels(), taps = s_.taps(), outs = outGroup();
    const bool gather = s_.stride[1] == 1 && s_.stride[2] == 1 && s_.in[0] == 1 && s_.kernel[0] == 1 &&
                        s_.out[0] == 1 && s_.pad[0] == 0 && s_.kernel[2] <= 16;
    if (pixels == 0) return static_cast<void>(std::fill_n(dx, s_.batch * s_.channels * s_.inPixels(), 0.0f));
    // Several channels at once, as long as their columns stay close to the first-level cache.
    const int64_t together = std::clamp<int64_t>(10240 / (taps * pixels), 1, inGroup());
    parallelFor(s_.batch, imageGrain(), [&](int64_t begin, int64_t end) {
      static thread_local Scratch work;
      float* columns = work.get<float>(together * taps * pixels);
      for (int64_t n = begin; n < end; ++n)
        for (int64_t g = 0; g < s_.groups; ++g)
          for (int64_t c = 0; c < inGroup(); c += together) {
            const int64_t here = std::min(together, inGroup() - c);
            // columns[c, t][q] = sum over output channels of w[o][c][t] dy[o][q]
            GemmBlock<float> block{here * taps,
                                   pixels,
                                   outs,
                                   w + g * outs * depth + c * taps,
                                   1,
                                   depth,
                                   dy + (n * s_.outChannels + g * outs) * pixels,
                                   pixels,
                                   columns,
                                   pixels,
                                   nullptr,
                                   false,
                                   false};
            gemmLoops<float>().outer(block);
            for (int64_t i = 0; i < here; ++i) {
              float* plane = dx + (n * s_.channels + g * inGroup() + c + i) * s_.inPixels();
              const float* from = columns + i * taps * pixels;
              if (gather) {
                k.fold({from, pixels, s_.kernel[1], s_.kernel[2], s_.dilation[1], s_.dilation[2], s_.pad[1], s_.pad[2],
                        s_.out[1], s_.out[2], s_.in[1], s_.in[2], plane});
              } else {
                std::fill_n(plane, s_.inPixels(), 0.0f);
                foldAdd(s_, from, pixels, plane);
              }
            }
          }
    });
  }

  ConvSpec s_;
  Source source_;
  std::array<int64_t, 3> box_{};
  int64_t boxPixels_ = 0, range_ = 0;
  std::vector<int64_t> taps_, chunks_;
};

// Everything but float32: one image at a time, unfolded whole.
template <class T>
class UnfoldConv : public ConvPlan {
 public:
  explicit UnfoldConv(const ConvSpec& s) : s_(s) {}
  const char* via() const override { return "own"; }
  void run(const void* a, const void* b, const void* bias, void* out) const override {
    const T *p = static_cast<const T*>(a), *q = static_cast<const T*>(b), *add = static_cast<const T*>(bias);
    T* o = static_cast<T*>(out);
    const int64_t depth = s_.depth(), pixels = s_.pixels(), outs = s_.outChannels / s_.groups,
                  ins = s_.channels / s_.groups, taps = s_.taps();
    static thread_local Scratch work;
    T* columns = work.get<T>(std::max<int64_t>(1, depth * pixels));
    GemmSpec m;
    m.dtype = s_.dtype;
    if (s_.kind == ConvSpec::Kind::BackwardWeight) std::fill_n(o, s_.outChannels * depth, T(0));
    if (s_.kind == ConvSpec::Kind::BackwardInput) std::fill_n(o, s_.batch * s_.channels * s_.inPixels(), T(0));
    for (int64_t n = 0; n < s_.batch; ++n)
      for (int64_t g = 0; g < s_.groups; ++g) {
        const int64_t image = (n * s_.channels + g * ins) * s_.inPixels(),
                      result = (n * s_.outChannels + g * outs) * pixels, filter = g * outs * depth;
        if (s_.kind == ConvSpec::Kind::Forward) {
          unfold(s_, p + image, 0, depth, 0, pixels, columns, pixels);
          m.m = outs, m.n = pixels, m.k = depth, m.aRow = depth, m.aCol = 1, m.bRow = pixels, m.bCol = 1,
          m.cRow = pixels;
          if (add)
            for (int64_t c = 0; c < outs; ++c) std::fill_n(o + result + c * pixels, pixels, add[g * outs + c]);
          m.accumulate = add != nullptr;
          m.relu = s_.relu;
          gemmPortable(m, q + filter, columns, nullptr, o + result);
        } else if (s_.kind == ConvSpec::Kind::BackwardWeight) {
          unfold(s_, q + image, 0, depth, 0, pixels, columns, pixels);
          m.m = outs, m.n = depth, m.k = pixels, m.aRow = pixels, m.aCol = 1, m.bRow = 1, m.bCol = pixels,
          m.cRow = depth, m.accumulate = true;
          gemmPortable(m, p + result, columns, nullptr, o + filter);
        } else {
          m.m = depth, m.n = pixels, m.k = outs, m.aRow = 1, m.aCol = depth, m.bRow = pixels, m.bCol = 1,
          m.cRow = pixels;
          gemmPortable(m, q + filter, p + result, nullptr, columns);
          for (int64_t c = 0; c < ins; ++c)
            foldAdd(s_, columns + c * taps * pixels, pixels, o + image + c * s_.inPixels());
        }
      }
  }

 private:
  ConvSpec s_;
};

}  // namespace

Ref<ConvPlan> planOwnConv(const ConvSpec& spec) {
  if (spec.dtype == DType::Float32) return makeRef<DirectConv>(spec);
  if (spec.dtype == DType::Int32) return makeRef<UnfoldConv<uint32_t>>(spec);
  if (spec.dtype == DType::Int64) return makeRef<UnfoldConv<uint64_t>>(spec);
  FB_CHECK(spec.dtype == DType::Float64, Internal, "convolution: element type without loops");
  return makeRef<UnfoldConv<double>>(spec);
}

}  // namespace flambeau::cpu
