// Convolutions as products over packed panels: filters in tiles of rows, the pixels that one tap after the other sees
// in panels of columns, which are packed from the plain image just before they are used. Nothing is reordered on the
// way in or out, so it wins where a library would convert layouts. A transposed convolution is a dense one of unit
// stride for every remainder of an output position by the stride ("phase"), each with its share of the taps: nothing is
// multiplied with inserted zeros or summed by scattering.
#include <algorithm>
#include <vector>

#include "cpu/conv_box.h"
#include "cpu/panel_kernels.h"
#include "cpu/scratch.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPanelBytes = 160 << 10;   // packed panels stay in the second-level cache
constexpr int64_t kFilterBytes = 192 << 10;  // filters up to this size as well
constexpr int64_t kMostPixels = 512;         // of one task
constexpr int64_t kParallelWork = 1 << 21;   // multiply-adds worth a task

/// A dense correlation: all results whose positions have the same remainders.
struct Phase {
  int64_t remainder[3] = {};
  std::array<int64_t, 3> count{};
  std::vector<int64_t> offsets;  // of every (channel, tap) in the box
  std::vector<int64_t> taps;     // flat numbers of the taps, per channel
  std::vector<PixelRun> runs;    // one per register of results
  std::vector<int64_t> lanes;    // for runs that go lane by lane
  int64_t filters = 0;           // start of its packed filters within a group's
};

class PackedConv : public ConvPlan {
 public:
  explicit PackedConv(const ConvSpec& s) : s_(s), box_(s), forward_(s.kind == ConvSpec::Kind::Forward) {
    const PanelKernels& k = panelKernels();
    rows_ = (forward_ ? s.outChannels : s.channels) / s.groups;
    inner_ = (forward_ ? s.channels : s.outChannels) / s.groups;
    direct_ = forward_ || s.stride == std::array<int64_t, 3>{1, 1, 1};
    boxed_ = box_.size != box_.source;
    const auto& axes = box_.axes;
    for (const ConvAxis& z : axes[0])
      for (const ConvAxis& y : axes[1])
        for (const ConvAxis& x : axes[2])
          addPhase(z, y, x, &z - axes[0].data(), &y - axes[1].data(), &x - axes[2].data());
    streams_ = direct_ ? 1 : s.stride[2];
    // Panels of one task.
    const int64_t most = std::max<int64_t>(1, inner_ * s.taps());
    const int64_t parts = (most + panelDepth(k) - 1) / panelDepth(k);
    depth_ = (most + parts - 1) / parts;
    const int64_t steps = std::min(most, depth_);
    const int64_t pixelsByPanels = kPanelBytes / (steps * 4),
                  pixelsByResults = direct_ ? kMostPixels : kPanelBytes / (rows_ * streams_ * 4);
    block_ = std::clamp(std::min({pixelsByPanels, pixelsByResults, kMostPixels}) / k.columns, int64_t{1}, int64_t{64}) *
             k.columns;
  }

  const char* via() const override { return "own, packed"; }
  int64_t packedFloats() const override { return filterFloats_ * s_.groups; }

  void pack(const void* weights, void* to) const override {
    const float* w = static_cast<const float*>(weights);
    float* at = static_cast<float*>(to);
    const int64_t taps = s_.taps(), tile = panelKernels().rows;
    const int64_t rowStep = forward_ ? inner_ * taps : taps, innerStep = forward_ ? taps : rows_ * taps;
    for (int64_t g = 0; g < s_.groups; ++g, at += filterFloats_) {
      const float* group = w + g * rows_ * inner_ * taps;
      for (const Phase& p : phases_) {
        const int64_t each = static_cast<int64_t>(p.taps.size()), depth = inner_ * each;
        float* to0 = at + p.filters;
        const int64_t tiles = (rows_ + tile - 1) / tile;
        parallelFor(tiles, std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, depth * tile)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t t = begin; t < end; ++t)
                        for (int64_t k0 = 0; k0 < depth; k0 += depth_) {
                          const int64_t k1 = std::min(depth, k0 + depth_), here = std::min(tile, rows_ - t * tile);
                          float* o = to0 + k0 * rows_ + t * tile * (k1 - k0);
                          for (int64_t r = 0; r < here; ++r) {
                            const float* row = group + (t * tile + r) * rowStep;
                            for (int64_t k = k0; k < k1; ++k)
                              o[(k - k0) * here + r] = row[k / each * innerStep + p.taps[k % each]];
                          }
                        }
                    });
      }
    }
  }

  void run(const void* a, const void* b, const void* bias, void* out) const override {
    static thread_local Scratch filters;
    void* packed = filters.get(static_cast<size_t>(packedFloats()) * sizeof(float) + 64);
    pack(b, packed);
    runPacked(a, packed, bias, out);
  }

  void runPacked(const void* a, const void* filters, const void* bias, void* out) const override {
    const float* x = static_cast<const float*>(a);
    const int64_t image = inner_ * box_.sourcePixels(), images = s_.batch * s_.groups;
    if (!boxed_)
      return parts(x, image, 0, images, static_cast<const float*>(filters), static_cast<const float*>(bias),
                   static_cast<float*>(out));
    // A box is small enough to stay in the cache until it is used: image by image on one thread, all at once on
    // several.
    static thread_local Scratch boxes;
    const int64_t box = inner_ * box_.pixels(), together = numThreads() > 1 && !inParallelRegion() ? images : 1;
    float* to = boxes.get<float>(box * together + 64);
    for (int64_t first = 0; first < images; first += together) {
      const int64_t planes = together * inner_;
      parallelFor(planes, std::max<int64_t>(1, (1 << 15) / box_.pixels()), [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p)
          box_.fill(x + first * image + p * (image / inner_), to + p * box_.pixels());
      });
      parts(to, box, first, together, static_cast<const float*>(filters), static_cast<const float*>(bias),
            static_cast<float*>(out));
    }
  }

 private:
  void addPhase(const ConvAxis& z, const ConvAxis& y, const ConvAxis& x, int64_t rz, int64_t ry, int64_t rx) {
    Phase p;
    p.remainder[0] = rz, p.remainder[1] = ry, p.remainder[2] = rx;
    p.count = {z.count, y.count, x.count};
    std::vector<int64_t> within;
    for (size_t a = 0; a < z.taps.size(); ++a)
      for (size_t b = 0; b < y.taps.size(); ++b)
        for (size_t c = 0; c < x.taps.size(); ++c) {
          p.taps.push_back((z.taps[a] * s_.kernel[1] + y.taps[b]) * s_.kernel[2] + x.taps[c]);
          within.push_back(box_.at(z.shifts[a], y.shifts[b], x.shifts[c]));
        }
    for (int64_t i = 0; i < inner_; ++i)
      for (int64_t t : within) p.offsets.push_back(i * box_.pixels() + t);
    p.filters = filterFloats_;
    filterFloats_ += rows_ * inner_ * static_cast<int64_t>(p.taps.size());
    const int64_t w = panelKernels().lanes, total = z.count * y.count * x.count;
    std::vector<int64_t> at(static_cast<size_t>(w));
    for (int64_t q = 0; q < total; q += w) {
      PixelRun run{};
      run.count = static_cast<int32_t>(std::min(w, total - q));
      for (int64_t l = 0; l < run.count; ++l)
        at[l] = (((q + l) / (y.count * x.count) * z.step) * box_.size[1] + (q + l) / x.count % y.count * y.step) *
                    box_.size[2] +
                (q + l) % x.count * x.step;
      int64_t split = 1;
      while (split < run.count && at[split] == at[split - 1] + 1) ++split;
      int64_t end = split + 1;
      while (end < run.count && at[end] == at[end - 1] + 1) ++end;
      run.first = at[0];
      run.second = split < run.count ? at[split] : 0;
      run.split = end >= run.count ? static_cast<int32_t>(split) : -1;
      if (run.split < 0) {
        run.first = static_cast<int64_t>(p.lanes.size());
        p.lanes.insert(p.lanes.end(), at.begin(), at.begin() + run.count);
      }
      p.runs.push_back(run);
    }
    for (PixelRun& run : p.runs)
      if (run.split < 0) run.lanes = p.lanes.data() + run.first;
    phases_.push_back(std::move(p));
  }

  // Images first..first+count of all (batch, group) pairs, `step` floats apart in x.
  void parts(const float* x, int64_t step, int64_t first, int64_t count, const float* filters, const float* bias,
             float* out) const {
    const int64_t pixels = box_.resultPixels(), sets = static_cast<int64_t>(phases_.size()) / streams_;
    int64_t tasks = 0;
    std::vector<int64_t> starts;
    for (int64_t i = 0; i < sets; ++i) {
      const auto& c = phases_[static_cast<size_t>(i * streams_)].count;
      starts.push_back(tasks);
      tasks += (c[0] * c[1] * c[2] + block_ - 1) / block_;
    }
    if (tasks == 0) return;
    const int64_t work = s_.batch * rows_ * inner_ * s_.groups * s_.taps() * s_.pixels(),
                  all = tasks * s_.batch * s_.groups;
    parallelFor(tasks * count, std::max<int64_t>(1, kParallelWork * all / std::max<int64_t>(1, work)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t t = begin; t < end; ++t) {
                    const int64_t image = first + t / tasks, g = image % s_.groups;
                    const size_t set = static_cast<size_t>(std::upper_bound(starts.begin(), starts.end(), t % tasks) -
                                                           starts.begin() - 1);
                    const int64_t q = (t % tasks - starts[set]) * block_;
                    const float* from = x + t / tasks * step;
                    float* to = out + image * rows_ * pixels;
                    const float* f = filters + g * filterFloats_;
                    const float* add = bias ? bias + g * rows_ : nullptr;
                    const Phase& p = phases_[set * static_cast<size_t>(streams_)];
                    const int64_t n = std::min(block_, p.count[0] * p.count[1] * p.count[2] - q);
                    if (direct_)
                      product(p, from, q, n, f, add, to + q, pixels);
                    else
                      spread(set, from, q, n, f, to);
                  }
                });
  }

  // Results q..q+n of a phase for all rows.
  void product(const Phase& p, const float* x, int64_t q, int64_t n, const float* filters, const float* bias, float* c,
               int64_t ldc) const {
    const PanelKernels& k = panelKernels();
    const int64_t depth = static_cast<int64_t>(p.offsets.size()), panels = (n + k.columns - 1) / k.columns;
    static thread_local Scratch scratch;
    float* b = scratch.get<float>(panels * k.columns * std::min(depth, depth_) + 64);
    int64_t k0 = 0;
    do {
      const int64_t steps = std::min(depth_, depth - k0);
      for (int64_t j = 0; j < panels; ++j) {
        const int64_t first = (q + j * k.columns) / k.lanes,
                      registers = std::min(k.columns / k.lanes, static_cast<int64_t>(p.runs.size()) - first);
        k.pixels(x, p.offsets.data() + k0, steps, p.runs.data() + first, registers, b + j * k.columns * steps);
      }
      const float* a = filters + p.filters + k0 * rows_;
      const bool last = k0 + steps >= depth;
      const int64_t together = rows_ * steps * 4 > kFilterBytes && panels > 1 ? k.rows : rows_;
      for (int64_t r = 0; r < rows_; r += together)
        for (int64_t j = 0; j < panels; ++j)
          k.multiply({std::min(together, rows_ - r), std::min(k.columns, n - j * k.columns), steps, a + r * steps,
                      b + j * k.columns * steps, c + r * ldc + j * k.columns, ldc, last && bias ? bias + r : nullptr,
                      nullptr, k0 > 0, last && s_.relu});
      k0 += steps;
    } while (k0 < depth);
  }

  // The phases of a set differ in the last dimension only: computed side by side, then written to their places.
  void spread(size_t set, const float* x, int64_t q, int64_t n, const float* filters, float* out) const {
    static thread_local Scratch scratch;
    const int64_t step = rows_ * block_;
    float* side = scratch.get<float>(step * streams_ + 64);
    for (int64_t s = 0; s < streams_; ++s)
      product(phases_[set * static_cast<size_t>(streams_) + static_cast<size_t>(s)], x, q, n, filters, nullptr,
              side + s * step, block_);
    const Phase& p = phases_[set * static_cast<size_t>(streams_)];
    const int64_t wide = p.count[2], pixels = box_.resultPixels();
    const int64_t whole = box_.result[2] % streams_ == 0 ? streams_ : box_.result[2] % streams_;
    for (int64_t i = 0; i < n;) {
      const int64_t at = q + i, x0 = at % wide, y0 = at / wide % p.count[1], z0 = at / (wide * p.count[1]);
      const int64_t here = std::min(n - i, wide - x0), full = x0 + here == wide ? whole : streams_;
      const int64_t place =
          ((z0 * s_.stride[0] + p.remainder[0]) * box_.result[1] + y0 * s_.stride[1] + p.remainder[1]) *
              box_.result[2] +
          x0 * streams_;
      for (int64_t r = 0; r < rows_; ++r)
        panelKernels().interleave(side + r * block_ + i, step, streams_, full, here, out + r * pixels + place);
      i += here;
    }
  }

  ConvSpec s_;
  ConvBox box_;
  bool forward_, direct_ = true, boxed_ = false;
  int64_t rows_ = 0, inner_ = 0, streams_ = 1, filterFloats_ = 0, depth_ = 0, block_ = 0;
  std::vector<Phase> phases_;
};

}  // namespace

Ref<ConvPlan> planPackedConv(const ConvSpec& s) {
  if (s.dtype != DType::Float32 || s.kind == ConvSpec::Kind::BackwardWeight || s.blockedIn || s.blockedOut) return {};
  return makeRef<PackedConv>(s);
}

}  // namespace flambeau::cpu
