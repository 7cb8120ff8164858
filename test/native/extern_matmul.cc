// Matrix products against naive sums: all ranks, dtypes, layouts; oneDNN and own kernels; PyTorch's messages.
#include "cpu/gemm.h"
#include "driver_test.h"
#include "extern_kernels.h"
#include "flambeau/parallel.h"

using namespace flambeau;
using namespace flambeau::testing;
using cpu::GemmSpec;

namespace {

const DType kTypes[] = {DType::Float32, DType::Float64, DType::Float16, DType::BFloat16, DType::Int8,
                        DType::Int16,   DType::Int32,   DType::Int64,   DType::UInt8};

// Reference of matmul in doubles (values are small whole numbers, so every dtype is exact or wraps alike).
double expected(const Tensor& a, const Tensor& b, const Dims& batch, int64_t flat, int64_t i, int64_t j) {
  const auto pick = [&](const Tensor& t, int64_t r, int64_t c, bool left) {
    int64_t offset = 0, rest = flat;
    const int64_t nd = t.dim();
    for (int64_t d = static_cast<int64_t>(batch.size()) - 1; d >= 0; --d) {
      const int64_t index = rest % batch[d];
      rest /= batch[d];
      const int64_t at = d + nd - 2 - static_cast<int64_t>(batch.size());
      if (at >= 0 && t.sizes()[at] != 1) offset += index * t.strides()[at];
    }
    if (nd == 1)
      offset = (left ? c : r) * t.strides()[0];
    else
      offset += r * t.strides()[nd - 2] + c * t.strides()[nd - 1];
    return loadScalar(t.ptr<char>() + offset * static_cast<int64_t>(itemSize(t.dtype())), t.dtype()).toDouble();
  };
  const int64_t k = a.sizes()[a.dim() - 1];
  double sum = 0;
  for (int64_t p = 0; p < k; ++p) sum += pick(a, i, p, true) * pick(b, p, j, false);
  return sum;
}

double stored(double v, DType t) {
  alignas(8) char cell[8];
  storeScalar(cell, t, isFloating(t) ? Scalar(v) : Scalar(static_cast<int64_t>(v)));
  return loadScalar(cell, t).toDouble();
}

void checkMatmul(const Tensor& a, const Tensor& b) {
  const Tensor c = cpu::matmul(a, b);
  const size_t na = a.sizes().size(), nb = b.sizes().size();
  const Dims batch =
      broadcastShapes(na > 2 ? a.sizes().first(na - 2) : IntSpan(), nb > 2 ? b.sizes().first(nb - 2) : IntSpan());
  const int64_t m = na == 1 ? 1 : a.sizes()[na - 2], n = nb == 1 ? 1 : b.sizes()[nb - 1];
  Dims shape = batch;
  if (na > 1) shape.push_back(m);
  if (nb > 1) shape.push_back(n);
  CHECK_EQ(Dims(c.sizes()), shape);
  CHECK(c.dtype() == a.dtype());
  int64_t at_ = 0;
  for (int64_t f = 0; f < product(batch); ++f)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        CHECK_CLOSE(at(c, at_++), stored(expected(a, b, batch, f, i, j), a.dtype()), 1e-6, 0);
}

}  // namespace

TEST(ranksAndLayouts) {
  Random rng;
  for (int round = 0; round < 300; ++round) {
    const DType t = kTypes[rng.below(9)];
    const auto extent = [&] { return rng.below(15) == 0 ? 0 : 1 + rng.below(11); };
    const int64_t m = extent(), n = extent(), k = extent();
    Dims a, b;
    const int64_t ba = rng.below(4), bb = rng.below(4);
    Dims batch;
    for (int64_t d = 0; d < std::max(ba, bb); ++d) batch.push_back(1 + rng.below(3));
    for (int64_t d = 0; d < ba; ++d) a.push_back(rng.below(3) ? batch[batch.size() - static_cast<size_t>(ba - d)] : 1);
    for (int64_t d = 0; d < bb; ++d) b.push_back(rng.below(3) ? batch[batch.size() - static_cast<size_t>(bb - d)] : 1);
    if (ba || rng.below(4)) a.push_back(m);
    a.push_back(k);
    b.push_back(k);
    if (bb || rng.below(4)) b.push_back(n);
    checkMatmul(randomLayout(a, t, rng), randomLayout(b, t, rng));
  }
}

// Sizes around the register tiles and the packing blocks, every operand order, through both libraries.
TEST(gemmSpecs) {
  Random rng;
  const int64_t sizes[] = {1, 2, 3, 5, 6, 7, 13, 16, 17, 31, 48, 64, 65, 97, 130, 257};
  for (int round = 0; round < 250; ++round) {
    GemmSpec s;
    s.dtype = rng.below(3)   ? DType::Float32
              : rng.below(2) ? DType::Float64
              : rng.below(2) ? DType::Int32
                             : DType::Int64;
    const auto pick = [&] { return sizes[rng.below(round % 5 ? 13 : 16)]; };
    s.m = pick(), s.n = pick(), s.k = pick();
    s.batch = rng.below(4) ? 1 : 3;
    const bool ta = rng.below(2), tb = rng.below(2);
    const int64_t padA = rng.below(3), padB = rng.below(3), padC = rng.below(2);
    s.aRow = ta ? 1 : s.k + padA, s.aCol = ta ? s.m + padA : 1;
    s.bRow = tb ? 1 : s.n + padB, s.bCol = tb ? s.k + padB : 1;
    // The results of a product lie between those of the others, or after them.
    const bool between = rng.below(4) == 0;
    s.cRow = between ? s.batch * s.n : s.n + padC;
    s.aBatch = rng.below(2) ? 0 : (s.m + padA) * (s.k + padA);
    s.bBatch = rng.below(2) ? 0 : (s.n + padB) * (s.k + padB);
    s.cBatch = between ? s.n : s.m * s.cRow;
    s.bias = rng.below(2), s.relu = isFloating(s.dtype) && rng.below(2), s.accumulate = rng.below(3) == 0;
    const auto make = [&](int64_t n) {
      Tensor t = emptyTensor(Dims{n}, s.dtype);
      for (int64_t i = 0; i < n; ++i) storeScalar(address(t, i), s.dtype, Scalar(rng.below(9) - 4));
      return t;
    };
    const Tensor a = make(s.batch * (s.m + padA) * (s.k + padA)), b = make(s.batch * (s.n + padB) * (s.k + padB)),
                 bias = make(s.n), start = make(s.batch * s.m * (s.n + padC));
    for (int way = 0; way < 4; ++way) {
      const Tensor c = cpu::clone(start);
      if (way == 0) cpu::gemm(s, a.data(), b.data(), bias.data(), c.data());
      if (way == 1) cpu::gemmPortable(s, a.data(), b.data(), bias.data(), c.data());
      if (way == 2) {
        const Ref<cpu::GemmPlan> plan = s.dtype == DType::Float32 ? cpu::planOneDnnGemm(s) : Ref<cpu::GemmPlan>();
        if (!plan) continue;
        plan->run(a.data(), b.data(), bias.data(), c.data());
      }
      if (way == 3) {
        const Ref<cpu::GemmPlan> plan = cpu::planPackedGemm(s);
        if (!plan) continue;
        const Tensor packed = emptyTensor(Dims{plan->packedFloats()}, DType::Float32);
        plan->pack(b.data(), packed.data());
        plan->runPacked(a.data(), packed.data(), bias.data(), c.data());
      }
      int bad = 0;
      for (int64_t q = 0; q < s.batch; ++q)
        for (int64_t i = 0; i < s.m; ++i)
          for (int64_t j = 0; j < s.n; ++j) {
            double sum = s.accumulate ? at(start, q * s.cBatch + i * s.cRow + j) : 0;
            for (int64_t p = 0; p < s.k; ++p)
              sum += at(a, q * s.aBatch + i * s.aRow + p * s.aCol) * at(b, q * s.bBatch + p * s.bRow + j * s.bCol);
            if (s.bias) sum += at(bias, j);
            if (s.relu) sum = std::max(sum, 0.0);
            bad += at(c, q * s.cBatch + i * s.cRow + j) != sum;
          }
      CHECK_EQ(bad, 0);
    }
  }
}

TEST(reluKeepsNan) {
  Tensor a = emptyTensor(Dims{70, 70}, DType::Float32), b = emptyTensor(Dims{70, 70}, DType::Float32),
         c = emptyTensor(Dims{70, 70}, DType::Float32);
  for (int64_t i = 0; i < 4900; ++i) a.ptr<float>()[i] = i == 0 ? NAN : -1, b.ptr<float>()[i] = 1;
  GemmSpec s;
  s.m = s.n = s.k = 70;
  s.aRow = s.bRow = s.cRow = 70;
  s.relu = true;
  cpu::gemm(s, a.data(), b.data(), nullptr, c.data());
  CHECK(std::isnan(c.ptr<float>()[3]));
  CHECK_EQ(c.ptr<float>()[4899], 0.0f);
}

TEST(integersWrap) {
  Tensor a = emptyTensor(Dims{1, 200}, DType::Int8), b = emptyTensor(Dims{200, 1}, DType::Int8);
  std::fill_n(a.ptr<int8_t>(), 200, int8_t{100});
  std::fill_n(b.ptr<int8_t>(), 200, int8_t{100});
  CHECK_EQ(int(*cpu::matmul(a, b).ptr<int8_t>()), int(static_cast<int8_t>(2000000)));
}

TEST(linearAndAddmm) {
  Random rng;
  for (int round = 0; round < 120; ++round) {
    const DType t = rng.below(2) ? DType::Float32 : kTypes[rng.below(8)];
    const int64_t in = 1 + rng.below(40), out = 1 + rng.below(40);
    Dims xs;
    for (int64_t d = rng.below(3); d-- > 0;) xs.push_back(1 + rng.below(5));
    xs.push_back(in);
    const Tensor x = randomLayout(xs, t, rng), w = randomLayout(Dims{out, in}, t, rng),
                 b = rng.below(3) ? randomLayout(Dims{out}, t, rng) : Tensor();
    const Tensor y = cpu::linear(x, w, b);
    CHECK_EQ(y.sizes()[y.dim() - 1], out);
    for (int64_t i = 0; i < x.numel() / in; ++i)
      for (int64_t j = 0; j < out; ++j) {
        double sum = b.defined() ? at(b, j) : 0;
        for (int64_t p = 0; p < in; ++p) sum += at(x, i * in + p) * at(w, j * in + p);
        CHECK_CLOSE(at(y, i * out + j), stored(sum, t), t == DType::BFloat16 || t == DType::Float16 ? 1e-2 : 1e-6, 0);
      }
    if (xs.size() != 2) continue;
    const Tensor base = randomLayout(rng.below(2) ? Dims{out} : Dims{xs[0], out}, t, rng),
                 mat2 = randomLayout(Dims{in, out}, t, rng);
    const int beta = static_cast<int>(rng.below(3)), alpha = static_cast<int>(1 + rng.below(2));
    const Tensor z = cpu::addmm(base, x, mat2, Scalar(beta), Scalar(alpha));
    for (int64_t i = 0; i < xs[0]; ++i)
      for (int64_t j = 0; j < out; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < in; ++p) sum += at(x, i * in + p) * at(mat2, p * out + j);
        CHECK_CLOSE(at(z, i * out + j),
                    stored(beta * atBroadcast(base, Dims{xs[0], out}, i * out + j) + alpha * sum, t),
                    t == DType::BFloat16 || t == DType::Float16 ? 1e-2 : 1e-6, 0);
      }
  }
  Tensor nan = emptyTensor(Dims{2}, DType::Float32), ones = emptyTensor(Dims{2, 2}, DType::Float32);
  nan.ptr<float>()[0] = nan.ptr<float>()[1] = NAN;
  std::fill_n(ones.ptr<float>(), 4, 1.0f);
  CHECK_EQ(at(cpu::addmm(nan, ones, ones, Scalar(0), Scalar(1)), 0), 2.0);
}

TEST(twoThreads) {
  Random rng;
  const Tensor a = emptyTensor(Dims{300, 310}, DType::Float32), b = emptyTensor(Dims{310, 290}, DType::Float32);
  fillSmall(a, rng);
  fillSmall(b, rng);
  setNumThreads(1);
  const Tensor one = cpu::matmul(a, b);
  setNumThreads(2);
  const Tensor two = cpu::matmul(a, b);
  Tensor own = emptyTensor(Dims{300, 290}, DType::Float32);
  GemmSpec s;
  s.m = 300, s.n = 290, s.k = 310, s.aRow = 310, s.bRow = 290, s.cRow = 290;
  cpu::gemmPortable(s, a.data(), b.data(), nullptr, own.data());
  setNumThreads(1);
  CHECK_EQ(std::memcmp(one.data(), two.data(), one.nbytes()), 0);
  CHECK_EQ(std::memcmp(one.data(), own.data(), one.nbytes()), 0);
}

TEST(messages) {
  const auto f = [](Dims d, DType t = DType::Float32) { return cpu::full(d, Scalar(1), t); };
  CHECK_THROWS(cpu::matmul(f({2, 3}), f({4, 5})), "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)");
  CHECK_THROWS(cpu::matmul(f({2}), f({4, 5})), "mat1 and mat2 shapes cannot be multiplied (1x2 and 4x5)");
  CHECK_THROWS(cpu::matmul(f({2, 3}), f({4})), "size mismatch, got 2, 2x3,4");
  CHECK_THROWS(cpu::matmul(f({2, 3, 4}), f({3, 4, 5})),
               "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0");
  CHECK_THROWS(cpu::matmul(f({2, 3, 4}), f({2, 5, 6})),
               "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [2, 5].");
  CHECK_THROWS(cpu::matmul(f({}), f({3})), "both arguments to matmul need to be at least 1D, but they are 0D and 1D");
  CHECK_THROWS(cpu::matmul(f({2, 3}), f({3, 4}, DType::Float64)), "expected scalar type Float but found Double");
  CHECK_THROWS(cpu::matmul(f({2, 3}, DType::Bool), f({3, 4}, DType::Bool)),
               "\"addmm_impl_cpu_\" not implemented for 'Bool'");
  CHECK_THROWS(cpu::mm(f({2, 3, 4}), f({4, 5})), "self must be a matrix");
  CHECK_THROWS(cpu::bmm(f({3, 4}), f({5, 4})), "batch1 must be a 3D tensor");
  CHECK_THROWS(cpu::dot(f({2}), f({3})), "inconsistent tensor size, expected tensor [2] and src [3]");
  CHECK_THROWS(cpu::linear(f({2, 3}), f({5, 4}), {}), "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)");
  CHECK_THROWS(cpu::addmm(f({5}), f({2, 3}), f({3, 4}), Scalar(1), Scalar(1)),
               "The expanded size of the tensor (4) must match the existing size (5) at non-singleton dimension 1.  "
               "Target sizes: [2, 4].  Tensor sizes: [5]");
}

TEST_MAIN()
