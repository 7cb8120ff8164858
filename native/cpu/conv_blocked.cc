// Images in blocks of 16 channels for convolutions that know none: programs are emitted for machines whose oneDNN
// computes in blocks, but may run where it is switched off.
#include "cpu/conv.h"
#include "cpu/scratch.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kBlock = 16;

// Planes of one image, block by block: (C, P) to or from (C/16, P, 16).
void convert(const float* from, float* to, int64_t images, int64_t channels, int64_t pixels, bool toBlocks) {
  parallelFor(images * channels / kBlock, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const float* x = from + b * kBlock * pixels;
      float* y = to + b * kBlock * pixels;
      for (int64_t p = 0; p < pixels; ++p)
        for (int64_t c = 0; c < kBlock; ++c)
          if (toBlocks)
            y[p * kBlock + c] = x[c * pixels + p];
          else
            y[c * pixels + p] = x[p * kBlock + c];
    }
  });
}

class UnblockedConv : public ConvPlan {
 public:
  explicit UnblockedConv(const ConvSpec& s) : s_(s), plain_(s) { plain_.blockedIn = plain_.blockedOut = false; }
  void run(const void* a, const void* b, const void* bias, void* out) const override {
    static thread_local Scratch scratch;
    const int64_t in = s_.blockedIn ? s_.batch * s_.channels * s_.inPixels() : 0;
    const int64_t result = s_.blockedOut ? s_.batch * s_.outChannels * s_.pixels() : 0;
    float* x = static_cast<float*>(scratch.get(static_cast<size_t>(in + result) * sizeof(float) + 64));
    float* y = x + in;
    if (in) convert(static_cast<const float*>(a), x, s_.batch, s_.channels, s_.inPixels(), false);
    // Looked up here: while a plan is made, the table of plans is locked.
    planConv(plain_)->run(in ? x : a, b, bias, result ? y : out);
    if (result) convert(y, static_cast<float*>(out), s_.batch, s_.outChannels, s_.pixels(), true);
  }
  const char* via() const override { return "own, in blocks"; }

 private:
  ConvSpec s_, plain_;
};

}  // namespace

Ref<ConvPlan> planUnblockedConv(const ConvSpec& spec) { return makeRef<UnblockedConv>(spec); }

}  // namespace flambeau::cpu
