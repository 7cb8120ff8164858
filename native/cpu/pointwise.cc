// Pointwise driver: promotion, broadcasting, memory order, threads. Two ways through: operands that already agree (same
// shape, contiguous, right dtype) go straight to the kernel; everything else builds a loop nest, and operands of
// another dtype are converted block by block on the way.
#include <algorithm>
#include <cstring>

#include "core/element.h"
#include "core/promotion.h"
#include "cpu/copy_kernels.h"
#include "cpu/drivers.h"
#include "cpu/loop_nest.h"
#include "cpu/overlap.h"
#include "cpu/pointwise_tiles.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int kMaxOperands = LoopNest::kMaxOperands;

bool isCondition(const PointwiseSpec& spec, size_t input) { return input < 8 && (spec.boolInputs >> input) & 1; }

bool allowed(const PointwiseSpec& spec, DType t) {
  switch (spec.rule) {
    case DTypeRule::FloatOnly:
      return isFloating(t);
    case DTypeRule::NumericOnly:
      return t != DType::Bool;
    case DTypeRule::IntegralOnly:
      return !isFloating(t);
    case DTypeRule::IntToFloat:
      return isFloating(t);
    case DTypeRule::Same:
    case DTypeRule::Bool:
      return true;
  }
  return true;
}

DType outputType(const PointwiseSpec& spec, DType compute) {
  return spec.rule == DTypeRule::Bool ? DType::Bool : compute;
}

/// PyTorch has words of their own for subtracting and negating bools.
void checkBoolArithmetic(const PointwiseSpec& spec, std::span<const Operand> inputs) {
  std::string_view name = spec.name;
  auto isBool = [](const Operand& o) { return o.isTensor() ? o.tensor.dtype() == DType::Bool : o.scalar.isBool(); };
  if (name == "neg") {
    FB_CHECK(!isBool(inputs[0]), Type,
             "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
             "the `~` or "
             "`logical_not()` operator instead.");
  } else if (name == "sub" || name == "rsub") {
    FB_CHECK(!(isBool(inputs[0]) && isBool(inputs[1])), Type,
             "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
             "operator instead.");
    FB_CHECK(!isBool(inputs[0]) && !isBool(inputs[1]), Type,
             "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
             "use the `~` or "
             "`logical_not()` operator instead.");
  }
}

/// masked_fill writes into a copy of `self`: the value has no say in the dtype, and must be one value.
bool isMaskedFill(const PointwiseSpec& spec, std::span<const Operand> inputs) {
  if (std::string_view(spec.name) != "maskedFillValue") return false;
  const Operand& value = inputs[2];
  FB_CHECK(!value.isTensor() || value.tensor.dim() == 0, Value,
           "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %ld dimension(s).",
           static_cast<long>(value.tensor.dim()));
  return true;
}

/// The dtype the kernel runs in. Throws Error(Type) when the op has no kernel for it.
DType computeType(const PointwiseSpec& spec, std::span<const Operand> inputs) {
  ResultType type;
  bool maskedFill = spec.boolInputs && isMaskedFill(spec, inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (maskedFill && i == 2) continue;
    if (!isCondition(spec, i)) {
      type.add(inputs[i]);
    } else if (inputs[i].isTensor()) {
      DType t = inputs[i].tensor.dtype();
      FB_CHECK(t == DType::Bool || t == DType::UInt8 || !maskedFill, Type,
               "masked_fill_ only supports boolean masks, but got mask with dtype %s", scalarTypeName(t));
      FB_CHECK(t == DType::Bool || t == DType::UInt8, Type,
               "%s expected condition to be a boolean tensor, but got a tensor with dtype %s", spec.name,
               scalarTypeName(t));
    }
  }
  std::optional<DType> common = type.get();
  FB_CHECK(common.has_value(), Internal, "%s: no operand to take a dtype from", spec.name);
  DType compute = *common;
  if (spec.rule == DTypeRule::IntToFloat && !isFloating(compute)) compute = defaultDType();
  if (spec.rule == DTypeRule::NumericOnly) checkBoolArithmetic(spec, inputs);
  FB_CHECK(allowed(spec, compute) && spec.kernel[static_cast<int>(compute)], Type, "\"%s\" not implemented for '%s'",
           spec.name, scalarTypeName(compute));
  return compute;
}

Dims broadcastAll(std::span<const Operand> inputs) {
  Dims shape;
  for (const Operand& o : inputs)
    if (o.isTensor() && o.tensor.dim() > 0)
      shape = shape.empty() ? Dims(o.tensor.sizes()) : broadcastShapes(shape, o.tensor.sizes());
  return shape;
}

/// Numbers and 0-d tensors as one element of the kernel's dtype.
struct Constants {
  alignas(16) char slot[kMaxOperands][8];
  int used = 0;
  char* put(const Operand& o, DType t) {
    char* p = slot[used++];
    storeScalar(p, t, o.isTensor() ? loadScalar(o.tensor.data(), o.tensor.dtype()) : o.scalar);
    return p;
  }
};

/// Which operands must be converted on the way in or out. All operands are numbered outputs first, as in the kernel
/// ABI.
struct Casts {
  bool any = false;
  DType have[kMaxOperands], want[kMaxOperands];
  void set(int k, DType h, DType w) {
    have[k] = h;
    want[k] = w;
    any |= h != w;
  }
};

void runNest(const PointwiseSpec& spec, PointwiseKernel kernel, const LoopNest& nest, const Casts& casts,
             const double* attrs) {
  int operands = nest.operands, outputs = spec.outputs;
  int64_t step[kMaxOperands];
  for (int k = 0; k < operands; ++k) step[k] = nest.ndim ? nest.stride[0][k] : 0;
  if (!casts.any) {
    int64_t item[kMaxOperands];
    for (int k = 0; k < operands; ++k) item[k] = static_cast<int64_t>(itemSize(casts.have[k]));
    if (runTiles(kernel, nest, outputs, item, attrs)) return;
    parallelFor(nest.numel, kGrain, [&](int64_t b, int64_t e) {
      nest.run(b, e, [&](char* const* ptr, int64_t n) { kernel(ptr, step, n, attrs); });
    });
    return;
  }
  parallelFor(nest.numel, kGrain, [&](int64_t b, int64_t e) {
    alignas(64) char scratch[kMaxOperands][kBlock * 8];
    nest.run(b, e, [&](char* const* ptr, int64_t n) {
      char* at[kMaxOperands];
      int64_t blockStep[kMaxOperands];
      for (int64_t i = 0; i < n; i += kBlock) {
        int64_t m = std::min(kBlock, n - i);
        for (int k = 0; k < operands; ++k) {
          at[k] = ptr[k] + i * step[k];
          blockStep[k] = step[k];
          if (casts.have[k] == casts.want[k]) continue;
          auto item = static_cast<int64_t>(itemSize(casts.want[k]));
          if (k >= outputs)
            convertStrided(scratch[k], casts.want[k], item, at[k], casts.have[k], step[k], step[k] == 0 ? 1 : m);
          blockStep[k] = k >= outputs && step[k] == 0 ? 0 : item;
          at[k] = scratch[k];
        }
        kernel(at, blockStep, m, attrs);
        for (int k = 0; k < outputs; ++k)
          if (casts.have[k] != casts.want[k])
            convertStrided(ptr[k] + i * step[k], casts.have[k], step[k], scratch[k], casts.want[k],
                           static_cast<int64_t>(itemSize(casts.want[k])), m);
      }
    });
  });
}

/// Everything after the dtype is known. Undefined `outs` are allocated in the order the inputs have in memory.
void runGeneral(const PointwiseSpec& spec, DType compute, std::span<const Operand> inputs,
                std::span<const double> attrs, IntSpan shape, std::span<Tensor> outs) {
  LoopNest nest(shape);
  Constants constants;
  Casts casts;
  DType outType = outputType(spec, compute);
  for (Tensor& out : outs) {
    int k = out.defined()
                ? nest.add(out.ptr<char>(), out.sizes(), out.strides(), static_cast<int64_t>(itemSize(out.dtype())))
                : nest.addUndecided();
    casts.set(k, out.defined() ? out.dtype() : outType, outType);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Operand& o = inputs[i];
    DType want = isCondition(spec, i) ? DType::Bool : compute;
    if (o.isTensor() && o.tensor.dim() > 0) {
      const Tensor& t = o.tensor;
      int k = nest.add(t.ptr<char>(), t.sizes(), t.strides(), static_cast<int64_t>(itemSize(t.dtype())));
      casts.set(k, t.dtype(), want);
    } else {
      int k = nest.add(constants.put(o, want), {}, {}, 0);
      casts.set(k, want, want);
    }
  }
  nest.reorder();
  for (size_t k = 0; k < outs.size(); ++k) {
    if (outs[k].defined()) continue;
    Dims strides = nest.freshStrides();
    outs[k] = emptyStrided(shape, strides, outType);
    nest.decide(static_cast<int>(k), outs[k].ptr<char>(), strides, static_cast<int64_t>(itemSize(outType)));
  }
  if (nest.numel == 0) return;
  nest.coalesce();
  runNest(spec, spec.kernel[static_cast<int>(compute)], nest, casts, attrs.data());
}

bool sameShape(const TensorImpl& a, const TensorImpl& b) {
  return a.numel == b.numel && a.sizes.size() == b.sizes.size() &&
         std::memcmp(a.sizes.data(), b.sizes.data(), a.sizes.size() * sizeof(int64_t)) == 0;
}

/// An uninitialised tensor of the shape of `lead`, which is contiguous: what is known about that need not be found
/// again.
Tensor freshLike(const TensorImpl& lead, DType t) {
  if (__builtin_expect(lead.numel == 0, 0)) return emptyTensor(lead.sizes, t);
  Ref<TensorImpl> out =
      TensorImpl::create(Storage::allocate(static_cast<size_t>(lead.numel) * itemSize(t)), t, Dims(), Dims(), 0);
  out->sizes = lead.sizes;
  out->strides = lead.sizes;
  out->numel = lead.numel;
  int64_t step = 1;
  for (size_t d = lead.sizes.size(); d-- > 0; step *= lead.sizes[d]) out->strides[d] = step;
  return Tensor(std::move(out));
}

/// The operands of a call that needs no conversion, broadcasting or strides.
struct Fast {
  const TensorImpl* lead = nullptr;
  PointwiseKernel kernel;
  DType compute;
  char* ptr[kMaxOperands];
  int64_t step[kMaxOperands];
  alignas(16) char constant[kMaxOperands][8];

  /// Fills in the inputs (after `outputs` entries); false: take the general path.
  bool match(const PointwiseSpec& spec, std::span<const Operand> inputs) {
    size_t outputs = spec.outputs;
    if (__builtin_expect(outputs + inputs.size() > kMaxOperands, 0)) return false;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].isTensor() && !isCondition(spec, i)) {
        lead = inputs[i].tensor.impl();
        break;
      }
    if (!lead || !lead->contiguous) return false;
    compute = lead->dtype;
    kernel = spec.kernel[static_cast<int>(compute)];
    if (!kernel || !allowed(spec, compute)) return false;
    auto item = static_cast<int64_t>(itemSize(compute));
    for (size_t i = 0; i < inputs.size(); ++i) {
      size_t k = outputs + i;
      if (inputs[i].isTensor()) {
        const TensorImpl* t = inputs[i].tensor.impl();
        bool condition = spec.boolInputs && isCondition(spec, i);
        if (t->dtype != (condition ? DType::Bool : compute)) return false;
        if (t != lead && (!t->contiguous || !sameShape(*t, *lead))) return false;
        int64_t width = condition ? 1 : item;
        ptr[k] = static_cast<char*>(t->storage->data()) + t->offset * width;
        step[k] = width;
      } else {
        // A number must not be of a higher kind than the tensors: it would change the result's dtype.
        const Scalar& s = inputs[i].scalar;
        if (isCondition(spec, i) || (s.isFloat() && !isFloating(compute)) || (compute == DType::Bool && !s.isBool()))
          return false;
        if (spec.rule == DTypeRule::NumericOnly && s.isBool()) return false;
        if (compute == DType::Float32) {
          auto f = static_cast<float>(s.toDouble());
          std::memcpy(constant[k], &f, sizeof f);
        } else {
          storeScalar(constant[k], compute, s);
        }
        ptr[k] = constant[k];
        step[k] = 0;
      }
    }
    return true;
  }

  void setOutput(size_t k, const Tensor& out) {
    ptr[k] = out.ptr<char>();
    step[k] = static_cast<int64_t>(itemSize(out.dtype()));
  }

  void run(const PointwiseSpec& spec, int64_t n, const double* attrs) {
    if (__builtin_expect(n <= kGrain, 1)) {
      if (n > 0) kernel(ptr, step, n, attrs);
      return;
    }
    runThreaded(spec, n, attrs);
  }

  __attribute__((noinline)) void runThreaded(const PointwiseSpec& spec, int64_t n, const double* attrs) {
    int operands = spec.outputs + spec.inputs;
    parallelFor(n, kGrain, [&](int64_t b, int64_t e) {
      char* at[kMaxOperands];
      for (int k = 0; k < operands; ++k) at[k] = ptr[k] + b * step[k];
      kernel(at, step, e - b, attrs);
    });
  }
};

void checkArity(const PointwiseSpec& spec, std::span<const Operand> inputs, size_t outs) {
  FB_CHECK(inputs.size() == spec.inputs && outs == spec.outputs, Internal,
           "%s: kernel called with %zu inputs and %zu outputs", spec.name, inputs.size(), outs);
}

__attribute__((noinline)) void pointwiseGeneral(const PointwiseSpec& spec, std::span<const Operand> inputs,
                                                std::span<const double> attrs, std::span<Tensor> outs) {
  checkArity(spec, inputs, outs.size());
  DType compute = computeType(spec, inputs);
  Dims shape = broadcastAll(inputs);
  runGeneral(spec, compute, inputs, attrs, shape, outs);
}

/// out=: gives `t` another shape, reusing its memory when it is large enough.
void resizeOutput(const Tensor& t, const Dims& shape) {
  size_t bytes = static_cast<size_t>(product(shape)) * itemSize(t.dtype());
  TensorImpl* impl = t.impl();
  if (bytes > impl->storage->nbytes()) impl->storage = Storage::allocate(bytes, t.device());
  impl->setGeometry(shape, contiguousStrides(shape), 0);
}

}  // namespace

Tensor pointwise(const PointwiseSpec& spec, std::span<const Operand> inputs, std::span<const double> attrs) {
  Fast fast;
  Tensor out;
  if (__builtin_expect(inputs.size() == spec.inputs && spec.outputs == 1 && fast.match(spec, inputs), 1)) {
    out = freshLike(*fast.lead, outputType(spec, fast.compute));
    fast.setOutput(0, out);
    fast.run(spec, fast.lead->numel, attrs.data());
  } else {
    pointwiseGeneral(spec, inputs, attrs, {&out, 1});
  }
  return out;
}

void pointwiseMulti(const PointwiseSpec& spec, std::span<const Operand> inputs, std::span<const double> attrs,
                    std::span<Tensor> outs) {
  for (Tensor& out : outs) out = Tensor();
  pointwiseGeneral(spec, inputs, attrs, outs);
}

void pointwiseInto(const PointwiseSpec& spec, std::span<const Operand> inputs, std::span<const double> attrs,
                   std::span<const Tensor> outs, bool resize) {
  checkArity(spec, inputs, outs.size());
  Fast fast;
  if (fast.match(spec, inputs)) {
    // In place on operands that are whole tensors: overlap can only be total, or none.
    DType outType = outputType(spec, fast.compute);
    bool direct = true;
    for (size_t k = 0; direct && k < outs.size(); ++k) {
      const TensorImpl* o = outs[k].impl();
      direct = o->dtype == outType && o->contiguous && sameShape(*o, *fast.lead);
      for (size_t i = 0; direct && i < inputs.size(); ++i)
        direct =
            !inputs[i].isTensor() || inputs[i].tensor.impl() == o || !(inputs[i].tensor.impl()->storage == o->storage);
    }
    if (direct) {
      for (size_t k = 0; k < outs.size(); ++k) fast.setOutput(k, outs[k]);
      fast.run(spec, fast.lead->numel, attrs.data());
      for (const Tensor& out : outs) out.bumpVersion();
      return;
    }
  }
  DType compute = computeType(spec, inputs), outType = outputType(spec, compute);
  Dims shape = broadcastAll(inputs);
  Tensor targets[kMaxOperands];
  FB_CHECK(outs.size() <= kMaxOperands, Internal, "%s: too many outputs", spec.name);
  for (size_t k = 0; k < outs.size(); ++k) {
    const Tensor& out = outs[k];
    FB_CHECK(canCast(outType, out.dtype()), Type, "result type %s can't be cast to the desired output type %s",
             scalarTypeName(outType), scalarTypeName(out.dtype()));
    if (Dims(out.sizes()) != shape) {
      FB_CHECK(resize, Shape, "output with shape %s doesn't match the broadcast shape %s",
               shapeString(out.sizes()).c_str(), shapeString(shape).c_str());
      resizeOutput(out, shape);
    }
    checkNoInternalOverlap(out);
    for (const Operand& o : inputs)
      if (o.isTensor()) checkNoPartialOverlap(out, o.tensor);
    targets[k] = out;
  }
  runGeneral(spec, compute, inputs, attrs, shape, {targets, outs.size()});
  for (const Tensor& out : outs) out.bumpVersion();
}

}  // namespace flambeau::cpu
