// cat, gather, scatter, indexing, embedding, masks, sort, topk and cumsum against element-by-element definitions.
#include <algorithm>
#include <numeric>

#include "driver_test.h"
#include "extern_kernels.h"
#include "flambeau/ops.h"

using namespace flambeau;
using namespace flambeau::testing;

namespace {

Tensor ints(Dims sizes, std::vector<int64_t> v) {
  Tensor t = emptyTensor(sizes, DType::Int64);
  std::copy(v.begin(), v.end(), t.ptr<int64_t>());
  return t;
}
Tensor bools(Dims sizes, std::vector<int> v) {
  Tensor t = emptyTensor(sizes, DType::Bool);
  std::copy(v.begin(), v.end(), t.ptr<uint8_t>());
  return t;
}
Tensor iota(Dims sizes, DType dtype = DType::Float32) {
  Tensor t = emptyTensor(sizes, dtype);
  for (int64_t i = 0; i < t.numel(); ++i) storeScalar(address(t, i), dtype, Scalar(i));
  return t;
}
std::vector<double> values(const Tensor& t) {
  std::vector<double> v;
  for (int64_t i = 0; i < t.numel(); ++i) v.push_back(at(t, i));
  return v;
}
Dims coordinates(IntSpan sizes, int64_t i) {
  Dims c(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    c[d] = i % sizes[d];
    i /= sizes[d];
  }
  return c;
}
int64_t flat(IntSpan sizes, const Dims& c) {
  int64_t i = 0;
  for (size_t d = 0; d < sizes.size(); ++d) i = i * sizes[d] + c[d];
  return i;
}
DType anyType(Random& rng) { return static_cast<DType>(rng.below(10)); }

// A random index tensor of that shape with entries below n, in a random layout.
Tensor indexBelow(Dims shape, int64_t n, Random& rng) {
  Tensor t = randomLayout(shape, DType::Int64, rng, false);
  for (int64_t i = 0; i < t.numel(); ++i) storeScalar(address(t, i), DType::Int64, Scalar(rng.below(n)));
  return t;
}

}  // namespace

TEST(cat) {
  Random rng;
  for (int round = 0; round < 200; ++round) {
    Dims shape = randomShape(rng, 4, 5);
    if (shape.empty()) continue;
    const int64_t dim = rng.below(static_cast<int64_t>(shape.size()));
    const DType t = anyType(rng);
    TensorList parts;
    int64_t total = 0;
    for (int64_t k = 1 + rng.below(4); k-- > 0;) {
      shape[static_cast<size_t>(dim)] = rng.below(4);
      total += shape[static_cast<size_t>(dim)];
      parts.push_back(randomLayout(shape, t, rng));
      if (rng.below(5) == 0) parts.push_back(emptyTensor(Dims{0}, t));
    }
    if (shape.size() == 1 && total == 0) continue;
    const Tensor out = cpu::cat(parts, rng.below(2) ? dim : dim - static_cast<int64_t>(shape.size()));
    Dims want = shape;
    want[static_cast<size_t>(dim)] = total;
    CHECK_EQ(Dims(out.sizes()), want);
    for (int64_t i = 0; i < out.numel(); ++i) {
      Dims c = coordinates(out.sizes(), i);
      for (const Tensor& p : parts) {
        if (p.dim() == 1 && p.numel() == 0) continue;
        if (c[static_cast<size_t>(dim)] < p.sizes()[static_cast<size_t>(dim)]) {
          CHECK_EQ(at(out, i), at(p, flat(p.sizes(), c)));
          break;
        }
        c[static_cast<size_t>(dim)] -= p.sizes()[static_cast<size_t>(dim)];
      }
    }
  }
  CHECK(cpu::cat(TensorList{iota({2}, DType::Int32), iota({2}, DType::Float32)}, 0).dtype() == DType::Float32);
  CHECK_THROWS(cpu::cat(TensorList{}, 0), "torch.cat(): expected a non-empty list of Tensors");
  CHECK_THROWS(cpu::cat(TensorList{iota({})}, 0), "zero-dimensional tensor (at position 0) cannot be concatenated");
  CHECK_THROWS(cpu::cat(TensorList{iota({2, 3}), iota({2})}, 0),
               "Tensors must have same number of dimensions: got 2 and 1");
  CHECK_THROWS(cpu::cat(TensorList{iota({2, 3}), iota({2, 4})}, 0),
               "Sizes of tensors must match except in dimension 0. Expected size 3 but got size 4 for tensor number 1 "
               "in the list.");
}

TEST(gatherScatter) {
  Random rng;
  for (int round = 0; round < 300; ++round) {
    Dims shape;
    for (int64_t d = rng.below(4); d-- > 0;) shape.push_back(1 + rng.below(5));
    const int64_t nd = static_cast<int64_t>(shape.size()), dim = nd ? rng.below(nd) : 0,
                  n = nd ? shape[static_cast<size_t>(dim)] : 1;
    const DType t = anyType(rng);
    const Tensor self = randomLayout(shape, t, rng);
    Dims smaller = shape;
    for (int64_t d = 0; d < nd; ++d)
      smaller[static_cast<size_t>(d)] = d == dim ? 1 + rng.below(6) : 1 + rng.below(shape[static_cast<size_t>(d)]);
    const Tensor index = indexBelow(smaller, n, rng);
    const Tensor got = cpu::gather(self, dim, index);
    CHECK_EQ(Dims(got.sizes()), smaller);
    for (int64_t i = 0; i < got.numel(); ++i) {
      Dims c = coordinates(smaller, i);
      if (nd) c[static_cast<size_t>(dim)] = static_cast<int64_t>(at(index, i));
      CHECK_EQ(at(got, i), at(self, flat(shape, c)));
    }
    const Tensor src = randomLayout(smaller, t, rng);
    const Tensor put = cpu::scatter(self, dim, index, src), added = cpu::scatterAdd(self, dim, index, src),
                 scalar = cpu::scatter(self, dim, index, Operand(1));
    std::vector<double> wantPut = values(self), wantAdd = wantPut, wantOne = wantPut;
    for (int64_t i = 0; i < index.numel(); ++i) {
      Dims c = coordinates(smaller, i);
      if (nd) c[static_cast<size_t>(dim)] = static_cast<int64_t>(at(index, i));
      const size_t to = static_cast<size_t>(flat(shape, c));
      wantPut[to] = at(src, i);
      wantAdd[to] = t == DType::Bool ? std::max(wantAdd[to], at(src, i)) : wantAdd[to] + at(src, i);
      wantOne[to] = 1;
    }
    CHECK_EQ(values(put), wantPut);
    CHECK_EQ(values(added), wantAdd);
    CHECK_EQ(values(scalar), wantOne);
  }
  const Tensor x = iota({2, 3});
  CHECK_THROWS(cpu::gather(x, 0, iota({1, 3}, DType::Int32)), "gather(): Expected dtype int64 for index");
  CHECK_THROWS(cpu::gather(x, 0, ints({3}, {0, 0, 0})),
               "Index tensor must have the same number of dimensions as input tensor");
  CHECK_THROWS(
      cpu::gather(x, 0, ints({1, 4}, {0, 0, 0, 0})),
      "Size does not match at dimension 1 expected index [1, 4] to be smaller than self [2, 3] apart from dimension 0");
  CHECK_THROWS(cpu::gather(x, 0, ints({1, 3}, {5, 5, 5})), "index 5 is out of bounds for dimension 0 with size 2");
  CHECK_THROWS(cpu::scatter(x, 0, ints({1, 3}, {0, 0, 0}), iota({2, 3}, DType::Float64)),
               "scatter(): Expected self.dtype to be equal to src.dtype");
  CHECK_THROWS(cpu::scatter(x, 0, ints({3, 3}, std::vector<int64_t>(9)), x),
               "Expected index [3, 3] to be smaller than self [2, 3] apart from dimension 0 and to be smaller size "
               "than src [2, 3]");
}

TEST(indexSelectAndAdd) {
  Random rng;
  for (int round = 0; round < 200; ++round) {
    Dims shape;
    for (int64_t d = 1 + rng.below(3); d-- > 0;) shape.push_back(1 + rng.below(5));
    const int64_t dim = rng.below(static_cast<int64_t>(shape.size())), count = rng.below(6);
    const DType t = anyType(rng);
    const Tensor self = randomLayout(shape, t, rng),
                 index = indexBelow(Dims{count}, shape[static_cast<size_t>(dim)], rng);
    const Tensor got = cpu::indexSelect(self, dim, index);
    Dims want = shape;
    want[static_cast<size_t>(dim)] = count;
    CHECK_EQ(Dims(got.sizes()), want);
    const Tensor source = randomLayout(want, t, rng);
    std::vector<double> sum = values(self);
    for (int64_t i = 0; i < got.numel(); ++i) {
      Dims c = coordinates(want, i);
      c[static_cast<size_t>(dim)] = static_cast<int64_t>(at(index, c[static_cast<size_t>(dim)]));
      const size_t k = static_cast<size_t>(flat(shape, c));
      CHECK_EQ(at(got, i), at(self, static_cast<int64_t>(k)));
      sum[k] = t == DType::Bool ? std::max(sum[k], at(source, i)) : sum[k] + 2 * at(source, i);
    }
    CHECK_EQ(values(ops::indexAdd(self, dim, index, source, t == DType::Bool ? Scalar(1) : Scalar(2))), sum);
  }
  CHECK_THROWS(cpu::indexSelect(iota({2, 3}), 0, ints({1}, {2})), "index out of range in self");
  CHECK_THROWS(cpu::indexSelect(iota({2, 3}), 0, ints({1, 1}, {0})),
               "index_select(): Index is supposed to be a vector");
  CHECK_THROWS(cpu::indexSelect(iota({2, 3}), 0, iota({1})), "index_select(): Expected dtype int32 or int64 for index");
  CHECK_THROWS(ops::indexAdd(iota({2, 3}), 0, ints({2}, {0, 1}), iota({1, 3}), Scalar(1)),
               "Number of indices (2) should be equal to source.size(dim): (1), for dim: 0");
  CHECK_THROWS(ops::indexAdd(iota({2, 3}), 0, ints({1}, {0}), iota({1, 3}, DType::Float64), Scalar(1)),
               "self (Float) and source (Double) must have the same scalar type");
}

TEST(advancedIndexing) {
  Random rng;
  for (int round = 0; round < 400; ++round) {
    Dims shape;
    for (int64_t d = 1 + rng.below(4); d-- > 0;) shape.push_back(1 + rng.below(4));
    const size_t nd = shape.size();
    const DType t = anyType(rng);
    const Tensor self = randomLayout(shape, t, rng);
    // Index tensors that broadcast to `common`, on a random subset of dims, entries possibly negative.
    Dims common;
    for (int64_t d = rng.below(3); d-- > 0;) common.push_back(1 + rng.below(3));
    TensorList list;
    std::vector<int> at0;
    for (size_t d = 0; d < nd; ++d) {
      if (rng.below(2)) {
        list.emplace_back();
        continue;
      }
      Dims s = common;
      for (auto& e : s)
        if (rng.below(4) == 0) e = 1;
      while (!s.empty() && rng.below(4) == 0) s.erase(0);
      const Tensor ix = randomLayout(s, DType::Int64, rng, false);
      for (int64_t i = 0; i < ix.numel(); ++i)
        storeScalar(address(ix, i), DType::Int64, Scalar(rng.below(2 * shape[d]) - shape[d]));
      list.push_back(ix);
      at0.push_back(static_cast<int>(d));
    }
    if (at0.empty()) continue;
    Dims bshape;
    for (int d : at0) bshape = broadcastShapes(bshape, list[static_cast<size_t>(d)].sizes());
    const bool adjacent = at0.back() - at0.front() + 1 == static_cast<int>(at0.size());
    Dims want;
    const size_t lead = adjacent ? static_cast<size_t>(at0.front()) : 0;
    for (size_t d = 0; d < lead; ++d) want.push_back(shape[d]);
    for (int64_t b : bshape) want.push_back(b);
    for (size_t d = lead; d < nd; ++d)
      if (std::find(at0.begin(), at0.end(), static_cast<int>(d)) == at0.end()) want.push_back(shape[d]);
    const Tensor got = cpu::index(self, list);
    CHECK_EQ(Dims(got.sizes()), want);
    if (!(Dims(got.sizes()) == want)) continue;
    Dims vs = want;
    for (auto& e : vs)
      if (rng.below(4) == 0) e = 1;
    const Tensor vals = randomLayout(vs, t, rng);
    std::vector<double> put = values(self), acc = put;
    for (int64_t i = 0; i < got.numel(); ++i) {
      const Dims c = coordinates(want, i);
      const Dims b(IntSpan(c).subspan(lead, bshape.size()));
      Dims from(nd);
      size_t rest = lead + bshape.size();
      for (size_t d = 0; d < nd; ++d) {
        if (list[d].defined()) {
          int64_t k = static_cast<int64_t>(atBroadcast(list[d], bshape, flat(bshape, b)));
          from[d] = k < 0 ? k + shape[d] : k;
        } else {
          from[d] = d < lead ? c[d] : c[rest++];
        }
      }
      const size_t k = static_cast<size_t>(flat(shape, from));
      CHECK_EQ(at(got, i), at(self, static_cast<int64_t>(k)));
      const double v = atBroadcast(vals, want, i);
      put[k] = v;
      acc[k] = t == DType::Bool ? std::max(acc[k], v) : acc[k] + v;
    }
    CHECK_EQ(values(cpu::indexPut(self, list, vals, false)), put);
    CHECK_EQ(values(cpu::indexPut(self, list, vals, true)), acc);
  }
}

TEST(maskIndexing) {
  const Tensor x = iota({2, 3});
  CHECK_EQ(values(cpu::index(x, TensorList{bools({2, 3}, {1, 0, 0, 0, 1, 1})})), (std::vector<double>{0, 4, 5}));
  CHECK_EQ(values(cpu::index(x, TensorList{bools({2}, {0, 1}), ints({1}, {-1})})), (std::vector<double>{5}));
  CHECK_EQ(Dims(cpu::index(x, TensorList{Tensor(), bools({3}, {0, 1, 1})}).sizes()), (Dims{2, 2}));
  CHECK_EQ(Dims(cpu::index(x, TensorList{bools({2, 3}, {0, 0, 0, 0, 0, 0})}).sizes()), (Dims{0}));
  CHECK_EQ(Dims(cpu::index(x, TensorList{bools({}, {1})}).sizes()), (Dims{1, 2, 3}));
  CHECK_EQ(Dims(cpu::index(x, TensorList{bools({}, {0})}).sizes()), (Dims{0, 2, 3}));
  const Tensor seven = cpu::full(Dims{}, Scalar(7.0), DType::Float32);
  CHECK_EQ(values(cpu::indexPut(x, TensorList{bools({2, 3}, {1, 0, 0, 0, 0, 1})}, seven, false)),
           (std::vector<double>{7, 1, 2, 3, 4, 7}));
  CHECK_EQ(values(cpu::maskedSelect(x, bools({3}, {1, 0, 1}))), (std::vector<double>{0, 2, 3, 5}));
  CHECK_EQ(values(cpu::nonzero(x)), (std::vector<double>{0, 1, 0, 2, 1, 0, 1, 1, 1, 2}));
  CHECK_EQ(Dims(cpu::nonzero(iota({})).sizes()), (Dims{0, 0}));
  const Tensor v = iota({3});
  CHECK_THROWS(cpu::index(v, TensorList{ints({1}, {5})}), "index 5 is out of bounds for dimension 0 with size 3");
  CHECK_THROWS(cpu::index(v, TensorList{ints({1}, {-4})}), "index -4 is out of bounds for dimension 0 with size 3");
  CHECK_THROWS(cpu::index(v, TensorList{iota({1})}), "tensors used as indices must be long, byte or bool tensors");
  CHECK_THROWS(cpu::index(v, TensorList{bools({2}, {1, 0})}),
               "The shape of the mask [2] at index 0 does not match the shape of the indexed tensor [3] at index 0");
  CHECK_THROWS(cpu::index(v, TensorList{ints({1}, {1}), ints({1}, {1})}), "too many indices for tensor of dimension 1");
  CHECK_THROWS(cpu::index(iota({3, 3}), TensorList{ints({2}, {1, 0}), ints({3}, {1, 0, 1})}),
               "shape mismatch: indexing tensors could not be broadcast together with shapes [2], [3]");
  CHECK_THROWS(cpu::indexPut(iota({3, 3}), TensorList{ints({2}, {0, 1})}, iota({2}), false),
               "shape mismatch: value tensor of shape [2] cannot be broadcast to indexing result of shape [2, 3]");
  CHECK_THROWS(cpu::indexPut(v, TensorList{ints({1}, {0})}, iota({1}, DType::Float64), false),
               "Index put requires the source and destination dtypes match");
  CHECK_THROWS(cpu::maskedSelect(v, iota({3})), "masked_select: expected BoolTensor or ByteTensor for mask");
}

TEST(embedding) {
  Random rng;
  const Tensor w = randomLayout(Dims{7, 5}, DType::Float32, rng), ix = indexBelow(Dims{3, 4}, 7, rng),
               g = randomLayout(Dims{3, 4, 5}, DType::Float32, rng);
  const Tensor e = cpu::embedding(w, ix, -1, false), back = cpu::embeddingBackward(g, ix, 7, 2);
  CHECK_EQ(Dims(e.sizes()), (Dims{3, 4, 5}));
  std::vector<double> want(35);
  for (int64_t i = 0; i < 60; ++i) {
    const int64_t row = static_cast<int64_t>(at(ix, i / 5));
    CHECK_EQ(at(e, i), at(w, row * 5 + i % 5));
    if (row != 2) want[static_cast<size_t>(row * 5 + i % 5)] += at(g, i);
  }
  CHECK_EQ(values(back), want);
  CHECK_THROWS(cpu::embedding(w, ints({1}, {7}), -1, false), "index out of range in self");
  CHECK_THROWS(cpu::embedding(w, iota({1}), -1, false),
               "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int");
}

TEST(sortTopkCumsum) {
  Random rng;
  for (int round = 0; round < 200; ++round) {
    Dims shape;
    for (int64_t d = rng.below(4); d-- > 0;) shape.push_back(1 + rng.below(6));
    const int64_t nd = static_cast<int64_t>(shape.size()), dim = nd ? rng.below(nd) : 0,
                  n = nd ? shape[static_cast<size_t>(dim)] : 1;
    const DType t = anyType(rng);
    const Tensor x = randomLayout(shape, t, rng);
    const bool down = rng.below(2);
    const auto [v, ix] = cpu::sort(x, dim, down, false);
    const int64_t k = rng.below(n + 1);
    const auto [tv, tix] = cpu::topk(x, k, dim, down, true);
    const Tensor c = ops::cumsum(x, dim, std::nullopt);
    CHECK(c.dtype() == (isFloating(t) ? t : DType::Int64));
    for (int64_t i = 0; i < x.numel(); ++i) {
      Dims at0 = coordinates(shape, i);
      if (nd && at0[static_cast<size_t>(dim)] != 0) continue;
      std::vector<std::pair<double, int64_t>> line;
      double sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        if (nd) at0[static_cast<size_t>(dim)] = j;
        line.emplace_back(at(x, flat(shape, at0)), j);
        CHECK_EQ(at(c, flat(shape, at0)), sum += line.back().first);
      }
      std::stable_sort(line.begin(), line.end(),
                       [&](auto& a, auto& b) { return down ? a.first > b.first : a.first < b.first; });
      for (int64_t j = 0; j < n; ++j) {
        if (nd) at0[static_cast<size_t>(dim)] = j;
        CHECK_EQ(at(v, flat(shape, at0)), line[static_cast<size_t>(j)].first);
        CHECK_EQ(at(ix, flat(shape, at0)), static_cast<double>(line[static_cast<size_t>(j)].second));
        if (j < k) CHECK_EQ(at(tv, flat(tv.sizes(), at0)), line[static_cast<size_t>(j)].first);
        if (j < k) CHECK_EQ(at(tix, flat(tv.sizes(), at0)), static_cast<double>(line[static_cast<size_t>(j)].second));
      }
    }
  }
  const Tensor x = iota({3});
  x.ptr<float>()[1] = NAN;
  CHECK_EQ(at(std::get<1>(cpu::sort(x, 0, false, false)), 2), 1.0);
  CHECK_EQ(at(std::get<1>(cpu::sort(x, 0, true, false)), 0), 1.0);
  CHECK_EQ(at(std::get<1>(cpu::topk(x, 1, 0, true, true)), 0), 1.0);
  CHECK_THROWS(cpu::topk(x, 4, 0, true, true), "selected index k out of range");
}

TEST(asStridedScatter) {
  const Tensor x = iota({3, 3}), s = cpu::full(Dims{2}, Scalar(9.0), DType::Float32);
  CHECK_EQ(values(cpu::asStridedScatter(x, s, Dims{2}, Dims{4}, 1)), (std::vector<double>{0, 9, 2, 3, 4, 9, 6, 7, 8}));
  CHECK_THROWS(cpu::asStridedScatter(x, s, Dims{2}, Dims{9}, 1), "out of bounds for storage of size 9");
}

TEST_MAIN()
