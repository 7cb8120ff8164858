// Convolutions that read their pixels where they lie. Each image is copied into a box with its padding; neighbouring
// results then see neighbouring positions of the box at every tap, so nothing is packed. A transposed convolution is a
// dense one of unit stride for every remainder of a result's position by the stride ("phase"): nothing is multiplied
// with inserted zeros. The phases of neighbouring results in a row are computed side by side and stored interleaved.
#include <algorithm>
#include <vector>

#include "cpu/conv_box.h"
#include "cpu/scratch.h"
#include "cpu/window_kernels.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPanelBytes = 24 << 10;   // pixels of one block of panels: they stay in the first-level cache
constexpr int64_t kParallelWork = 1 << 21;  // multiply-adds worth a task
constexpr int64_t kMostPanelBytes = 32 << 10;
constexpr size_t kMostTable = 1 << 18;  // registers and stores

/// A dense correlation: one sum for each of its positions.
struct Stream {
  std::vector<int64_t> offsets;  // of every (channel, tap) in the box
  std::vector<int64_t> taps;     // flat numbers of the taps, per channel
  int64_t filters = 0;           // start of its filters within a group's
};

/// All results whose positions have the same remainders in all dimensions but the last.
struct Set {
  std::vector<Stream> streams;
  std::vector<WindowRegister> registers;
  std::vector<WindowStore> stores;
  int64_t rowsRead = 0;                      // rows of a channel that the taps of a result lie in
  int64_t panels = 0, block = 1, tasks = 0;  // panels of registers, panels of one task
};

class WindowConv : public ConvPlan {
 public:
  explicit WindowConv(const ConvSpec& s) : s_(s), box_(s), forward_(s.kind == ConvSpec::Kind::Forward) {
    rows_ = (forward_ ? s.outChannels : s.channels) / s.groups;
    inner_ = (forward_ ? s.channels : s.outChannels) / s.groups;
    scale_ = forward_ ? std::array<int64_t, 3>{1, 1, 1} : s.stride;
    // Channels an odd number of cache lines apart do not fall onto each other.
    pitch_ = ((box_.pixels() + 15) / 16 | 1) * 16;
    const auto& axes = box_.axes;
    for (const ConvAxis& z : axes[0])
      for (const ConvAxis& y : axes[1]) addSet(z, y, axes[2], &z - axes[0].data(), &y - axes[1].data());
  }

  const char* via() const override { return "own, windows"; }
  int64_t packedFloats() const override { return filterFloats_ * s_.groups; }
  /// Whether the pixels of a panel stay in the first-level cache, most lanes have a result and most registers are one
  /// stretch of a row.
  bool pays() const {
    size_t registers = 0, stores = 0;
    double lanes = 0;
    for (const Set& set : sets_) {
      if (panelBytes(set) > kMostPanelBytes) return false;
      registers += set.registers.size() * set.streams.size();
      stores += set.stores.size();
      for (const WindowStore& w : set.stores) lanes += w.hi - w.lo;
    }
    return registers + stores < kMostTable && 4 * stores <= 5 * registers &&
           lanes >= 0.7 * static_cast<double>(windowKernels().lanes) * static_cast<double>(registers);
  }

  void pack(const void* weights, void* to) const override {
    const float* w = static_cast<const float*>(weights);
    float* at = static_cast<float*>(to);
    const int64_t taps = s_.taps(), most = windowKernels().rows, tiles = (rows_ + most - 1) / most;
    const int64_t rowStep = forward_ ? inner_ * taps : taps, innerStep = forward_ ? taps : rows_ * taps;
    parallelFor(s_.groups * tiles, std::max<int64_t>(1, (1 << 16) * tiles / filterFloats_),
                [&](int64_t begin, int64_t end) {
                  for (int64_t i = begin; i < end; ++i) {
                    const int64_t t = i % tiles, row = rows_ * t / tiles, here = rows_ * (t + 1) / tiles - row;
                    const float* group = w + i / tiles * rows_ * inner_ * taps;
                    for (const Set& set : sets_)
                      for (const Stream& p : set.streams) {
                        const int64_t each = static_cast<int64_t>(p.taps.size());
                        float* o = at + i / tiles * filterFloats_ + p.filters + row * inner_ * each;
                        for (int64_t c = 0; c < inner_; ++c)
                          for (int64_t k = 0; k < each; ++k, o += here)
                            for (int64_t r = 0; r < here; ++r)
                              o[r] = group[(row + r) * rowStep + c * innerStep + p.taps[static_cast<size_t>(k)]];
                      }
                  }
                });
  }

  void run(const void* a, const void* b, const void* bias, void* out) const override {
    static thread_local Scratch filters;
    void* packed = filters.get(static_cast<size_t>(packedFloats()) * sizeof(float) + 64);
    pack(b, packed);
    runPacked(a, packed, bias, out);
  }

  void runPacked(const void* a, const void* filters, const void* bias, void* out) const override {
    // A box is small enough to stay in the cache until it is used: image by image on one thread, all at once on
    // several.
    static thread_local Scratch boxes;
    const float* x = static_cast<const float*>(a);
    const int64_t plane = box_.sourcePixels(), images = s_.batch * s_.groups, box = inner_ * pitch_;
    const int64_t together = numThreads() > 1 && !inParallelRegion() ? images : 1;
    float* to = boxes.get<float>(box * together + 64);
    for (int64_t first = 0; first < images; first += together) {
      parallelFor(together * inner_, std::max<int64_t>(1, (1 << 15) / pitch_), [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) box_.fill(x + (first * inner_ + p) * plane, to + p * pitch_);
      });
      parts(to, first, together, static_cast<const float*>(filters), static_cast<const float*>(bias),
            static_cast<float*>(out));
    }
  }

 private:
  void addSet(const ConvAxis& z, const ConvAxis& y, const std::vector<ConvAxis>& xs, int64_t rz, int64_t ry) {
    Set set;
    for (const ConvAxis& x : xs) {
      Stream p;
      std::vector<int64_t> within;
      for (size_t a = 0; a < z.taps.size(); ++a)
        for (size_t b = 0; b < y.taps.size(); ++b)
          for (size_t c = 0; c < x.taps.size(); ++c) {
            p.taps.push_back((z.taps[a] * s_.kernel[1] + y.taps[b]) * s_.kernel[2] + x.taps[c]);
            within.push_back(box_.at(z.shifts[a], y.shifts[b], x.shifts[c]));
          }
      for (int64_t i = 0; i < inner_; ++i)
        for (int64_t t : within) p.offsets.push_back(i * pitch_ + t);
      p.filters = filterFloats_;
      filterFloats_ += rows_ * static_cast<int64_t>(p.offsets.size());
      set.streams.push_back(std::move(p));
    }
    // The registers of a plane run over the positions of the box, those between two rows included, or row by row: the
    // fewer.
    const int64_t w = windowKernels().lanes, wide = xs[0].count, through = (y.count - 1) * box_.size[2] + wide;
    const bool byRows = y.step != 1 || y.count * ((wide + w - 1) / w) <= (through + w - 1) / w;
    for (int64_t k = 0; k < z.count && y.count > 0 && wide > 0; ++k)
      for (int64_t j = 0; j < (byRows ? y.count : 1); ++j)
        for (int64_t q = 0; q < (byRows ? wide : through); q += w)
          addRegister(set, k, y, byRows ? j : -1, q, wide, rz, ry, z.step);
    if (set.registers.empty()) return;
    const int64_t most = windowKernels().registers / static_cast<int64_t>(xs.size()),
                  count = static_cast<int64_t>(set.registers.size());
    set.panels = (count + most - 1) / most;
    set.rowsRead = static_cast<int64_t>(z.taps.size() * y.taps.size());
    set.block = std::clamp<int64_t>(kPanelBytes / panelBytes(set), 1, 8);
    set.tasks = (set.panels + set.block - 1) / set.block;
    sets_.push_back(std::move(set));
  }

  // What the taps of a panel read, about: a stretch of every row of every channel.
  int64_t panelBytes(const Set& set) const {
    const WindowKernels& k = windowKernels();
    const int64_t stretch = k.registers / static_cast<int64_t>(set.streams.size()) * k.lanes * 4 + 64;
    return std::max<int64_t>(1, set.rowsRead * inner_) * stretch;
  }

  // Positions q.. of plane k: of row `row`, or (row < 0) counted through all rows.
  void addRegister(Set& set, int64_t k, const ConvAxis& y, int64_t row, int64_t q, int64_t wide, int64_t rz, int64_t ry,
                   int64_t stepZ) {
    const int64_t w = windowKernels().lanes, streams = static_cast<int64_t>(set.streams.size());
    WindowRegister reg{};
    reg.at = (k * stepZ * box_.size[1] + std::max<int64_t>(row, 0) * y.step) * box_.size[2] + q;
    reg.first = reg.second = static_cast<int32_t>(set.stores.size());
    for (int64_t part = 0; part < streams; ++part) {
      if (part == 1) reg.second = static_cast<int32_t>(set.stores.size());
      size_t open = set.stores.size();  // stores of this part begin here
      for (int64_t i = 0; i < w; ++i) {
        const int64_t lane = (part * w + i) / streams, stream = (part * w + i) % streams, at = q + lane;
        const int64_t yy = row < 0 ? at / box_.size[2] : row, xx = row < 0 ? at % box_.size[2] : at;
        if (xx >= wide || yy >= y.count || xx * streams + stream >= box_.result[2]) continue;
        const int64_t to =
            ((k * scale_[0] + rz) * box_.result[1] + yy * scale_[1] + ry) * box_.result[2] + xx * streams + stream;
        if (set.stores.size() > open && set.stores.back().hi == i && set.stores.back().to + i == to)
          ++set.stores.back().hi;
        else
          set.stores.push_back({to - i, static_cast<int32_t>(i), static_cast<int32_t>(i + 1)});
      }
    }
    reg.end = static_cast<int32_t>(set.stores.size());
    if (streams == 1) reg.second = reg.end;
    if (reg.end > reg.first) set.registers.push_back(reg);
  }

  // Images first..first+count of all (batch, group) pairs, whose boxes lie one after the other at x.
  void parts(const float* x, int64_t first, int64_t count, const float* filters, const float* bias, float* out) const {
    const int64_t pixels = box_.resultPixels();
    int64_t tasks = 0;
    for (const Set& set : sets_) tasks += set.tasks;
    if (tasks == 0) return;
    const int64_t work = s_.batch * rows_ * inner_ * s_.groups * s_.taps() * s_.pixels(),
                  all = tasks * s_.batch * s_.groups;
    parallelFor(tasks * count, std::max<int64_t>(1, kParallelWork * all / std::max<int64_t>(1, work)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t t = begin; t < end; ++t) {
                    const int64_t image = first + t / tasks, g = image % s_.groups;
                    int64_t task = t % tasks;
                    const Set* set = sets_.data();
                    for (; task >= set->tasks; ++set) task -= set->tasks;
                    panels(*set, x + t / tasks * inner_ * pitch_, task * set->block,
                           std::min(set->panels, (task + 1) * set->block), filters + g * filterFloats_,
                           bias ? bias + g * rows_ : nullptr, out + image * rows_ * pixels, pixels);
                  }
                });
  }

  void panels(const Set& set, const float* x, int64_t begin, int64_t end, const float* filters, const float* bias,
              float* out, int64_t pixels) const {
    WindowBlock b{};
    b.image = x;
    b.stores = set.stores.data();
    b.rows = rows_;
    b.streams = static_cast<int64_t>(set.streams.size());
    for (size_t s = 0; s < set.streams.size(); ++s) {
      b.filters[s] = filters + set.streams[s].filters;
      b.offsets[s] = set.streams[s].offsets.data();
      b.steps[s] = static_cast<int64_t>(set.streams[s].offsets.size());
    }
    b.out = out;
    b.rowStep = pixels;
    b.bias = bias;
    b.relu = s_.relu;
    const int64_t count = static_cast<int64_t>(set.registers.size());
    for (int64_t p = begin; p < end; ++p) {
      const int64_t from = count * p / set.panels;
      b.registers = set.registers.data() + from;
      b.count = count * (p + 1) / set.panels - from;
      b.single = std::all_of(b.registers, b.registers + b.count, [&](const WindowRegister& r) {
        return b.streams == 1 ? r.end == r.first + 1 : r.second == r.first + 1 && r.end == r.second + 1;
      });
      windowKernels().multiply(b);
    }
  }

  ConvSpec s_;
  ConvBox box_;
  bool forward_;
  int64_t rows_ = 0, inner_ = 0, filterFloats_ = 0, pitch_ = 0;
  std::array<int64_t, 3> scale_{};
  std::vector<Set> sets_;
};

}  // namespace

Ref<ConvPlan> planWindowConv(const ConvSpec& s, bool always) {
  if (s.dtype != DType::Float32 || s.kind == ConvSpec::Kind::BackwardWeight || s.blockedIn || s.blockedOut) return {};
  if (s.kind == ConvSpec::Kind::Forward ? s.stride[2] != 1 : s.stride[2] > 2) return {};
  Ref<WindowConv> plan = makeRef<WindowConv>(s);
  return always || plan->pays() ? Ref<ConvPlan>(std::move(plan)) : Ref<ConvPlan>();
}

}  // namespace flambeau::cpu
