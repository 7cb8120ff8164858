// Products with a B that is packed once and used many times: panels of columns as the register tiles read them, so a
// call only packs its rows.
#include <algorithm>

#include "cpu/gemm.h"
#include "cpu/panel_kernels.h"
#include "cpu/scratch.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kRowBlock = 96;           // rows packed at a time: they stay in the second-level cache
constexpr int64_t kParallelWork = 1 << 21;  // multiply-adds worth a task

class PackedGemm : public GemmPlan {
 public:
  explicit PackedGemm(const GemmSpec& s) : s_(s) {
    const PanelKernels& k = panelKernels();
    panels_ = (s.n + k.columns - 1) / k.columns;
    const int64_t blocks = (s.k + panelDepth(k) - 1) / panelDepth(k);
    depth_ = (s.k + blocks - 1) / blocks;
  }
  const char* via() const override { return "own, packed"; }
  int64_t packedFloats() const override { return panels_ * panelKernels().columns * s_.k; }

  // [block of depth][panel][k][columns]; columns beyond the last one are zero.
  void pack(const void* b, void* to) const override {
    const float* from = static_cast<const float*>(b);
    float* at = static_cast<float*>(to);
    const int64_t wide = panelKernels().columns;
    parallelFor(panels_, std::max<int64_t>(1, (1 << 16) / (wide * s_.k)), [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j)
        for (int64_t k0 = 0; k0 < s_.k; k0 += depth_) {
          const int64_t steps = std::min(depth_, s_.k - k0), here = std::min(wide, s_.n - j * wide);
          float* panel = at + k0 * panels_ * wide + j * steps * wide;
          std::fill_n(panel, steps * wide, 0.0f);
          for (int64_t c = 0; c < here; ++c) {
            const float* column = from + (j * wide + c) * s_.bCol + k0 * s_.bRow;
            for (int64_t p = 0; p < steps; ++p) panel[p * wide + c] = column[p * s_.bRow];
          }
        }
    });
  }

  void run(const void* a, const void* b, const void* bias, void* c) const override {
    static thread_local Scratch scratch;
    void* packed = scratch.get(static_cast<size_t>(packedFloats()) * sizeof(float));
    pack(b, packed);
    runPacked(a, packed, bias, c);
  }

  void runPacked(const void* a, const void* packed, const void* bias, void* c) const override {
    const PanelKernels& k = panelKernels();
    const float *rows = static_cast<const float*>(a), *b = static_cast<const float*>(packed);
    const int64_t wide = k.columns;
    // Blocks of rows of about equal size; few of them: the panels are split as well, so that all threads have work.
    const int64_t blocks = (s_.m + kRowBlock - 1) / kRowBlock,
                  block = ((s_.m + blocks - 1) / blocks + k.rows - 1) / k.rows * k.rows,
                  each = (s_.m + block - 1) / block, count = each * s_.batch;
    const int64_t threads = inParallelRegion() ? 1 : numThreads();
    const int64_t splits = threads == 1 ? 1 : std::clamp<int64_t>(4 * threads / count, 1, panels_);
    const int64_t work = s_.batch * s_.m * s_.n * s_.k / (count * splits);
    parallelFor(count * splits, std::max<int64_t>(1, kParallelWork / std::max<int64_t>(1, work)),
                [&](int64_t begin, int64_t end) {
                  static thread_local Scratch scratch;
                  float* ap = scratch.get<float>(block * depth_);
                  for (int64_t t = begin; t < end; ++t) {
                    const int64_t i0 = t / splits % each * block, m = std::min(block, s_.m - i0);
                    const float* a0 = rows + t / splits / each * s_.aBatch + i0 * s_.aRow;
                    float* c0 = static_cast<float*>(c) + t / splits / each * s_.cBatch + i0 * s_.cRow;
                    const int64_t from = panels_ * (t % splits) / splits, to = panels_ * (t % splits + 1) / splits;
                    for (int64_t k0 = 0; k0 < s_.k; k0 += depth_) {
                      const int64_t steps = std::min(depth_, s_.k - k0);
                      for (int64_t i = 0; i < m; i += k.rows)
                        packRows(a0 + i * s_.aRow + k0 * s_.aCol, std::min(k.rows, m - i), steps, ap + i * steps);
                      const bool last = k0 + steps == s_.k;
                      for (int64_t j = from; j < to; ++j)
                        k.multiply({m, std::min(wide, s_.n - j * wide), steps, ap,
                                    b + k0 * panels_ * wide + j * steps * wide, c0 + j * wide, s_.cRow, nullptr,
                                    last && s_.bias ? static_cast<const float*>(bias) + j * wide : nullptr,
                                    k0 > 0 || s_.accumulate, last && s_.relu});
                    }
                  }
                });
  }

 private:
  void packRows(const float* a, int64_t rows, int64_t steps, float* to) const {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t p = 0; p < steps; ++p) to[p * rows + r] = a[r * s_.aRow + p * s_.aCol];
  }

  GemmSpec s_;
  int64_t panels_ = 0, depth_ = 0;
};

}  // namespace

Ref<GemmPlan> planPackedGemm(const GemmSpec& s) {
  if (s.dtype != DType::Float32 || s.batch < 1 || (s.batch > 1 && s.bBatch != 0) || s.m < 1 || s.n < 1 || s.k < 1)
    return {};
  return makeRef<PackedGemm>(s);
}

}  // namespace flambeau::cpu
