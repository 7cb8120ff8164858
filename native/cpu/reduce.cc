// Reduction driver. The input becomes kept dimensions (one result each) times reduced dimensions. Two strategies:
//   inner  the fastest dimension is reduced: one kernel call per row
//   outer  the fastest dimension is kept: neighbouring columns are reduced side by side, row by row
// Long reductions are cut into blocks whose partial states are joined pairwise, which keeps rounding errors small and
// lets threads share one result. The cuts depend on the shape only, never on the number of threads.
#include <algorithm>
#include <string_view>

#include "core/promotion.h"
#include "cpu/copy_kernels.h"
#include "cpu/drivers.h"
#include "cpu/loop_nest.h"
#include "cpu/reduce_plan.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

/// Elements of one row that one kernel call takes; more are joined pairwise.
constexpr int64_t kRowBlock = 32768;
/// Rows that one outer call takes.
constexpr int64_t kOuterRows = 512;
/// Columns reduced side by side.
constexpr int64_t kColumns = 512;
/// Results whose states are kept together before they are finished (inner strategy).
constexpr int64_t kBatch = 64;

/// 64-byte aligned scratch; small ones live on the stack.
class Scratch {
 public:
  explicit Scratch(size_t bytes) {
    if (bytes > sizeof inline_) heap_ = emptyTensor(Dims{static_cast<int64_t>(bytes)}, DType::UInt8);
  }
  char* data() { return heap_.defined() ? heap_.ptr<char>() : inline_; }

 private:
  alignas(64) char inline_[4096];
  Tensor heap_;
};

struct Run {
  const ReductionKernels& kernels;
  const ReducePlan& plan;
  const double* attrs;
  int outputs;
  int64_t n;  // elements per result
  size_t state;
  DType from, compute;  // the input's dtype and the kernel's
};

/// Elements converted at a time when they differ (inner strategy).
constexpr int64_t kConvert = 1024;

/// Pairwise joining of partial results, earlier ones on the left: level k holds the join of 2^k blocks, like a binary
/// counter.
class Pairwise {
 public:
  Pairwise(const Run& run, int64_t count, int64_t blocks)
      : run_(run), count_(count), bytes_(stride(run, count)), memory_(levels(blocks) * bytes_) {}
  /// Where the next block's states go; initialised.
  char* next() {
    char* p = level(used_);
    run_.kernels.init(p, count_);
    return p;
  }
  /// The states at next() are complete: carries them up.
  void push() {
    uint64_t carry = blocks_++;
    ++used_;
    for (; carry & 1; carry >>= 1) join();
  }
  /// Joins what is left; the result.
  char* finish() {
    while (used_ > 1) join();
    return level(0);
  }

 private:
  static size_t stride(const Run& run, int64_t count) {
    return (run.state * static_cast<size_t>(count) + 63) / 64 * 64;
  }
  static size_t levels(int64_t blocks) {
    size_t n = 2;
    for (; blocks > 1; blocks = (blocks + 1) / 2) ++n;
    return n;
  }
  char* level(int k) { return memory_.data() + static_cast<size_t>(k) * bytes_; }
  void join() {
    --used_;
    run_.kernels.combine(level(used_ - 1), level(used_), count_);
  }
  const Run& run_;
  int64_t count_;
  size_t bytes_;
  Scratch memory_;
  int used_ = 0;
  uint64_t blocks_ = 0;
};

/// Reduces elements [begin, end) of the reduced dimensions into one state.
void reduceRow(const Run& run, void* state, const char* in, int64_t begin, int64_t end) {
  const ReducePlan& p = run.plan;
  int64_t inner = p.reduced.size() ? p.reduced[0].size : 1, step = p.reduced.size() ? p.reduced[0].stride : 0;
  for (int64_t i = begin; i < end;) {
    int64_t within = i % inner, n = std::min(inner - within, end - i);
    const char* row = in + p.reducedOffset(i / inner) + within * step;
    if (run.from == run.compute) {
      run.kernels.inner(state, row, step, n, i, run.attrs);
    } else {
      alignas(64) char block[kConvert * 8];
      auto item = static_cast<int64_t>(itemSize(run.compute));
      for (int64_t k = 0; k < n; k += kConvert) {
        int64_t m = std::min(kConvert, n - k);
        convertStrided(block, run.compute, item, row + k * step, run.from, step, m);
        run.kernels.inner(state, block, item, m, i + k, run.attrs);
      }
    }
    i += n;
  }
}

/// The whole reduction for one result, pairwise when it is long.
void reduceLong(const Run& run, void* state, const char* in, int64_t begin, int64_t end) {
  int64_t n = end - begin;
  if (n <= kRowBlock * 2) {
    reduceRow(run, state, in, begin, end);
    return;
  }
  Pairwise tree(run, 1, n / kRowBlock + 1);
  for (int64_t b = begin; b < end; b += kRowBlock) {
    reduceRow(run, tree.next(), in, b, std::min(end, b + kRowBlock));
    tree.push();
  }
  run.kernels.combine(state, tree.finish(), 1);
}

void finishInto(const Run& run, const void* states, int64_t count, int64_t result, int64_t outStride) {
  // Results are contiguous, but kept dimensions may be walked in another order.
  char* out[2];
  int64_t step[2];
  for (int k = 0; k < run.outputs; ++k) {
    out[k] = run.plan.outData[k] + run.plan.keptOffset(result, k);
    step[k] = outStride * run.plan.outItem[k];
  }
  run.kernels.finish(states, count, out, step, run.n, run.attrs);
}

/// Inner strategy over results [begin, end), counted along the kept dimensions, fastest first.
void innerRange(const Run& run, int64_t begin, int64_t end) {
  const ReducePlan& p = run.plan;
  Scratch scratch(run.state * kBatch);
  char* states = scratch.data();
  int64_t width = p.kept.size() ? p.kept[0].size : 1, outStep = p.kept.size() ? p.kept[0].outStride : 0;
  for (int64_t i = begin; i < end;) {
    int64_t count = std::min({kBatch, width - i % width, end - i});
    const char* in = p.data + p.keptInput(i);
    int64_t step = p.kept.size() ? p.kept[0].stride : 0;
    run.kernels.init(states, count);
    for (int64_t c = 0; c < count; ++c)
      reduceLong(run, states + static_cast<size_t>(c) * run.state, in + c * step, 0, run.n);
    finishInto(run, states, count, i, outStep);
    i += count;
  }
}

/// Rows [begin, end) of the reduced dimensions into the states of `width` columns.
void outerRows(const Run& run, void* states, const char* in, int64_t width, int64_t begin, int64_t end) {
  const ReducePlan& p = run.plan;
  int64_t inner = p.reduced[0].size, rowStep = p.reduced[0].stride, colStep = p.kept[0].stride;
  for (int64_t i = begin; i < end;) {
    int64_t within = i % inner, n = std::min(inner - within, end - i);
    run.kernels.outer(states, in + p.reducedOffset(i / inner) + within * rowStep, colStep, width, rowStep, n, i,
                      run.attrs);
    i += n;
  }
}

void outerLong(const Run& run, char* states, const char* in, int64_t width, int64_t begin, int64_t end) {
  int64_t n = end - begin;
  if (n <= kOuterRows * 2) {
    outerRows(run, states, in, width, begin, end);
    return;
  }
  Pairwise tree(run, width, n / kOuterRows + 1);
  for (int64_t b = begin; b < end; b += kOuterRows) {
    outerRows(run, tree.next(), in, width, b, std::min(end, b + kOuterRows));
    tree.push();
  }
  run.kernels.combine(states, tree.finish(), width);
}

/// Outer strategy over column blocks [begin, end).
void outerRange(const Run& run, int64_t begin, int64_t end) {
  const ReducePlan& p = run.plan;
  int64_t width = p.kept[0].size, blocks = (width + kColumns - 1) / kColumns;
  Scratch scratch(run.state * static_cast<size_t>(std::min(kColumns, width)));
  for (int64_t b = begin; b < end; ++b) {
    int64_t first = b % blocks * kColumns, count = std::min(kColumns, width - first),
            result = b / blocks * width + first;
    run.kernels.init(scratch.data(), count);
    outerLong(run, scratch.data(), p.data + p.keptInput(result), count, 0, run.n);
    finishInto(run, scratch.data(), count, result, p.kept[0].outStride);
  }
}

/// Few results, many elements: threads share the reduced range. Each piece has its own states; pieces are joined in
/// order.
void splitReduced(const Run& run, bool outer) {
  const ReducePlan& p = run.plan;
  int64_t width = outer ? p.kept[0].size : 1, groups = p.results / width;
  // Whole blocks per piece, and a piece count that follows from the shape: results do not depend on the thread count.
  int64_t block = outer ? kOuterRows : kRowBlock;
  int64_t pieces = std::min<int64_t>(16, (run.n + block - 1) / block);
  int64_t perPiece = ((run.n + pieces - 1) / pieces + block - 1) / block * block;
  pieces = (run.n + perPiece - 1) / perPiece;
  size_t bytes = (run.state * static_cast<size_t>(width) + 63) / 64 * 64;
  Scratch scratch(bytes * static_cast<size_t>(pieces));
  for (int64_t g = 0; g < groups; ++g) {
    int64_t result = g * width;
    const char* in = p.data + p.keptInput(result);
    parallelFor(pieces, 1, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        char* states = scratch.data() + static_cast<size_t>(i) * bytes;
        run.kernels.init(states, width);
        int64_t from = i * perPiece, to = std::min(run.n, from + perPiece);
        if (outer) {
          outerLong(run, states, in, width, from, to);
        } else {
          reduceLong(run, states, in, from, to);
        }
      }
    });
    // A fixed tree over the pieces.
    for (int64_t gap = 1; gap < pieces; gap *= 2)
      for (int64_t i = 0; i + gap < pieces; i += 2 * gap)
        run.kernels.combine(scratch.data() + static_cast<size_t>(i) * bytes,
                            scratch.data() + static_cast<size_t>(i + gap) * bytes, width);
    finishInto(run, scratch.data(), width, result, outer ? p.kept[0].outStride : 0);
  }
}

void execute(const Run& run) {
  const ReducePlan& p = run.plan;
  if (p.results == 0) return;
  bool outer = p.useOuter() && run.kernels.outer;
  int64_t width = outer ? p.kept[0].size : 1;
  bool splitResults = p.results * run.n <= kGrain || p.results >= 64 * (outer ? kColumns : 1);
  if (!splitResults && run.n >= 2 * (outer ? kOuterRows : kRowBlock) && width <= 4 * kColumns) {
    splitReduced(run, outer);
    return;
  }
  int64_t perResult = std::max<int64_t>(run.n, 1);
  if (outer) {
    int64_t blocks = (width + kColumns - 1) / kColumns;
    parallelFor(p.results / width * blocks, std::max<int64_t>(1, kGrain / (perResult * std::min(width, kColumns))),
                [&](int64_t b, int64_t e) { outerRange(run, b, e); });
  } else {
    parallelFor(p.results, std::max<int64_t>(1, kGrain / perResult),
                [&](int64_t b, int64_t e) { innerRange(run, b, e); });
  }
}

struct Types {
  DType compute, output;
};

Types reduceTypes(const ReductionSpec& spec, DType in, std::optional<DType> dtype) {
  switch (spec.rule) {
    case ReduceRule::Same: {
      DType t = dtype.value_or(in);
      return {t, t};
    }
    case ReduceRule::IntToInt64: {
      // Integers are accumulated as int64 and converted at the end: the same bits, since integers wrap.
      DType t = dtype.value_or(isFloating(in) ? in : DType::Int64);
      return {isFloating(t) ? t : DType::Int64, t};
    }
    case ReduceRule::FloatOnly: {
      DType t = dtype.value_or(in);
      if (std::string_view(spec.name) == "mean") {
        FB_CHECK(isFloating(t), Type,
                 "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
                 "Got: %s",
                 scalarTypeName(t));
      }
      FB_CHECK(isFloating(t), Type, "%s: only floating point dtypes are supported, got %s", spec.name,
               scalarTypeName(t));
      return {t, t};
    }
    case ReduceRule::Bool:
      return {in, in == DType::UInt8 ? DType::UInt8 : DType::Bool};  // any() of uint8 is uint8, by PyTorch's tradition
    case ReduceRule::Index:
      return {in, DType::Int64};
  }
  return {in, in};
}

/// Empty reduced ranges have no result unless the op has an identity.
void checkNotEmpty(const ReductionSpec& spec, const Tensor& self, bool all, const Dims& dims) {
  if (spec.identity || self.numel() != 0) return;
  FB_CHECK(!all, Index,
           "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the "
           "'dim' argument.",
           spec.name);
  for (int64_t d : dims)
    FB_CHECK(self.sizes()[static_cast<size_t>(d)] != 0, Index,
             "%s(): Expected reduction dim %ld to have non-zero size.", spec.name, static_cast<long>(d));
}

}  // namespace

void reduce(const ReductionSpec& spec, const Tensor& input, std::optional<IntSpan> dims, bool keepdim,
            std::optional<DType> dtype, std::span<const double> attrs, std::span<Tensor> outs) {
  FB_CHECK(outs.size() == spec.outputs && spec.outputs >= 1 && spec.outputs <= 2, Internal,
           "%s: wrong number of outputs", spec.name);
  Tensor self = input;
  if (spec.rule == ReduceRule::IntToInt64 && dtype == DType::Bool && input.dtype() != DType::Bool) {
    // sum(dtype=bool) asks whether any element is true, not whether the sum is.
    self = emptyTensor(input.sizes(), DType::Bool);
    copyInto(self, input);
  }
  Dims reduced = wrapDims(dims, self.dim());
  checkNotEmpty(spec, self, !dims || dims->empty(), reduced);
  Types types = reduceTypes(spec, self.dtype(), dtype);
  const ReductionKernels& kernels = spec.kernels[static_cast<int>(types.compute)];
  FB_CHECK(kernels.inner && kernels.init && kernels.finish, Type, "\"%s\" not implemented for '%s'", spec.name,
           scalarTypeName(types.compute));

  Dims shape;
  size_t next = 0;
  Dims sorted = reduced;
  std::sort(sorted.begin(), sorted.end());
  for (size_t d = 0; d < self.sizes().size(); ++d) {
    bool gone = next < sorted.size() && sorted[next] == static_cast<int64_t>(d);
    if (gone) ++next;
    if (!gone || keepdim) shape.push_back(gone ? 1 : self.sizes()[d]);
  }
  bool ordered = spec.rule == ReduceRule::Index || spec.indexOutput[0] || spec.indexOutput[1];
  bool narrow = spec.rule == ReduceRule::IntToInt64 && types.output != types.compute;
  for (size_t k = 0; k < outs.size(); ++k)
    outs[k] = emptyTensor(shape, spec.indexOutput[k] ? DType::Int64 : narrow ? types.compute : types.output);
  ReducePlan plan(self, sorted, ordered);
  // Another dtype: rows are converted on the way, columns as a whole.
  Tensor in = self;
  if (self.dtype() != types.compute && plan.useOuter()) {
    in = emptyTensor(self.sizes(), types.compute);
    copyInto(in, self);
    plan = ReducePlan(in, sorted, ordered);
  }
  for (size_t k = 0; k < outs.size(); ++k) {
    plan.outData[k] = outs[k].ptr<char>();
    plan.outItem[k] = static_cast<int64_t>(itemSize(outs[k].dtype()));
  }
  execute(
      Run{kernels, plan, attrs.data(), spec.outputs, plan.reducedCount, kernels.stateBytes, in.dtype(), types.compute});
  if (narrow) {
    Tensor wide = outs[0];
    outs[0] = emptyTensor(shape, types.output);
    copyInto(outs[0], wide);
  }
}

}  // namespace flambeau::cpu
