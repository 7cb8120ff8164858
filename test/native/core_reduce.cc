// The reduction driver with hand-written kernels against naive loops: every choice of dims, layouts, dtypes, long
// inputs.
#include <algorithm>
#include <limits>

#include "cpu/drivers.h"
#include "driver_test.h"
#include "flambeau/parallel.h"

using namespace flambeau;
using namespace flambeau::testing;
using cpu::ReduceRule;
using cpu::ReductionKernels;
using cpu::ReductionSpec;

namespace {

template <class T>
T get(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Sum; the accumulator is the element type itself, so that rounding is visible.
template <class T>
struct Sum {
  static ReductionKernels kernels() {
    ReductionKernels k;
    k.init = [](void* s, int64_t n) { std::fill_n(static_cast<T*>(s), n, T(0)); };
    k.inner = [](void* s, const char* in, int64_t stride, int64_t n, int64_t, const double*) {
      for (int64_t i = 0; i < n; ++i) *static_cast<T*>(s) += get<T>(in + i * stride);
    };
    k.outer = [](void* s, const char* in, int64_t col, int64_t width, int64_t row, int64_t n, int64_t, const double*) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < width; ++c) static_cast<T*>(s)[c] += get<T>(in + i * row + c * col);
    };
    k.combine = [](void* a, const void* b, int64_t n) {
      for (int64_t i = 0; i < n; ++i) static_cast<T*>(a)[i] += static_cast<const T*>(b)[i];
    };
    k.finish = [](const void* s, int64_t count, char* const* out, const int64_t* step, int64_t n, const double* attr) {
      for (int64_t i = 0; i < count; ++i) {
        T v = static_cast<const T*>(s)[i];
        if (attr && attr[0] == 1) v = static_cast<T>(v / static_cast<T>(n));  // mean
        std::memcpy(out[0] + i * step[0], &v, sizeof v);
      }
    };
    k.stateBytes = sizeof(T);
    return k;
  }
};

// Maximum with its first position.
template <class T>
struct Max {
  struct State {
    T value;
    int64_t index;
  };
  static void take(State& s, T v, int64_t i) {
    if (s.index < 0 || v > s.value) s = {v, i};
  }
  static ReductionKernels kernels(bool indexOnly) {
    ReductionKernels k;
    k.init = [](void* s, int64_t n) { std::fill_n(static_cast<State*>(s), n, State{T(0), -1}); };
    k.inner = [](void* s, const char* in, int64_t stride, int64_t n, int64_t index, const double*) {
      for (int64_t i = 0; i < n; ++i) take(*static_cast<State*>(s), get<T>(in + i * stride), index + i);
    };
    k.outer = [](void* s, const char* in, int64_t col, int64_t width, int64_t row, int64_t n, int64_t index,
                 const double*) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < width; ++c) take(static_cast<State*>(s)[c], get<T>(in + i * row + c * col), index + i);
    };
    k.combine = [](void* a, const void* b, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        const State& from = static_cast<const State*>(b)[i];
        if (from.index >= 0) take(static_cast<State*>(a)[i], from.value, from.index);
      }
    };
    auto both = [](const void* s, int64_t count, char* const* out, const int64_t* step, int64_t, const double*) {
      for (int64_t i = 0; i < count; ++i) {
        std::memcpy(out[0] + i * step[0], &static_cast<const State*>(s)[i].value, sizeof(T));
        std::memcpy(out[1] + i * step[1], &static_cast<const State*>(s)[i].index, 8);
      }
    };
    auto only = [](const void* s, int64_t count, char* const* out, const int64_t* step, int64_t, const double*) {
      for (int64_t i = 0; i < count; ++i) std::memcpy(out[0] + i * step[0], &static_cast<const State*>(s)[i].index, 8);
    };
    k.finish = both;
    if (indexOnly) k.finish = only;
    k.stateBytes = sizeof(State);
    return k;
  }
};

ReductionSpec sumSpec() {
  ReductionSpec s{"sum", ReduceRule::IntToInt64, 1, {false, false}, true, {}};
  s.kernels[0] = Sum<float>::kernels();
  s.kernels[1] = Sum<double>::kernels();
  s.kernels[7] = Sum<int64_t>::kernels();
  return s;
}
ReductionSpec meanSpec() {
  ReductionSpec s = sumSpec();
  s.name = "mean";
  s.rule = ReduceRule::FloatOnly;
  return s;
}
ReductionSpec amaxSpec() {
  ReductionSpec s{"amax", ReduceRule::Same, 2, {false, true}, false, {}};
  s.kernels[0] = Max<float>::kernels(false);
  s.kernels[7] = Max<int64_t>::kernels(false);
  return s;
}
ReductionSpec argmaxSpec() {
  ReductionSpec s{"argmax", ReduceRule::Index, 1, {true, false}, false, {}};
  s.kernels[0] = Max<float>::kernels(true);
  return s;
}

const double kSum[1] = {0}, kMean[1] = {1};

Tensor reduceOne(const ReductionSpec& spec, const Tensor& t, std::optional<IntSpan> dims, bool keepdim,
                 std::optional<DType> dtype = {}, const double* attr = kSum) {
  Tensor out;
  cpu::reduce(spec, t, dims, keepdim, dtype, {attr, 1}, {&out, 1});
  return out;
}

/// For each result, the row-major positions that are reduced into it, in row-major order.
std::vector<std::vector<int64_t>> groups(const Tensor& t, const Dims& dims) {
  int64_t results = 1;
  for (size_t d = 0; d < t.sizes().size(); ++d)
    if (std::find(dims.begin(), dims.end(), static_cast<int64_t>(d)) == dims.end()) results *= t.sizes()[d];
  std::vector<std::vector<int64_t>> out(static_cast<size_t>(results));
  for (int64_t i = 0; i < t.numel(); ++i) {
    int64_t rest = i, result = 0, scale = 1;
    for (size_t d = t.sizes().size(); d-- > 0;) {
      int64_t index = rest % t.sizes()[d];
      rest /= t.sizes()[d];
      if (std::find(dims.begin(), dims.end(), static_cast<int64_t>(d)) != dims.end()) continue;
      result += index * scale;
      scale *= t.sizes()[d];
    }
    out[static_cast<size_t>(result)].push_back(i);
  }
  return out;
}

Dims randomDims(const Tensor& t, Random& rng) {
  Dims dims;
  for (int64_t d = 0; d < t.dim(); ++d)
    if (rng.below(2)) dims.push_back(d);
  if (dims.empty())
    for (int64_t d = 0; d < t.dim(); ++d) dims.push_back(d);
  return dims;
}

}  // namespace

TEST(sumsOverAnyDims) {
  Random rng;
  ReductionSpec sum = sumSpec();
  for (int round = 0; round < 1500; ++round) {
    auto dtype = static_cast<DType>(rng.below(kNumDTypes));
    if (dtype == DType::Float16 || dtype == DType::BFloat16) dtype = DType::Float32;
    Tensor t = randomLayout(randomShape(rng, 4, 12), dtype, rng);
    Dims dims = randomDims(t, rng);
    bool keepdim = rng.below(2);
    Tensor out = reduceOne(sum, t, IntSpan(dims), keepdim);
    CHECK_EQ(out.dtype(), isFloating(dtype) ? dtype : DType::Int64);
    CHECK_EQ(out.dim(), keepdim ? t.dim() : t.dim() - static_cast<int64_t>(t.dim() ? dims.size() : 0));
    auto all = groups(t, dims);
    CHECK_EQ(out.numel(), static_cast<int64_t>(all.size()));
    bool same = true;
    for (size_t r = 0; r < all.size(); ++r) {
      double expected = 0;
      for (int64_t i : all[r]) expected += at(t, i);
      same &= at(out, static_cast<int64_t>(r)) == expected;
    }
    CHECK(same);
  }
}

TEST(maximaAndTheirPositions) {
  Random rng;
  ReductionSpec amax = amaxSpec(), argmax = argmaxSpec();
  for (int round = 0; round < 1500; ++round) {
    Tensor t = randomLayout(randomShape(rng, 4, 12), DType::Float32, rng);
    if (t.numel() == 0) continue;
    Dims dims = randomDims(t, rng);
    Tensor outs[2];
    cpu::reduce(amax, t, IntSpan(dims), false, {}, kSum, outs);
    Tensor index = reduceOne(argmax, t, IntSpan(dims), false);
    auto all = groups(t, dims);
    bool same = true;
    for (size_t r = 0; r < all.size(); ++r) {
      int64_t best = 0;
      for (size_t i = 0; i < all[r].size(); ++i)
        if (at(t, all[r][i]) > at(t, all[r][static_cast<size_t>(best)])) best = static_cast<int64_t>(i);
      same &= at(outs[0], static_cast<int64_t>(r)) == at(t, all[r][static_cast<size_t>(best)]);
      same &= outs[1].ptr<int64_t>()[r] == best && index.ptr<int64_t>()[r] == best;
    }
    CHECK(same);
  }
}

TEST(longReductionsStayAccurateAndIndependentOfThreads) {
  int restore = numThreads();
  ReductionSpec sum = sumSpec(), argmax = argmaxSpec();
  struct Case {
    Dims shape, dims;
  };
  for (const Case& c :
       {Case{{3000001}, {0}}, {{3, 400000}, {1}}, {{300000, 7}, {0}}, {{2, 90000, 5}, {1}}, {{70, 30, 300}, {0, 2}}}) {
    Tensor t = emptyTensor(c.shape, DType::Float32);
    Random rng;
    for (int64_t i = 0; i < t.numel(); ++i) t.ptr<float>()[i] = static_cast<float>(rng.below(1000)) * 0.001f + 0.1f;
    setNumThreads(1);
    Tensor one = reduceOne(sum, t, IntSpan(c.dims), false), oneIndex = reduceOne(argmax, t, IntSpan(c.dims), false);
    setNumThreads(3);
    Tensor three = reduceOne(sum, t, IntSpan(c.dims), false), threeIndex = reduceOne(argmax, t, IntSpan(c.dims), false);
    std::vector<double> exact(static_cast<size_t>(one.numel()));
    auto all = groups(t, c.dims);
    for (size_t r = 0; r < all.size(); ++r)
      for (int64_t i : all[r]) exact[r] += at(t, i);
    for (size_t r = 0; r < all.size(); ++r) {
      CHECK_EQ(one.ptr<float>()[r], three.ptr<float>()[r]);
      CHECK_EQ(oneIndex.ptr<int64_t>()[r], threeIndex.ptr<int64_t>()[r]);
      CHECK_CLOSE(one.ptr<float>()[r], exact[r], 2e-5, 0);
    }
  }
  setNumThreads(restore);
}

TEST(dtypeRules) {
  Tensor b = emptyTensor(Dims{5}, DType::Bool), i = emptyTensor(Dims{5}, DType::Int32);
  cpu::fillWith(b, Scalar(1));
  cpu::fillWith(i, Scalar(3));
  ReductionSpec sum = sumSpec(), mean = meanSpec();
  CHECK_EQ(at(reduceOne(sum, b, {}, false), 0), 5);
  CHECK_EQ(reduceOne(sum, i, {}, false, DType::Float64).dtype(), DType::Float64);
  CHECK_EQ(at(reduceOne(mean, i, {}, false, DType::Float32, kMean), 0), 3);
  CHECK_THROWS(
      reduceOne(mean, i, {}, false, {}, kMean),
      "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: Int");
  // An integer dtype is a wrapped int64 sum; bool asks for any true element.
  cpu::fillWith(i, Scalar(100));
  Tensor narrow = reduceOne(sum, i, {}, false, DType::Int8);
  CHECK_EQ(narrow.dtype(), DType::Int8);
  CHECK_EQ(at(narrow, 0), static_cast<int8_t>(500));
  Tensor cancel = emptyTensor(Dims{2}, DType::Int32);
  cancel.ptr<int32_t>()[0] = 1;
  cancel.ptr<int32_t>()[1] = -1;
  CHECK_EQ(at(reduceOne(sum, cancel, {}, false, DType::Bool), 0), 1);
  Tensor h = emptyTensor(Dims{2}, DType::Float16);
  CHECK_THROWS(reduceOne(sum, h, {}, false), "\"sum\" not implemented for 'Half'");
}

TEST(emptyInputs) {
  ReductionSpec sum = sumSpec(), amax = amaxSpec();
  Tensor t = emptyTensor(Dims{0, 3}, DType::Float32);
  Dims zero{0}, one{1};
  Tensor s = reduceOne(sum, t, IntSpan(zero), false);
  CHECK_EQ(Dims(s.sizes()), (Dims{3}));
  CHECK_EQ(at(s, 2), 0);
  CHECK_EQ(at(reduceOne(sum, t, {}, false), 0), 0);
  CHECK_EQ(reduceOne(sum, t, IntSpan(one), true).numel(), 0);
  Tensor outs[2];
  auto max = [&](std::optional<IntSpan> dims) {
    cpu::reduce(amax, t, dims, false, {}, kSum, outs);
    return 0;
  };
  CHECK_THROWS(max({}),
               "amax(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
               "the 'dim' argument.");
  CHECK_THROWS(max(IntSpan(zero)), "amax(): Expected reduction dim 0 to have non-zero size.");
  max(IntSpan(one));
  CHECK_EQ(Dims(outs[0].sizes()), (Dims{0}));
}

TEST(scalarsAndBadDims) {
  ReductionSpec sum = sumSpec();
  Tensor t = scalarTensor(2.5);
  Dims last{-1}, twice{0, 0}, far{3};
  CHECK_EQ(at(reduceOne(sum, t, IntSpan(last), true), 0), 2.5);
  Tensor m = emptyTensor(Dims{2, 2}, DType::Float32);
  CHECK_THROWS(reduceOne(sum, m, IntSpan(twice), false), "dim 0 appears multiple times in the list of dims");
  CHECK_THROWS(reduceOne(sum, m, IntSpan(far), false),
               "Dimension out of range (expected to be in range of [-2, 1], but got 3)");
}

TEST_MAIN()
