// The engine: values, accumulation, what is kept and freed, hooks, every message.
#include "autograd_helpers.h"
#include "check.h"

using namespace helpers;
using V = std::vector<float>;

TEST(gradientsFlowAndAccumulate) {
  Tensor x = vec({1, 2, 3}, true);
  Tensor y = ops::mul(x, Operand(2.0));
  CHECK_EQ(y.gradFn()->name(), std::string("MulBackward0"));
  CHECK(!y.isLeaf() && x.isLeaf());
  backward(y, vec({1, 0.1f, 0.01f}));
  CHECK_EQ(values(x.grad()), (V{2, 0.2f, 0.02f}));
  backward(sumAll(ops::mul(x, x)));
  CHECK_EQ(values(x.grad()), (V{4, 4.2f, 6.02f}));
}

TEST(aTensorUsedTwiceGetsTheSum) {
  Tensor x = vec({3}, true);
  Tensor h = ops::mul(x, x);
  backward(sumAll(add(ops::mul(h, x), h)));  // x^3 + x^2
  CHECK_EQ(values(x.grad()), (V{33}));
}

TEST(broadcastGradientsAreSummed) {
  Tensor a = make({1, 2, 3, 4, 5, 6}, Dims{2, 3}, true), b = vec({1, 2, 3}, true), c = make({2}, Dims{1, 1}, true);
  backward(sumAll(ops::mul(ops::mul(a, b), c)));
  CHECK_EQ(values(b.grad()), (V{10, 14, 18}));
  CHECK_EQ(values(c.grad()), (V{46}));
  CHECK_EQ(a.grad().impl()->sizes, (Dims{2, 3}));
}

TEST(messagesOfWrongRoots) {
  Tensor x = vec({1, 2}, true);
  CHECK_THROWS(backward(ops::mul(x, x)), "grad can be implicitly created only for scalar outputs");
  CHECK_THROWS(backward(vec({1})), "element 0 of tensors does not require grad and does not have a grad_fn");
  CHECK_THROWS(backward(ops::mul(x, x), vec({1, 2, 3})),
               "Mismatch in shape: gradOutput[0] has a shape of [3] and output[0] has a shape of [2].");
  Tensor i = emptyTensor(Dims{2}, DType::Int64);
  CHECK_THROWS(i.setRequiresGrad(true), "only Tensors of floating point dtype can require gradients");
  CHECK_THROWS(ops::mul(x, x).setRequiresGrad(false), "you can only change requiresGrad flags of leaf variables.");
}

TEST(secondBackwardNeedsRetainGraph) {
  Tensor x = vec({2}, true);
  Tensor y = sumAll(ops::mul(x, x));
  backward(y, {}, true);
  backward(y);
  CHECK_EQ(values(x.grad()), (V{8}));
  CHECK_THROWS(backward(y),
               "Trying to backward through the graph a second time (or directly access saved tensors after they have "
               "already been freed).");
}

TEST(gradReturnsWithoutTouchingLeaves) {
  Tensor x = vec({2, 3}, true), w = vec({4, 5}, true), other = vec({1}, true);
  Tensor h = ops::mul(x, w);
  Tensor y = sumAll(ops::mul(h, h));
  autograd::RunOptions o;
  o.accumulate = false;
  o.retainGraph = true;
  TensorList g = autograd::runBackward({y}, {Tensor()}, {x, h}, o);
  CHECK_EQ(values(g[0]), (V{64, 150}));
  CHECK_EQ(values(g[1]), (V{16, 30}));
  CHECK(!x.grad().defined() && !w.grad().defined());
  CHECK_THROWS(autograd::runBackward({y}, {Tensor()}, {other}, o),
               "One of the differentiated Tensors appears to not have been used in the graph. Set allowUnused=true");
  o.allowUnused = true;
  CHECK(!autograd::runBackward({y}, {Tensor()}, {other}, o)[0].defined());
  CHECK_THROWS(autograd::runBackward({y}, {Tensor()}, {vec({1})}, o),
               "One of the differentiated Tensors does not require grad");
  CHECK_EQ(values(autograd::runBackward({y}, {Tensor()}, {y}, o)[0]), (V{1}));
}

TEST(backwardWithInputsAccumulatesOnlyThere) {
  Tensor x = vec({2}, true), w = vec({3}, true);
  Tensor h = ops::mul(x, w);
  autograd::RunOptions o;
  autograd::runBackward({sumAll(ops::mul(h, h))}, {Tensor()}, {x, h}, o);
  CHECK_EQ(values(x.grad()), (V{36}));
  CHECK_EQ(values(h.grad()), (V{12}));
  CHECK(!w.grad().defined());
}

TEST(higherDerivatives) {
  Tensor x = vec({2}, true);
  Tensor y = sumAll(ops::mul(ops::mul(x, x), ops::exp(x)));  // x^2 e^x
  Tensor g1 = gradOf(y, {x}, true)[0];
  Tensor g2 = gradOf(sumAll(g1), {x}, true)[0];
  Tensor g3 = gradOf(sumAll(g2), {x})[0];
  const double e2 = std::exp(2.0);
  CHECK_CLOSE(values(g1)[0], e2 * 8, 1e-5, 0);
  CHECK_CLOSE(values(g2)[0], e2 * 14, 1e-5, 0);
  CHECK_CLOSE(values(g3)[0], e2 * 22, 1e-5, 0);
}

TEST(inplaceOverASavedTensorIsNoticed) {
  Tensor w = vec({1, 2, 3}, true);
  Tensor h = add(w, Operand(1.0));
  Tensor y = sumAll(ops::mul(h, h));
  ops::add_(h, Operand(1.0), Scalar(1));
  CHECK_THROWS(backward(y),
               "one of the variables needed for gradient computation has been modified by an inplace operation: "
               "[torch.FloatTensor [3]], which is output 0 of AddBackward0, is at version 1; expected version 0 "
               "instead. Hint: enable "
               "anomaly detection");
  Tensor leaf = vec({1, 2}, true);
  Tensor z = sumAll(ops::mul(leaf, leaf));
  {
    autograd::GradGuard off(false);
    ops::mul_(leaf, Operand(2.0));
  }
  CHECK_THROWS(backward(z), "[torch.FloatTensor [2]] is at version 1; expected version 0 instead.");
}

TEST(hooksSeeAndReplaceGradients) {
  Tensor x = vec({1, 2}, true);
  Tensor h = ops::mul(x, Operand(3.0));
  V seen;
  auto first = autograd::registerHook(h, [&](const Tensor& g) {
    seen = values(g);
    return ops::mul(g, Operand(10.0));
  });
  int leafCalls = 0;
  auto second = autograd::registerHook(x, [&](const Tensor&) {
    ++leafCalls;
    return Tensor();
  });
  autograd::retainGrad(h);
  Tensor y = sumAll(ops::mul(h, h));
  backward(y, {}, true);
  CHECK_EQ(seen, (V{6, 12}));
  CHECK_EQ(values(h.grad()), (V{60, 120}));
  CHECK_EQ(values(x.grad()), (V{180, 360}));
  autograd::removeHook(first);
  autograd::removeHook(second);
  x.setGrad({});
  backward(y);
  CHECK_EQ(values(x.grad()), (V{18, 36}));
  CHECK_EQ(leafCalls, 1);
  CHECK_THROWS(autograd::registerHook(vec({1}), [](const Tensor& g) { return g; }),
               "cannot register a hook on a tensor that doesn't require gradient");
}

TEST(aDeadRetainedTensorIsForgotten) {
  Tensor x = vec({1}, true);
  Tensor y;
  {
    Tensor h = ops::mul(x, x);
    autograd::retainGrad(h);
    y = sumAll(ops::mul(h, Operand(2.0)));
  }
  backward(y);
  CHECK_EQ(values(x.grad()), (V{4}));
}

TEST(aDeadLeafIsSkipped) {
  Tensor y, w = vec({5}, true);
  {
    Tensor x = vec({1}, true);
    y = sumAll(add(x, w));
  }
  backward(y);
  CHECK_EQ(values(w.grad()), (V{1}));
}

TEST(gradientsAreTakenWithoutACopyButNeverShared) {
  Tensor a = vec({1, 2}, true), b = vec({3, 4}, true);
  backward(add(a, b), vec({1, 1}));  // both edges carry the same tensor
  CHECK(a.grad().impl()->storage != b.grad().impl()->storage);
  ops::mul_(a.grad(), Operand(5.0));
  CHECK_EQ(values(b.grad()), (V{1, 1}));
  Tensor mine = vec({7, 7});
  a.setGrad({});
  backward(add(a, Operand(0.0)), mine);
  CHECK(a.grad().impl()->storage != mine.impl()->storage);
}

TEST(noGradBuildsNothing) {
  Tensor x = vec({1}, true);
  autograd::GradGuard off(false);
  Tensor y = ops::mul(x, x);
  CHECK(!y.requiresGrad() && !y.gradFn());
}

TEST(graphsOfAnyLengthAreWalkedAndDestroyed) {
  Tensor x = vec({1}, true);
  {
    Tensor h = x;
    for (int i = 0; i < 100000; ++i) h = add(h, Operand(0.0));
    backward(sumAll(h));
    CHECK_EQ(values(x.grad()), (V{1}));
  }
  Tensor h = x;
  for (int i = 0; i < 100000; ++i) h = ops::mul(h, x);  // with saved tensors, never run
}

TEST(cyclesThroughSavedTensorsDoNotLeak) {
  const auto before = memoryStats().allocatedBytes;
  for (int i = 0; i < 3; ++i) {
    Tensor x = vec({1, 2}, true);
    Tensor h = ops::mul(x, Operand(2.0));
    ops::add_(h, ops::mul(h, x), Scalar(1));  // h's new history holds a node that saved h
    Tensor e = ops::exp(h);                   // saves its own output
  }
  CHECK_EQ(memoryStats().allocatedBytes, before);
}

TEST(anomalyModeNamesTheNode) {
  autograd::setAnomalyEnabled(true);
  autograd::setForwardSiteProvider([] { return std::string("model.ts:7:3"); });
  Tensor x = vec({1}, true);
  Tensor y = sumAll(ops::mul(x, Operand(std::nan(""))));
  CHECK_THROWS(backward(y),
               "Function 'MulBackward0' returned nan values in its 0th output.\nError detected in MulBackward0. The "
               "forward call that caused the error was at model.ts:7:3.");
  autograd::setForwardSiteProvider({});
  autograd::setAnomalyEnabled(false);
}

TEST_MAIN()
