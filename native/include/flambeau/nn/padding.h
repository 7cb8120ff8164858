// Padding layers: sizes per side, last dimension first: {left, right, top, bottom, front, back}; negative sizes cut.
#pragma once
#include "flambeau/functions.h"
#include "flambeau/nn/module.h"
#include "flambeau/nn/options.h"

namespace flambeau::nn {

enum class PadMode { Constant, Reflect, Replicate, Circular };

template <size_t D>
struct ConstantPadOptions {
  ConstantPadOptions(Extents<2 * D> padding, double value) : padding_(padding), value_(value) {}
  FLAMBEAU_ARG(ConstantPadOptions, Extents<2 * D>, padding);
  FLAMBEAU_ARG(ConstantPadOptions, double, value);
};
/// Pads the last D dimensions with a value.
template <size_t D>
class ConstantPadImpl : public Module {
 public:
  ConstantPadImpl(Extents<2 * D> padding, double value) : options(padding, value) {}
  explicit ConstantPadImpl(const ConstantPadOptions<D>& o) : options(o) {}
  Tensor forward(const Tensor& x) const { return ops::pad(x, options.padding().span(), "constant", options.value()); }
  ConstantPadOptions<D> options;
};
using ConstantPad1dOptions = ConstantPadOptions<1>;
using ConstantPad2dOptions = ConstantPadOptions<2>;
using ConstantPad3dOptions = ConstantPadOptions<3>;
using ConstantPad1dImpl = ConstantPadImpl<1>;
using ConstantPad2dImpl = ConstantPadImpl<2>;
using ConstantPad3dImpl = ConstantPadImpl<3>;
FLAMBEAU_MODULE(ConstantPad1d);
FLAMBEAU_MODULE(ConstantPad2d);
FLAMBEAU_MODULE(ConstantPad3d);

template <size_t D>
struct PadOptions {
  PadOptions(Extents<2 * D> padding) : padding_(padding) {}
  FLAMBEAU_ARG(PadOptions, Extents<2 * D>, padding);
};
/// Pads the last D dimensions with zeros or with elements of the input.
template <size_t D, PadMode Mode>
class PadImpl : public Module {
 public:
  explicit PadImpl(Extents<2 * D> padding) : options(padding) {}
  explicit PadImpl(const PadOptions<D>& o) : options(o) {}
  Tensor forward(const Tensor& x) const {
    constexpr const char* names[] = {"constant", "reflect", "replicate", "circular"};
    return ops::pad(x, options.padding().span(), names[static_cast<int>(Mode)], std::nullopt);
  }
  PadOptions<D> options;
};
using ZeroPad1dOptions = PadOptions<1>;
using ZeroPad1dImpl = PadImpl<1, PadMode::Constant>;
using ZeroPad2dOptions = PadOptions<2>;
using ZeroPad2dImpl = PadImpl<2, PadMode::Constant>;
using ZeroPad3dOptions = PadOptions<3>;
using ZeroPad3dImpl = PadImpl<3, PadMode::Constant>;
using ReflectionPad1dOptions = PadOptions<1>;
using ReflectionPad1dImpl = PadImpl<1, PadMode::Reflect>;
using ReflectionPad2dOptions = PadOptions<2>;
using ReflectionPad2dImpl = PadImpl<2, PadMode::Reflect>;
using ReflectionPad3dOptions = PadOptions<3>;
using ReflectionPad3dImpl = PadImpl<3, PadMode::Reflect>;
using ReplicationPad1dOptions = PadOptions<1>;
using ReplicationPad1dImpl = PadImpl<1, PadMode::Replicate>;
using ReplicationPad2dOptions = PadOptions<2>;
using ReplicationPad2dImpl = PadImpl<2, PadMode::Replicate>;
using ReplicationPad3dOptions = PadOptions<3>;
using ReplicationPad3dImpl = PadImpl<3, PadMode::Replicate>;
using CircularPad1dOptions = PadOptions<1>;
using CircularPad1dImpl = PadImpl<1, PadMode::Circular>;
using CircularPad2dOptions = PadOptions<2>;
using CircularPad2dImpl = PadImpl<2, PadMode::Circular>;
using CircularPad3dOptions = PadOptions<3>;
using CircularPad3dImpl = PadImpl<3, PadMode::Circular>;
FLAMBEAU_MODULE(ZeroPad1d);
FLAMBEAU_MODULE(ZeroPad2d);
FLAMBEAU_MODULE(ZeroPad3d);
/// Elements mirrored at the edge, without the edge itself.
FLAMBEAU_MODULE(ReflectionPad1d);
FLAMBEAU_MODULE(ReflectionPad2d);
FLAMBEAU_MODULE(ReflectionPad3d);
/// Elements repeated from the edge.
FLAMBEAU_MODULE(ReplicationPad1d);
FLAMBEAU_MODULE(ReplicationPad2d);
FLAMBEAU_MODULE(ReplicationPad3d);
/// Elements taken from the other end.
FLAMBEAU_MODULE(CircularPad1d);
FLAMBEAU_MODULE(CircularPad2d);
FLAMBEAU_MODULE(CircularPad3d);

}  // namespace flambeau::nn
