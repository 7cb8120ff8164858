// The one door to convolutions: oneDNN for wide layers, direct loops of our own for few channels and everything else.
#pragma once
#include <array>

#include "flambeau/dtype.h"
#include "flambeau/intrusive.h"

namespace flambeau::cpu {

/// A correlation of contiguous NCDHW tensors; missing spatial dimensions are of size one, in front.
struct ConvSpec {
  enum class Kind : uint8_t { Forward, BackwardInput, BackwardWeight };
  Kind kind = Kind::Forward;
  DType dtype = DType::Float32;     // float32, float64, int32 or int64
  bool bias = false, relu = false;  // Forward only
  // Forward, two spatial dimensions, float32: the images lie in blocks of 16 channels, (N, C/16, H, W, 16).
  bool blockedIn = false, blockedOut = false;
  // Forward and BackwardInput: by Winograd's minimal filtering, see winogradPays.
  bool winograd = false;
  int64_t batch = 0, channels = 0, outChannels = 0, groups = 1;
  std::array<int64_t, 3> in{1, 1, 1}, kernel{1, 1, 1}, out{1, 1, 1}, stride{1, 1, 1}, pad{0, 0, 0}, dilation{1, 1, 1};
  bool operator==(const ConvSpec&) const = default;

  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t depth() const { return channels / groups * taps(); }  // length of one output's sum
  int64_t inPixels() const { return in[0] * in[1] * in[2]; }
  int64_t pixels() const { return out[0] * out[1] * out[2]; }
  int64_t work() const { return batch * outChannels * depth() * pixels(); }
};

/// Forward: run(x, w, bias, y). BackwardInput: run(dy, w, null, dx). BackwardWeight: run(dy, x, null, dw).
class ConvPlan : public RefCounted {
 public:
  virtual void run(const void* a, const void* b, const void* bias, void* out) const = 0;
  virtual const char* via() const = 0;
  /// Floats of the filters in the form that the plan computes with; 0: it takes them as they lie. Filters that stay the
  /// same over many calls are packed once: runPacked takes them instead of `b`.
  virtual int64_t packedFloats() const { return 0; }
  virtual void pack(const void* /*weights*/, void* /*to*/) const {}
  virtual void runPacked(const void* a, const void* packed, const void* bias, void* out) const {
    run(a, packed, bias, out);
  }
};

/// Whether Winograd's F(4x4, 3x3), which needs a quarter of the multiplications, is worth its transforms for this
/// shape. Its sums are in another order (3e-6 of the largest result at 512 channels, where the direct one has 1e-6),
/// and an infinity or NaN spreads over a tile of 4x4 results: compiled programs use it, eager ops do not. A rule, no
/// measurement, so that a program computes the same numbers in every process. FLAMBEAU_NO_WINOGRAD=1 switches it off.
bool winogradPays(const ConvSpec& spec);
/// Builds or finds the plan under the present thread count.
Ref<ConvPlan> planConv(const ConvSpec& spec);
/// The plan for filters that stay the same over many calls: the fastest of those that keep them packed, measured per
/// shape and remembered for the process.
Ref<ConvPlan> planConstantConv(const ConvSpec& spec);
Ref<ConvPlan> planOwnConv(const ConvSpec& spec);
/// Null unless the kernel has one element and every image is read as it lies.
Ref<ConvPlan> planPointwiseConv(const ConvSpec& spec);
/// Products over packed panels of pixels. Null for what they do not compute.
Ref<ConvPlan> planPackedConv(const ConvSpec& spec);
/// Pixels read where they lie in a padded copy of the image. Null for what it does not compute and, unless `always`,
/// where products over packed panels are faster.
Ref<ConvPlan> planWindowConv(const ConvSpec& spec, bool always = false);
/// Plane by plane. Null unless every channel is a group of its own, in float32 with unit stride.
Ref<ConvPlan> planDepthwiseConv(const ConvSpec& spec);
/// Null when oneDNN is absent or does not take the spec. `threads`: of one run; 0: as the work is worth.
Ref<ConvPlan> planOneDnnConv(const ConvSpec& spec, int threads = 0);
/// Ranges of the result's channels, one for each thread. Null where the threads divide the images, or for too few
/// channels.
Ref<ConvPlan> planSplitConv(const ConvSpec& spec);
/// Blocks for plans that know none: converted on the way in and out.
Ref<ConvPlan> planUnblockedConv(const ConvSpec& spec);

}  // namespace flambeau::cpu
