// The pointwise driver with hand-written kernels against naive loops: promotion, broadcasting, layouts, in place,
// errors.
#include "core/promotion.h"
#include "cpu/drivers.h"
#include "cpu/overlap.h"
#include "driver_test.h"
#include "flambeau/parallel.h"

using namespace flambeau;
using namespace flambeau::testing;
using cpu::DTypeRule;
using cpu::PointwiseSpec;

namespace {

// out = a + attr * b, computed through doubles in the kernel's dtype.
template <int D>
void fmaKernel(char* const* p, const int64_t* s, int64_t n, const double* attr) {
  auto t = static_cast<DType>(D);
  for (int64_t i = 0; i < n; ++i)
    storeScalar(
        p[0] + i * s[0], t,
        Scalar(loadScalar(p[1] + i * s[1], t).toDouble() + attr[0] * loadScalar(p[2] + i * s[2], t).toDouble()));
}
template <int D>
void lessKernel(char* const* p, const int64_t* s, int64_t n, const double*) {
  auto t = static_cast<DType>(D);
  for (int64_t i = 0; i < n; ++i)
    *(p[0] + i * s[0]) = loadScalar(p[1] + i * s[1], t).toDouble() < loadScalar(p[2] + i * s[2], t).toDouble();
}
template <int D>
void whereKernel(char* const* p, const int64_t* s, int64_t n, const double*) {
  auto t = static_cast<DType>(D);
  for (int64_t i = 0; i < n; ++i)
    storeScalar(p[0] + i * s[0], t, loadScalar(*(p[1] + i * s[1]) ? p[2] + i * s[2] : p[3] + i * s[3], t));
}
// Two outputs: sum and difference.
template <int D>
void bothKernel(char* const* p, const int64_t* s, int64_t n, const double*) {
  auto t = static_cast<DType>(D);
  for (int64_t i = 0; i < n; ++i) {
    double a = loadScalar(p[2] + i * s[2], t).toDouble(), b = loadScalar(p[3] + i * s[3], t).toDouble();
    storeScalar(p[0] + i * s[0], t, Scalar(a + b));
    storeScalar(p[1] + i * s[1], t, Scalar(a - b));
  }
}

#define ALL_DTYPES(k) \
  { k<0>, k<1>, k<2>, k<3>, k<4>, k<5>, k<6>, k<7>, k<8>, k<9> }
const PointwiseSpec kFma{"fma", DTypeRule::Same, 2, 1, 1, 0, ALL_DTYPES(fmaKernel)};
const PointwiseSpec kSub{"sub", DTypeRule::NumericOnly, 2, 1, 1, 0, ALL_DTYPES(fmaKernel)};
const PointwiseSpec kAtan2{
    "atan2", DTypeRule::IntToFloat, 2, 1, 1, 0, {fmaKernel<0>, fmaKernel<1>, fmaKernel<2>, fmaKernel<3>}};
const PointwiseSpec kErf{"erfinv", DTypeRule::FloatOnly, 2, 1, 1, 0, {fmaKernel<0>, fmaKernel<1>}};
const PointwiseSpec kLess{"lt", DTypeRule::Bool, 2, 1, 0, 0, ALL_DTYPES(lessKernel)};
const PointwiseSpec kWhere{"where", DTypeRule::Same, 3, 1, 0, 1, ALL_DTYPES(whereKernel)};
const PointwiseSpec kBoth{"both", DTypeRule::Same, 2, 2, 0, 0, ALL_DTYPES(bothKernel)};

constexpr double kOne[1] = {1};

double rounded(double v, DType t) {
  alignas(8) char element[8];
  storeScalar(element, t, Scalar(v));
  return loadScalar(element, t).toDouble();
}

/// Shapes that broadcast with each other.
std::pair<Dims, Dims> twoShapes(Random& rng) {
  Dims shape = randomShape(rng, 4, 7), a = shape, b = shape;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] > 0 && rng.below(5) == 0) a[d] = 1;
    if (shape[d] > 0 && rng.below(5) == 0) b[d] = 1;
  }
  while (!b.empty() && rng.below(5) == 0) b.erase(0);
  return {a, b};
}

}  // namespace

TEST(operandsThatLieAcross) {
  Random rng;
  for (DType t : {DType::UInt8, DType::Float16, DType::Float32, DType::Int64})
    for (auto [rows, cols] : {std::pair<int64_t, int64_t>{130, 190}, {64, 400}, {9, 3000}}) {
      Tensor base = emptyTensor(Dims{2, cols, rows}, t), b = emptyTensor(Dims{rows, cols}, t);
      fillSmall(base, rng);
      fillSmall(b, rng);
      const Tensor a = applyGeometry(base, transposeGeometry(base, 1, 2));
      const Operand inputs[] = {b, a};
      const Tensor out = cpu::pointwise(kFma, inputs, kOne);
      CHECK_EQ(Dims(out.sizes()), (Dims{2, rows, cols}));
      bool same = true;
      for (int64_t i = 0; i < out.numel(); ++i) same &= at(out, i) == atBroadcast(b, out.sizes(), i) + at(a, i);
      CHECK(same);
    }
}

TEST(anyLayoutsAndDtypes) {
  Random rng;
  for (int round = 0; round < 3000; ++round) {
    auto [sa, sb] = twoShapes(rng);
    auto ta = static_cast<DType>(rng.below(kNumDTypes)),
         tb = rng.below(2) ? ta : static_cast<DType>(rng.below(kNumDTypes));
    Tensor a = randomLayout(sa, ta, rng), b = randomLayout(sb, tb, rng);
    Operand in[2] = {a, b};
    Dims shape = broadcastShapes(sa, sb);
    DType common = resultType(in);
    Tensor out = cpu::pointwise(kFma, in, kOne);
    CHECK_EQ(out.dtype(), common);
    CHECK_EQ(Dims(out.sizes()), shape);
    bool same = true;
    for (int64_t i = 0; i < out.numel(); ++i)
      same &= at(out, i) == rounded(atBroadcast(a, shape, i) + atBroadcast(b, shape, i), common);
    CHECK(same);
    Tensor less = cpu::pointwise(kLess, in);
    CHECK_EQ(less.dtype(), DType::Bool);
    same = true;
    for (int64_t i = 0; i < less.numel(); ++i)
      same &= at(less, i) == (atBroadcast(a, shape, i) < atBroadcast(b, shape, i));
    CHECK(same);
  }
}

TEST(numbersAndZeroDims) {
  Random rng;
  for (int d = 0; d < kNumDTypes; ++d) {
    Tensor a = randomLayout(Dims{3, 4}, static_cast<DType>(d), rng), zero = emptyTensor({}, DType::Int64);
    storeScalar(zero.data(), DType::Int64, Scalar(3));
    for (Operand other : {Operand(Scalar(2)), Operand(Scalar(2.0)), Operand(Scalar(true)), Operand(zero)}) {
      double v = other.isTensor() ? 3 : other.scalar.toDouble();
      Operand in[2] = {a, other}, swapped[2] = {other, a};
      Tensor out = cpu::pointwise(kFma, in, kOne), turned = cpu::pointwise(kFma, swapped, kOne);
      CHECK_EQ(out.dtype(), resultType(in));
      CHECK_EQ(turned.dtype(), resultType(in));
      for (int64_t i = 0; i < out.numel(); ++i) {
        CHECK_EQ(at(out, i), rounded(at(a, i) + v, out.dtype()));
        CHECK_EQ(at(turned, i), at(out, i));
      }
    }
  }
}

TEST(resultKeepsTheInputsMemoryOrder) {
  Tensor base = emptyTensor(Dims{2, 3, 4, 5}, DType::Float32);
  cpu::fillWith(base, Scalar(1));
  Tensor nhwc = applyGeometry(base, permuteGeometry(base, Dims{0, 3, 1, 2}));
  Operand both[2] = {nhwc, nhwc}, number[2] = {nhwc, Scalar(1.0)};
  CHECK_EQ(Dims(cpu::pointwise(kFma, both, kOne).strides()), Dims(nhwc.strides()));
  CHECK_EQ(Dims(cpu::pointwise(kFma, number, kOne).strides()), Dims(nhwc.strides()));
  // A bias of one dimension does not change the order; a gap in memory is closed.
  Tensor bias = emptyTensor(Dims{4}, DType::Float32);
  cpu::fillWith(bias, Scalar(1));
  Operand biased[2] = {nhwc, bias};
  CHECK_EQ(Dims(cpu::pointwise(kFma, biased, kOne).strides()), Dims(nhwc.strides()));
  Tensor window = applyGeometry(base, narrowGeometry(base, 3, 1, 2));
  Operand gaps[2] = {window, window};
  CHECK(cpu::pointwise(kFma, gaps, kOne).isContiguous());
}

TEST(integersBecomeFloats) {
  Tensor i = emptyTensor(Dims{3}, DType::Int32);
  cpu::fillWith(i, Scalar(2));
  Operand in[2] = {i, i};
  Tensor out = cpu::pointwise(kAtan2, in, kOne);
  CHECK_EQ(out.dtype(), DType::Float32);
  CHECK_EQ(at(out, 2), 4);
}

TEST(unsupportedDtypes) {
  Tensor i = emptyTensor(Dims{3}, DType::Int64), b = emptyTensor(Dims{3}, DType::Bool),
         h = emptyTensor(Dims{3}, DType::Float16);
  auto call = [](const PointwiseSpec& spec, Operand x, Operand y) {
    Operand in[2] = {x, y};
    return cpu::pointwise(spec, in, kOne);
  };
  CHECK_THROWS(call(kErf, i, i), "\"erfinv\" not implemented for 'Long'");
  CHECK_THROWS(call(kErf, h, h), "\"erfinv\" not implemented for 'Half'");
  CHECK_THROWS(call(kSub, b, b), "Subtraction, the `-` operator, with two bool tensors is not supported.");
  CHECK_THROWS(call(kSub, i, b), "Subtraction, the `-` operator, with a bool tensor is not supported.");
  CHECK_THROWS(call(kSub, i, Scalar(true)), "Subtraction, the `-` operator, with a bool tensor is not supported.");
}

TEST(conditions) {
  Random rng;
  for (int round = 0; round < 300; ++round) {
    auto [sa, sb] = twoShapes(rng);
    Dims shape = broadcastShapes(sa, sb);
    Tensor c = randomLayout(sb, DType::Bool, rng), a = randomLayout(sa, static_cast<DType>(rng.below(kNumDTypes)), rng),
           b = randomLayout(shape, static_cast<DType>(rng.below(kNumDTypes)), rng);
    Operand in[3] = {c, a, b};
    Tensor out = cpu::pointwise(kWhere, in);
    CHECK_EQ(out.dtype(), resultType(std::span<const Operand>(in + 1, 2)));
    for (int64_t i = 0; i < out.numel(); ++i)
      CHECK_EQ(at(out, i), atBroadcast(c, shape, i) != 0 ? atBroadcast(a, shape, i) : atBroadcast(b, shape, i));
  }
  Tensor f = emptyTensor(Dims{2}, DType::Float32);
  Operand bad[3] = {f, f, f};
  CHECK_THROWS(cpu::pointwise(kWhere, bad),
               "where expected condition to be a boolean tensor, but got a tensor with dtype Float");
}

TEST(maskedFillKeepsTheDtypeOfSelf) {
  // The kernel picks input 2 where the mask (input 1) holds.
  PointwiseSpec spec{"maskedFillValue", DTypeRule::Same, 3, 1, 0, 2, {}};
  for (int d : {0, 7, 9})
    spec.kernel[d] = [](char* const* p, const int64_t* s, int64_t n, const double*) {
      for (int64_t i = 0; i < n; ++i) *(p[0] + i * s[0]) = *(p[2] + i * s[2]) ? *(p[3] + i * s[3]) : *(p[1] + i * s[1]);
    };
  Tensor b = emptyTensor(Dims{4}, DType::Bool), f = emptyTensor(Dims{1}, DType::Float32);
  cpu::fillWith(b, Scalar(1));
  Operand in[3] = {b, b, Scalar(10)}, tooLarge[3] = {f, emptyTensor({}, DType::Bool), f},
          badMask[3] = {f, f, Scalar(1)};
  Tensor out = cpu::pointwise(spec, in);
  CHECK_EQ(out.dtype(), DType::Bool);
  CHECK_EQ(at(out, 3), 1);
  CHECK_THROWS(cpu::pointwise(spec, tooLarge),
               "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with 1 dimension(s).");
  CHECK_THROWS(cpu::pointwise(spec, badMask),
               "masked_fill_ only supports boolean masks, but got mask with dtype Float");
}

TEST(inPlaceAndOut) {
  Random rng;
  for (int round = 0; round < 1500; ++round) {
    auto [sa, sb] = twoShapes(rng);
    Dims shape = broadcastShapes(sa, sb);
    auto tb = static_cast<DType>(rng.below(kNumDTypes)),
         ta = rng.below(2) ? tb : static_cast<DType>(rng.below(kNumDTypes));
    Tensor self = randomLayout(shape, ta, rng, false), other = randomLayout(sb, tb, rng);
    Operand in[2] = {self, other};
    DType common = resultType(in);
    if (!canCast(common, ta)) {
      CHECK_THROWS((cpu::pointwiseInto(kFma, in, kOne, {&self, 1}, false), 0),
                   "can't be cast to the desired output type");
      continue;
    }
    std::vector<double> expected;
    for (int64_t i = 0; i < self.numel(); ++i)
      expected.push_back(rounded(rounded(atBroadcast(self, shape, i) + atBroadcast(other, shape, i), common), ta));
    uint32_t version = self.version();
    cpu::pointwiseInto(kFma, in, kOne, {&self, 1}, false);
    CHECK_EQ(self.version(), version + 1);
    bool same = true;
    for (int64_t i = 0; i < self.numel(); ++i) same &= at(self, i) == expected[static_cast<size_t>(i)];
    CHECK(same);
  }
}

TEST(intoErrors) {
  Tensor f = emptyTensor(Dims{2}, DType::Float32), l = emptyTensor(Dims{2}, DType::Int64),
         m = emptyTensor(Dims{2, 2}, DType::Float32);
  cpu::fillWith(f, Scalar(1));
  cpu::fillWith(m, Scalar(1));
  cpu::fillWith(l, Scalar(1));
  Operand fl[2] = {l, f}, fm[2] = {f, m};
  CHECK_THROWS((cpu::pointwiseInto(kFma, fl, kOne, {&l, 1}, false), 0),
               "result type Float can't be cast to the desired output type Long");
  CHECK_THROWS((cpu::pointwiseInto(kFma, fm, kOne, {&f, 1}, false), 0),
               "output with shape [2] doesn't match the broadcast shape [2, 2]");
  Tensor out = emptyTensor(Dims{0}, DType::Float32);
  cpu::pointwiseInto(kFma, fm, kOne, {&out, 1}, true);
  CHECK_EQ(Dims(out.sizes()), (Dims{2, 2}));
  CHECK_EQ(at(out, 3), 2);
  Tensor t = emptyTensor(Dims{5}, DType::Float32), low = aliasTensor(t, Dims{4}, Dims{1}, 0),
         high = aliasTensor(t, Dims{4}, Dims{1}, 1);
  Operand lh[2] = {low, high};
  CHECK_THROWS((cpu::pointwiseInto(kFma, lh, kOne, {&low, 1}, false), 0),
               "unsupported operation: some elements of the input tensor");
  Tensor e = aliasTensor(t, Dims{4}, Dims{0}, 0);
  Operand el[2] = {e, low};
  CHECK_THROWS((cpu::pointwiseInto(kFma, el, kOne, {&e, 1}, false), 0),
               "unsupported operation: more than one element of the written-to tensor");
  // Two aliases of one tensor through the fast path.
  cpu::fillWith(t, Scalar(3));
  Tensor alias = aliasTensor(t, Dims{5}, Dims{1}, 0);
  Operand ta[2] = {t, alias};
  cpu::pointwiseInto(kFma, ta, kOne, {&t, 1}, false);
  CHECK_EQ(at(t, 4), 6);
}

TEST(severalOutputs) {
  Random rng;
  Tensor a = randomLayout(Dims{4, 5}, DType::Float32, rng), b = randomLayout(Dims{5}, DType::Int32, rng);
  Operand in[2] = {a, b};
  Tensor outs[2];
  cpu::pointwiseMulti(kBoth, in, {}, outs);
  for (int64_t i = 0; i < 20; ++i) {
    CHECK_EQ(at(outs[0], i), at(a, i) + atBroadcast(b, a.sizes(), i));
    CHECK_EQ(at(outs[1], i), at(a, i) - atBroadcast(b, a.sizes(), i));
  }
  // In place on both inputs at once, as optimizer steps do.
  Tensor x = emptyTensor(Dims{9}, DType::Float32), y = emptyTensor(Dims{9}, DType::Float32);
  cpu::fillWith(x, Scalar(5));
  cpu::fillWith(y, Scalar(3));
  Operand xy[2] = {x, y};
  Tensor targets[2] = {x, y};
  cpu::pointwiseInto(kBoth, xy, {}, targets, false);
  CHECK_EQ(at(x, 8), 8);
  CHECK_EQ(at(y, 8), 2);
}

TEST(threadsGiveTheSameNumbers) {
  int restore = numThreads();
  setNumThreads(3);
  Random rng;
  for (Dims shape : {Dims{300, 411}, Dims{7, 3, 9001}, Dims{200001}}) {
    Tensor a = randomLayout(shape, DType::Float32, rng), b = randomLayout(shape, DType::Int16, rng);
    Operand in[2] = {a, b}, plain[2] = {a, a};
    for (auto* operands : {in, plain}) {
      Tensor out = cpu::pointwise(kFma, {operands, 2}, kOne);
      bool same = true;
      for (int64_t i = 0; i < out.numel(); ++i) same &= at(out, i) == at(a, i) + at(operands[1].tensor, i);
      CHECK(same);
    }
  }
  setNumThreads(restore);
}

TEST_MAIN()
