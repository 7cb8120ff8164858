// View geometry: every view reads the elements that its definition names, and bad parameters give PyTorch's errors.
#include "check.h"
#include "core/views.h"

using namespace flambeau;

namespace {

Tensor iota(Dims sizes) {
  Tensor t = emptyTensor(sizes, DType::Int32);
  for (int64_t i = 0; i < t.numel(); ++i) t.ptr<int32_t>()[i] = static_cast<int32_t>(i);
  return t;
}

/// Elements in row-major order of the view.
std::vector<int> read(const Tensor& t) {
  std::vector<int> out;
  for (int64_t i = 0; i < t.numel(); ++i) {
    int64_t rest = i, offset = 0;
    for (size_t d = t.sizes().size(); d-- > 0;) {
      offset += rest % t.sizes()[d] * t.strides()[d];
      rest /= t.sizes()[d];
    }
    out.push_back(t.ptr<int32_t>()[offset]);
  }
  return out;
}
std::vector<int> read(const Tensor& t, Geometry g) { return read(applyGeometry(t, std::move(g))); }
using Values = std::vector<int>;

}  // namespace

TEST(view) {
  Tensor t = iota({2, 3});
  CHECK_EQ(read(t, viewGeometry(t, Dims{3, 2})), (Values{0, 1, 2, 3, 4, 5}));
  CHECK_EQ(viewGeometry(t, Dims{-1}).sizes, (Dims{6}));
  Tensor p = applyGeometry(t, tGeometry(t));
  CHECK_THROWS(viewGeometry(p, Dims{6}), "view size is not compatible with input tensor's size and stride");
  CHECK_THROWS(viewGeometry(t, Dims{4}), "shape '[4]' is invalid for input of size 6");
  CHECK_EQ(read(p, viewGeometry(p, Dims{3, 1, 2})), read(p));
  Tensor e = iota({0, 3});
  CHECK_EQ(viewGeometry(e, Dims{3, 0}).sizes, (Dims{3, 0}));
  Tensor scalar = iota({});
  CHECK_EQ(viewGeometry(scalar, Dims{1, 1}).strides, (Dims{1, 1}));
}

TEST(permutations) {
  Tensor t = iota({2, 3});
  CHECK_EQ(read(t, transposeGeometry(t, 0, -1)), (Values{0, 3, 1, 4, 2, 5}));
  CHECK_EQ(read(t, permuteGeometry(t, Dims{1, 0})), (Values{0, 3, 1, 4, 2, 5}));
  CHECK_THROWS(permuteGeometry(t, Dims{0, 0}), "permute(): duplicate dims are not allowed.");
  CHECK_THROWS(permuteGeometry(t, Dims{0}), "input.dim() = 2 is not equal to len(dims) = 1");
  CHECK_THROWS(transposeGeometry(t, 0, 2), "Dimension out of range");
  Tensor c = iota({2, 3, 4});
  CHECK_THROWS(tGeometry(c), "t() expects a tensor with <= 2 dimensions, but self is 3D");
  CHECK_EQ(movedimGeometry(c, 0, -1).sizes, (Dims{3, 4, 2}));
  CHECK_EQ(movedimGeometry(c, Dims{2, 0}, Dims{0, 1}).sizes, (Dims{4, 2, 3}));
  CHECK_THROWS(movedimGeometry(c, Dims{0, 0}, Dims{0, 1}), "movedim: repeated dim in `source`");
}

TEST(squeezing) {
  Tensor t = iota({1, 3, 1});
  CHECK_EQ(squeezeGeometry(t).sizes, (Dims{3}));
  Dims first{0}, none{}, middle{1};
  CHECK_EQ(squeezeGeometry(t, IntSpan(first)).sizes, (Dims{3, 1}));
  CHECK_EQ(squeezeGeometry(t, IntSpan(none)).sizes, (Dims{1, 3, 1}));
  CHECK_EQ(squeezeGeometry(t, IntSpan(middle)).sizes, (Dims{1, 3, 1}));
  CHECK_EQ(unsqueezeGeometry(t, -1).sizes, (Dims{1, 3, 1, 1}));
  CHECK_EQ(unsqueezeGeometry(iota({}), 0).sizes, (Dims{1}));
  CHECK_THROWS(unsqueezeGeometry(t, 4), "Dimension out of range (expected to be in range of [-4, 3], but got 4)");
}

TEST(expansion) {
  Tensor t = iota({3, 1});
  CHECK_EQ(read(t, expandGeometry(t, Dims{3, 2})), (Values{0, 0, 1, 1, 2, 2}));
  CHECK_EQ(expandGeometry(t, Dims{2, -1, 4}).sizes, (Dims{2, 3, 4}));
  CHECK_EQ(expandGeometry(t, Dims{2, -1, 4}).strides, (Dims{0, 1, 0}));
  CHECK_THROWS(expandGeometry(t, Dims{4, 1}),
               "The expanded size of the tensor (4) must match the existing size (3) at non-singleton dimension 0");
  CHECK_THROWS(
      expandGeometry(t, Dims{3}),
      "the number of sizes provided (1) must be greater or equal to the number of dimensions in the tensor (2)");
  CHECK_THROWS(expandGeometry(t, Dims{-1, 3, 1}), "isn't allowed in a leading, non-existing dimension 0");
  CHECK_EQ(expandGeometry(t, Dims{3, 0}).sizes, (Dims{3, 0}));
  CHECK_THROWS(applyGeometry(t, expandGeometry(t, Dims{int64_t{1} << 40, int64_t{1} << 40, 3, 1})),
               "numel: integer multiplication overflow");
}

TEST(selectionAndSlices) {
  Tensor t = iota({3, 4});
  CHECK_EQ(read(t, selectGeometry(t, 0, -1)), (Values{8, 9, 10, 11}));
  CHECK_EQ(read(t, selectGeometry(t, 1, 2)), (Values{2, 6, 10}));
  CHECK_THROWS(selectGeometry(t, 0, 3), "select(): index 3 out of range for tensor of size [3, 4] at dimension 0");
  CHECK_THROWS(selectGeometry(iota({}), 0, 0), "select() cannot be applied to a 0-dim tensor.");
  CHECK_EQ(read(t, sliceGeometry(t, 1, 1, std::nullopt, 2)), (Values{1, 3, 5, 7, 9, 11}));
  CHECK_EQ(read(t, sliceGeometry(t, 0, -2, -1)), (Values{4, 5, 6, 7}));
  CHECK_EQ(sliceGeometry(t, 0, 5, 9).sizes, (Dims{0, 4}));
  CHECK_EQ(sliceGeometry(t, 0, 0, INT64_MAX, INT64_MAX).sizes, (Dims{1, 4}));
  CHECK_EQ(sliceGeometry(t, 0, INT64_MIN, INT64_MIN).sizes, (Dims{0, 4}));
  CHECK_THROWS(sliceGeometry(t, 0, 0, 3, 0), "slice step must be positive");
  CHECK_EQ(read(t, narrowGeometry(t, 1, 1, 2)), (Values{1, 2, 5, 6, 9, 10}));
  CHECK_THROWS(narrowGeometry(t, 1, 3, 2), "start (3) + length (2) exceeds dimension size (4).");
  CHECK_THROWS(narrowGeometry(t, 1, 0, -1), "narrow(): length must be non-negative.");
}

TEST(stridedDiagonalUnfold) {
  Tensor t = iota({3, 4});
  CHECK_EQ(read(t, asStridedGeometry(t, Dims{2, 2}, Dims{1, 4}, 1)), (Values{1, 5, 2, 6}));
  CHECK_THROWS(asStridedGeometry(t, Dims{13}, Dims{1}), "are out of bounds for storage of size 48");
  CHECK_THROWS(asStridedGeometry(t, Dims{2}, Dims{INT64_MAX}), "are out of bounds for storage");
  CHECK_THROWS(asStridedGeometry(t, Dims{2}, Dims{-1}), "Negative strides are not supported");
  CHECK_THROWS(asStridedGeometry(t, Dims{1}, Dims{1}, -1), "invalid storage offset -1");
  CHECK_EQ(read(t, diagonalGeometry(t)), (Values{0, 5, 10}));
  CHECK_EQ(read(t, diagonalGeometry(t, 1)), (Values{1, 6, 11}));
  CHECK_EQ(read(t, diagonalGeometry(t, -1)), (Values{4, 9}));
  CHECK_EQ(diagonalGeometry(t, INT64_MIN).sizes, (Dims{0}));
  CHECK_EQ(diagonalGeometry(t, INT64_MAX).sizes, (Dims{0}));
  CHECK_THROWS(diagonalGeometry(t, 0, 1, -1), "diagonal dimensions cannot be identical 1, -1");
  CHECK_EQ(read(t, unfoldGeometry(t, 1, 3, 1)), (Values{0, 1, 2, 1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 9, 10, 11}));
  CHECK_THROWS(unfoldGeometry(t, 1, 5, 1), "maximum size for tensor at dimension 1 is 4 but size is 5");
}

TEST(aliases) {
  Tensor t = iota({2, 3}), s = applyGeometry(t, selectGeometry(t, 0, 1));
  CHECK_EQ(read(s, aliasGeometry(s)), (Values{3, 4, 5}));
  CHECK(applyGeometry(s, detachGeometry(s)).impl()->storage == t.impl()->storage);
}

TEST_MAIN()
