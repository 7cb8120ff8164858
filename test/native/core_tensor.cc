// Vocabulary of the core: dtypes and promotion, broadcasting, shape helpers, tensor creation and its errors.
#include <limits>

#include "check.h"
#include "core/element.h"
#include "core/promotion.h"
#include "flambeau/tensor.h"

using namespace flambeau;

TEST(promotionIsPyTorchsTable) {
  CHECK_EQ(promoteTypes(DType::Float16, DType::BFloat16), DType::Float32);
  CHECK_EQ(promoteTypes(DType::UInt8, DType::Int8), DType::Int16);
  CHECK_EQ(promoteTypes(DType::UInt8, DType::Int16), DType::Int16);
  CHECK_EQ(promoteTypes(DType::Int64, DType::Float16), DType::Float16);
  CHECK_EQ(promoteTypes(DType::Bool, DType::UInt8), DType::UInt8);
  CHECK_EQ(promoteTypes(DType::Float32, DType::Float64), DType::Float64);
  for (int a = 0; a < kNumDTypes; ++a)
    for (int b = 0; b < kNumDTypes; ++b) {
      auto ta = static_cast<DType>(a), tb = static_cast<DType>(b), j = promoteTypes(ta, tb);
      CHECK_EQ(j, promoteTypes(tb, ta));          // commutative
      CHECK_EQ(promoteTypes(j, ta), j);           // an upper bound
      if (a == b) CHECK_EQ(j, ta);                // idempotent
      CHECK(canCast(ta, j) || j == DType::Bool);  // and storable
    }
}

TEST(resultTypeRanksDimensionedTensorsFirst) {
  Tensor f32 = emptyTensor(Dims{2}, DType::Float32), i32 = emptyTensor(Dims{2}, DType::Int32),
         b = emptyTensor(Dims{2}, DType::Bool);
  Tensor zeroF64 = emptyTensor({}, DType::Float64), zeroI64 = emptyTensor({}, DType::Int64),
         i8 = emptyTensor(Dims{3}, DType::Int8);
  auto type = [](std::initializer_list<Operand> l) { return resultType({l.begin(), l.size()}); };
  CHECK_EQ(type({f32, zeroF64}), DType::Float32);  // same kind: the 0-d tensor has no say
  CHECK_EQ(type({i32, zeroF64}), DType::Float64);  // higher kind: it decides
  CHECK_EQ(type({i8, zeroI64}), DType::Int8);
  CHECK_EQ(type({i32, Scalar(2.5)}), DType::Float32);  // default dtype
  CHECK_EQ(type({i8, Scalar(300)}), DType::Int8);
  CHECK_EQ(type({b, Scalar(1)}), DType::Int64);
  CHECK_EQ(type({b, Scalar(true)}), DType::Bool);
  CHECK_EQ(type({zeroI64, Scalar(1.5)}), DType::Float32);
  CHECK_EQ(type({f32, i32}), DType::Float32);
  setDefaultDType(DType::Float64);
  CHECK_EQ(type({i32, Scalar(2.5)}), DType::Float64);
  setDefaultDType(DType::Float32);
  CHECK_THROWS(setDefaultDType(DType::Int32), "only floating-point types are supported as the default type");
}

TEST(dtypeNamesRoundTrip) {
  for (int i = 0; i < kNumDTypes; ++i) CHECK_EQ(dtypeFromName(dtypeName(static_cast<DType>(i))), static_cast<DType>(i));
  CHECK_THROWS(dtypeFromName("float33"), "unknown dtype 'float33'");
}

TEST(broadcasting) {
  CHECK_EQ(broadcastShapes(Dims{3, 1}, Dims{4}), (Dims{3, 4}));
  CHECK_EQ(broadcastShapes(Dims{}, Dims{2, 0}), (Dims{2, 0}));
  CHECK_EQ(broadcastShapes(Dims{1}, Dims{0}), (Dims{0}));
  CHECK_THROWS(broadcastShapes(Dims{2, 3}, Dims{2, 4}),
               "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1");
}

TEST(dimWrapping) {
  CHECK_EQ(wrapDim(-1, 3), 2);
  CHECK_EQ(wrapDim(-1, 0), 0);
  CHECK_THROWS(wrapDim(2, 2), "Dimension out of range (expected to be in range of [-2, 1], but got 2)");
  Dims twice{0, -2}, none{};
  CHECK_THROWS(wrapDims(IntSpan(twice), 2), "dim 0 appears multiple times in the list of dims");
  CHECK_EQ(wrapDims(std::nullopt, 2), (Dims{0, 1}));
  CHECK_EQ(wrapDims(IntSpan(none), 2), (Dims{0, 1}));
}

TEST(inferSizeResolvesOneHole) {
  CHECK_EQ(inferSize(Dims{2, -1}, 6), (Dims{2, 3}));
  CHECK_THROWS(inferSize(Dims{2, -1}, 3), "shape '[2, -1]' is invalid for input of size 3");
  CHECK_THROWS(inferSize(Dims{-1, -1}, 4), "only one dimension can be inferred");
  CHECK_THROWS(inferSize(Dims{0, -1}, 0), "is ambiguous");
  CHECK_THROWS(inferSize(Dims{int64_t{1} << 40, int64_t{1} << 40}, 0), "is invalid for input of size 0");
}

TEST(creationChecksSizes) {
  CHECK_THROWS(emptyTensor(Dims{2, -1}, DType::Float32), "Trying to create tensor with negative dimension -1: [2, -1]");
  CHECK_THROWS(emptyTensor(Dims{int64_t{1} << 40, int64_t{1} << 40}, DType::Float32),
               "Storage size calculation overflowed");
  CHECK_THROWS(emptyTensor(Dims{int64_t{1} << 62}, DType::Float32), "Storage size calculation overflowed");
  CHECK_THROWS(emptyTensor(Dims{int64_t{1} << 55}, DType::Float32),
               "DefaultCPUAllocator: can't allocate memory: you tried to allocate");
  CHECK_THROWS(emptyStrided(Dims{2}, Dims{-1}, DType::Float32), "Negative strides are not supported");
  CHECK_THROWS(emptyTensor(Dims{1}, DType::Float32, Device{DeviceType::CUDA, 0}), "cannot allocate on device cuda:0");
  Tensor empty = emptyTensor(Dims{0, int64_t{1} << 60, 16}, DType::Float64);
  CHECK_EQ(empty.numel(), 0);
  CHECK(empty.isContiguous());
  Tensor many = emptyTensor(Dims{1, 2, 1, 2, 1, 2, 1, 2, 1, 2}, DType::Int16);  // more dimensions than fit inline
  CHECK_EQ(many.numel(), 32);
  CHECK_EQ(many.stride(0), 32);
}

TEST(sizeAccessors) {
  Tensor t = emptyTensor(Dims{2, 3}, DType::Float32);
  CHECK_EQ(t.size(-1), 3);
  CHECK_EQ(t.stride(0), 3);
  CHECK_THROWS(t.size(2), "Dimension out of range (expected to be in range of [-2, 1], but got 2)");
  CHECK_EQ(shapeString(t.sizes()), "[2, 3]");
}

TEST(devicesParse) {
  CHECK(Device::parse("cpu") == Device{});
  CHECK((Device::parse("cuda:1") == Device{DeviceType::CUDA, 1}));
  CHECK_EQ(Device::parse("cuda").str(), "cuda:0");
  CHECK_THROWS(Device::parse("gpu"), "Invalid device string: 'gpu'");
  CHECK_THROWS(Device::parse("cuda:x"), "Invalid device string: 'cuda:x'");
}

TEST(scalarsConvertWithoutUndefinedBehaviour) {
  CHECK_EQ(Scalar(1e300).toInt(), std::numeric_limits<int64_t>::max());
  CHECK_EQ(Scalar(-1e300).toInt(), std::numeric_limits<int64_t>::min());
  CHECK_EQ(Scalar(std::nan("")).toInt(), 0);
  CHECK_EQ(Scalar(-2.9).toInt(), -2);
  CHECK_EQ(scalarTensor(2.5).dtype(), DType::Float32);
  CHECK_EQ(scalarTensor(2).dtype(), DType::Int64);
  CHECK_EQ(*scalarTensor(true).ptr<uint8_t>(), 1);
}

TEST(halfTypesRoundToNearestEven) {
  for (uint32_t h = 0; h < 65536; ++h) {
    float f = fromFloat16(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      CHECK(std::isnan(fromFloat16(toFloat16(f))));
    } else {
      CHECK_EQ(toFloat16(f), static_cast<uint16_t>(h));
    }
    float b = fromBFloat16(static_cast<uint16_t>(h));
    if (!std::isnan(b)) CHECK_EQ(toBFloat16(b), static_cast<uint16_t>(h));
  }
  CHECK_EQ(fromFloat16(0x3c00), 1.0f);
  CHECK_EQ(fromFloat16(0x0001), 0x1p-24f);
  CHECK_EQ(toFloat16(65519.0f), 0x7bffu);
  CHECK_EQ(toFloat16(65520.0f), 0x7c00u);
  CHECK_EQ(toFloat16(1.0f + 0x1p-11f), 0x3c00u);  // tie: to even
  CHECK_EQ(toFloat16(1.0f + 3 * 0x1p-11f), 0x3c02u);
  CHECK_EQ(toBFloat16(1.0f + 0x1p-8f), 0x3f80u);
  CHECK_EQ(toBFloat16(1.0f + 3 * 0x1p-8f), 0x3f82u);
}

TEST(versionsAreSharedByViews) {
  Tensor t = emptyTensor(Dims{4}, DType::Float32), v = aliasTensor(t, Dims{2}, Dims{2}, 1);
  uint32_t before = t.version();
  v.bumpVersion();
  CHECK_EQ(t.version(), before + 1);
  CHECK(v.ptr<float>() == t.ptr<float>() + 1);
  CHECK(!v.isContiguous());
}

TEST(borrowedMemoryIsGivenBack) {
  static int released = 0;
  float data[4] = {1, 2, 3, 4};
  {
    Tensor t(TensorImpl::create(Storage::borrow(
                                    data, sizeof data, [](void* n) { ++*static_cast<int*>(n); }, &released),
                                DType::Float32, Dims{4}, Dims{1}, 0));
    Tensor v = aliasTensor(t, Dims{2}, Dims{1}, 2);
    t = Tensor();
    CHECK_EQ(released, 0);
    CHECK_EQ(v.ptr<float>()[0], 3.0f);
  }
  CHECK_EQ(released, 1);
}

TEST_MAIN()
