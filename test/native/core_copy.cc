// copyInto and fillWith against naive loops: all dtype pairs, layouts, broadcasting, large and transposed copies.
#include <limits>

#include "cpu/copy_kernels.h"
#include "cpu/drivers.h"
#include "driver_test.h"
#include "flambeau/parallel.h"

using namespace flambeau;
using namespace flambeau::testing;

TEST(everyDtypePairAndLayout) {
  Random rng;
  for (int round = 0; round < 12; ++round)
    for (int s = 0; s < kNumDTypes; ++s)
      for (int d = 0; d < kNumDTypes; ++d) {
        Dims shape = randomShape(rng);
        Tensor src = randomLayout(shape, static_cast<DType>(s), rng);
        Tensor dst = randomLayout(shape, static_cast<DType>(d), rng, false);
        cpu::copyInto(dst, src);
        bool same = true;
        for (int64_t i = 0; i < src.numel(); ++i) {
          double v = at(src, i);
          same &= at(dst, i) == (dst.dtype() == DType::Bool ? v != 0 : v);
        }
        CHECK(same);
      }
}

TEST(broadcastCopies) {
  Random rng;
  Tensor src = emptyTensor(Dims{3, 1}, DType::Int16), dst = emptyTensor(Dims{2, 3, 5}, DType::Float32);
  fillSmall(src, rng);
  cpu::copyInto(dst, src);
  for (int64_t i = 0; i < dst.numel(); ++i) CHECK_EQ(at(dst, i), atBroadcast(src, dst.sizes(), i));
  CHECK_THROWS((cpu::copyInto(src, dst), 0), "output with shape [3, 1] doesn't match the broadcast shape [2, 3, 5]");
  Tensor bad = emptyTensor(Dims{4}, DType::Float32);
  CHECK_THROWS((cpu::copyInto(dst, bad), 0),
               "The size of tensor a (5) must match the size of tensor b (4) at non-singleton dimension 2");
}

TEST(transposedCopiesOfAllWidths) {
  Random rng;
  for (DType t : {DType::UInt8, DType::BFloat16, DType::Float32, DType::Float64})
    for (auto [rows, cols] :
         {std::pair<int64_t, int64_t>{64, 64}, {129, 70}, {8, 8}, {300, 17}, {7, 200}, {1000, 64}}) {
      Tensor base = emptyTensor(Dims{2, cols, rows}, t);
      fillSmall(base, rng);
      Tensor src = applyGeometry(base, transposeGeometry(base, 1, 2)), dst = emptyTensor(Dims{2, rows, cols}, t);
      cpu::copyInto(dst, src);
      bool same = true;
      for (int64_t i = 0; i < dst.numel(); ++i) same &= at(dst, i) == at(src, i);
      CHECK(same);
    }
}

TEST(largeCopiesWithOddEnds) {
  int restore = numThreads();
  for (int threads : {1, 3}) {
    setNumThreads(threads);
    for (int64_t shift : {0, 1, 13}) {
      int64_t n = (int64_t{9} << 20) + 5;
      Tensor a = emptyTensor(Dims{n + 16}, DType::UInt8), b = emptyTensor(Dims{n + 16}, DType::UInt8);
      for (int64_t i = 0; i < n + 16; ++i) a.ptr<uint8_t>()[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
      cpu::fillWith(b, Scalar(7));
      cpu::copyInto(aliasTensor(b, Dims{n}, Dims{1}, shift), aliasTensor(a, Dims{n}, Dims{1}, 3));
      CHECK(std::memcmp(b.ptr<char>() + shift, a.ptr<char>() + 3, static_cast<size_t>(n)) == 0);
      if (shift) CHECK_EQ(b.ptr<uint8_t>()[shift - 1], 7);
      CHECK_EQ(b.ptr<uint8_t>()[shift + n], 7);
    }
  }
  setNumThreads(restore);
}

TEST(conversionsOfSpecialValues) {
  Tensor f = emptyTensor(Dims{6}, DType::Float32), u8 = emptyTensor(Dims{6}, DType::UInt8),
         b = emptyTensor(Dims{6}, DType::Bool);
  Tensor i64 = emptyTensor(Dims{6}, DType::Int64), h = emptyTensor(Dims{6}, DType::Float16),
         i8 = emptyTensor(Dims{6}, DType::Int8);
  float v[6] = {-1.9f, 300.7f, std::nanf(""), -0.0f, 1e30f, 0.4f};
  std::memcpy(f.data(), v, sizeof v);
  cpu::copyInto(i8, f);
  CHECK_EQ(at(i8, 0), -1);
  CHECK_EQ(at(i8, 1), 44);  // wraps
  cpu::copyInto(u8, f);
  CHECK_EQ(at(u8, 0), 255);
  CHECK_EQ(at(u8, 5), 0);
  cpu::copyInto(b, f);
  CHECK_EQ(at(b, 2), 1);  // NaN is true
  CHECK_EQ(at(b, 3), 0);
  cpu::copyInto(i64, f);
  CHECK_EQ(at(i64, 0), -1);
  CHECK_EQ(at(i64, 1), 300);
  cpu::copyInto(h, f);
  CHECK(std::isinf(at(h, 4)));
  CHECK(std::isnan(at(h, 2)));
  CHECK(std::signbit(at(h, 3)));
}

// The vector conversion to float16 and the scalar one agree bit for bit.
TEST(halfKernelsMatchScalarCode) {
  Random rng;
  Tensor f = emptyTensor(Dims{4099}, DType::Float32), h = emptyTensor(Dims{4099}, DType::Float16),
         back = emptyTensor(Dims{4099}, DType::Float32);
  for (int64_t i = 0; i < f.numel(); ++i) {
    auto bits = static_cast<uint32_t>(rng.next());
    if (i % 2) bits = (bits & 0x807fffffu) | (((bits >> 23) % 48 + 100) << 23);  // around float16's range
    std::memcpy(f.ptr<float>() + i, &bits, 4);
  }
  cpu::copyInto(h, f);
  cpu::copyInto(back, h);
  for (int64_t i = 0; i < f.numel(); ++i) {
    float x = f.ptr<float>()[i];
    if (std::isnan(x)) {
      CHECK(std::isnan(back.ptr<float>()[i]));
    } else {
      CHECK_EQ(h.ptr<uint16_t>()[i], toFloat16(x));
      CHECK_EQ(back.ptr<float>()[i], fromFloat16(toFloat16(x)));
    }
  }
}

TEST(overlapIsRefused) {
  Tensor t = emptyTensor(Dims{8}, DType::Float32);
  cpu::fillWith(t, Scalar(0));
  CHECK_THROWS((cpu::copyInto(aliasTensor(t, Dims{7}, Dims{1}, 0), aliasTensor(t, Dims{7}, Dims{1}, 1)), 0),
               "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
               "memory location");
  Tensor e = aliasTensor(t, Dims{4}, Dims{0}, 0);
  CHECK_THROWS((cpu::fillWith(e, Scalar(1)), 0),
               "unsupported operation: more than one element of the written-to tensor");
}

TEST(fills) {
  Random rng;
  for (int d = 0; d < kNumDTypes; ++d)
    for (int round = 0; round < 8; ++round) {
      Tensor t = randomLayout(randomShape(rng), static_cast<DType>(d), rng, false);
      cpu::fillWith(t, Scalar(1));
      for (int64_t i = 0; i < t.numel(); ++i) CHECK_EQ(at(t, i), 1);
    }
  Tensor big = emptyTensor(Dims{200000}, DType::Float32);
  cpu::fillWith(big, Scalar(2.5));
  bool all = true;
  for (int64_t i = 0; i < big.numel(); ++i) all &= big.ptr<float>()[i] == 2.5f;
  CHECK(all);
  Tensor u8 = emptyTensor(Dims{1}, DType::UInt8), i32 = emptyTensor(Dims{1}, DType::Int32);
  CHECK_THROWS((cpu::fillWith(u8, Scalar(256)), 0), "value cannot be converted to type uint8_t without overflow");
  CHECK_THROWS((cpu::fillWith(i32, Scalar(1e12)), 0), "value cannot be converted to type int without overflow");
  cpu::fillWith(u8, Scalar(-1));
  CHECK_EQ(at(u8, 0), 255);
  cpu::fillWith(i32, Scalar(-2.7));
  CHECK_EQ(at(i32, 0), -2);
}

TEST_MAIN()
