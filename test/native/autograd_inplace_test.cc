// In-place ops on non-leaves and through views: gradients equal those of the same program written without mutation.
#include "autograd_helpers.h"
#include "check.h"

using namespace helpers;
using V = std::vector<float>;

TEST(inplaceRewritesHistory) {
  Tensor x = vec({1, 2, 3}, true);
  Tensor h = ops::mul(x, Operand(2.0));
  ops::mul_(h, Operand(3.0));
  CHECK_EQ(h.gradFn()->name(), std::string("MulBackward0"));
  ops::exp_(h);
  CHECK_EQ(h.gradFn()->name(), std::string("ExpBackward0"));
  backward(sumAll(h));
  for (int i = 0; i < 3; ++i) CHECK_CLOSE(values(x.grad())[i], 6 * std::exp(6.0 * (i + 1)), 1e-5, 0);
}

TEST(writingThroughAViewReachesTheBase) {
  Tensor x = make({1, 2, 3, 4, 5, 6}, Dims{2, 3}, true), w = vec({10, 20, 30}, true);
  Tensor h = ops::mul(x, Operand(1.0));
  Tensor row = ops::select(h, 0, 1);
  ops::mul_(row, w);
  CHECK_EQ(h.gradFn()->name(), std::string("CopySlices"));
  CHECK_EQ(row.gradFn()->name(), std::string("AsStridedBackward0"));
  backward(sumAll(ops::mul(h, h)));
  CHECK_EQ(values(x.grad()), (V{2, 4, 6, 800, 4000, 10800}));
  CHECK_EQ(values(w.grad()), (V{320, 1000, 2160}));
}

TEST(anOlderViewSeesTheWriteToItsBase) {
  Tensor x = vec({1, 2, 3, 4}, true);
  Tensor h = ops::mul(x, Operand(1.0));
  Tensor tail = ops::slice(h, 0, 2, std::nullopt, 1);
  Tensor strided = ops::slice(h, 0, 0, std::nullopt, 2);
  ops::mul_(h, Operand(5.0));
  backward(sumAll(ops::mul(tail, Operand(2.0))), {}, true);
  CHECK_EQ(values(x.grad()), (V{0, 0, 10, 10}));
  backward(sumAll(strided));
  CHECK_EQ(values(x.grad()), (V{5, 0, 15, 10}));
}

TEST(aViewOfAViewIsAViewOfTheBase) {
  Tensor x = make({1, 2, 3, 4, 5, 6}, Dims{2, 3}, true);
  Tensor h = ops::mul(x, Operand(1.0));
  Tensor column = ops::select(ops::transpose(h, 0, 1), 0, 2);  // elements 3 and 6
  ops::mul_(column, Operand(7.0));
  backward(sumAll(ops::mul(h, h)));
  CHECK_EQ(values(x.grad()), (V{2, 4, 3 * 98, 8, 10, 6 * 98}));
}

TEST(copyIntoAPartCutsTheOldGradient) {
  Tensor x = vec({1, 2, 3}, true), s = vec({9}, true);
  Tensor h = ops::mul(x, Operand(2.0));
  ops::copy_(ops::slice(h, 0, 1, 2, 1), s);
  CHECK_EQ(values(h), (V{2, 9, 6}));
  backward(sumAll(ops::mul(h, h)));
  CHECK_EQ(values(x.grad()), (V{8, 0, 24}));
  CHECK_EQ(values(s.grad()), (V{18}));
}

TEST(writingIntoAPlainTensorMakesItDifferentiable) {
  Tensor out = vec({0, 0, 0}), x = vec({5}, true);
  Tensor part = ops::slice(out, 0, 0, 1, 1);
  CHECK(!out.requiresGrad());
  ops::copy_(part, x);
  CHECK(out.requiresGrad() && part.requiresGrad());
  backward(sumAll(ops::mul(out, Operand(3.0))));
  CHECK_EQ(values(x.grad()), (V{3}));
}

TEST(secondDerivativeThroughCopySlices) {
  Tensor x = vec({2, 3}, true);
  Tensor h = ops::mul(x, x);
  ops::mul_(ops::slice(h, 0, 0, 1, 1), Operand(4.0));
  Tensor g = gradOf(sumAll(ops::mul(h, h)), {x}, true)[0];  // (4x0^2)^2 + (x1^2)^2
  CHECK_EQ(values(g), (V{512, 108}));
  CHECK_EQ(values(gradOf(sumAll(g), {x})[0]), (V{768, 108}));
}

TEST(expandedViewsAddUp) {
  Tensor x = make({2}, Dims{1}, true);
  Tensor h = ops::mul(x, Operand(1.0));
  Tensor wide = ops::expand(h, Dims{4});
  ops::mul_(h, Operand(3.0));
  backward(sumAll(wide));
  CHECK_EQ(values(x.grad()), (V{12}));
}

TEST(rulesForLeavesAndViews) {
  Tensor x = vec({1, 2}, true);
  CHECK_THROWS(ops::add_(x, Operand(1.0), Scalar(1)),
               "a leaf Variable that requires grad is being used in an in-place operation.");
  CHECK_THROWS(ops::add_(ops::slice(x, 0, 0, 1, 1), Operand(1.0), Scalar(1)),
               "a view of a leaf Variable that requires grad is being used in an in-place operation.");
  CHECK_EQ(values(x), (V{1, 2}));
  {
    autograd::GradGuard off(false);
    ops::add_(x, Operand(1.0), Scalar(1));
  }
  CHECK_EQ(values(x), (V{2, 3}));
}

TEST(viewsMadeWithoutGradMode) {
  Tensor x = vec({1, 2}, true);
  Tensor h = ops::mul(x, Operand(1.0)), v;
  {
    autograd::GradGuard off(false);
    v = ops::slice(h, 0, 0, 1, 1);
    autograd::setView(v, h);
  }
  CHECK_THROWS(ops::add_(v, Operand(1.0), Scalar(1)),
               "A view was created in noGrad mode and is being modified inplace with grad mode enabled.");
}

TEST_MAIN()
