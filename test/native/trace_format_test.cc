// What the recorder writes: operands, live scalars, captures, gradients, regions, sites; what it refuses.
#include "check.h"
#include "flambeau/trace.h"
#include "trace_interpreter.h"

using namespace helpers;
using mini::Json;

namespace {
struct Recording {
  trace::Result result;
  Json g;
};
Recording record(TensorList inputs, const std::function<TensorList()>& fn) {
  trace::begin(inputs);
  Recording r;
  try {
    r.result = trace::end(fn());
  } catch (...) {
    trace::abort();
    throw;
  }
  r.g = mini::Parser(r.result.json).parse();
  return r;
}
std::string opsOf(const Json& g) {
  std::string s;
  for (const Json& n : g["nodes"].items) s += (s.empty() ? "" : " ") + n["op"].string;
  return s;
}
}  // namespace

TEST(plainOpsAndCaptures) {
  Tensor x = vec({1, 2}), w = vec({3, 4});
  auto r = record({x, x}, [&] { return TensorList{ops::mul(add(x, w), Operand(2.5)), w}; });
  CHECK_EQ(opsOf(r.g), std::string("add mul"));
  CHECK_EQ(r.g["inputs"][0].i(), r.g["inputs"][1].i());
  CHECK_EQ(r.result.captures.size(), 1u);
  CHECK(r.result.captures[0].is(w));
  CHECK_EQ(r.g["outputs"][1].i(), r.g["captures"][0].i());
  const Json& mul = r.g["nodes"][1];
  CHECK_EQ(mul["in"][1]["c"].num(), 2.5);
  CHECK_EQ(mul["in"][1]["f"].i(), 1);
  CHECK_EQ(r.g["nodes"][0]["attrs"]["alpha"].num(), 1.0);
  CHECK(!trace::active());
}

TEST(liveScalarsStayInputs) {
  Tensor x = vec({1, 2});
  auto r = record({x}, [&] {
    Scalar lr(0.1);
    lr.live = trace::liveScalar(0.1);
    return TensorList{ops::mul(x, Operand(lr)), ops::add(x, x, lr)};
  });
  CHECK_EQ(r.g["nodes"][0]["in"][1]["live"].i(), 0);
  CHECK_EQ(r.g["nodes"][1]["attrs"]["alpha"]["live"].i(), 0);
  CHECK_EQ(r.g["live"][0].num(), 0.1);
}

TEST(identityViewsLeaveNoNode) {
  Tensor x = vec({1, 2});
  auto r = record({x}, [&] {
    return TensorList{ops::view(x, Dims{2}), ops::contiguous(x), ops::slice(x, 0, 0, std::nullopt, 1)};
  });
  CHECK_EQ(opsOf(r.g), std::string(""));
  for (int i = 0; i < 3; ++i) CHECK_EQ(r.g["outputs"][static_cast<size_t>(i)].i(), r.g["inputs"][0].i());
}

TEST(repeatedWritesThroughOneViewScatterOnce) {
  Tensor x = vec({1, 2, 3});
  auto r = record({x}, [&] {
    Tensor v = ops::slice(x, 0, 1, 2, 1);
    for (int i = 0; i < 5; ++i) ops::add_(v, Operand(1.0), Scalar(1));
    return TensorList{};
  });
  CHECK_EQ(opsOf(r.g), std::string("slice add add add add add asStridedScatter"));
  CHECK_EQ(r.g["writes"].size(), 1u);
  CHECK_EQ(r.g["writes"][0]["target"].i(), r.g["inputs"][0].i());
}

TEST(gradientsOfLeavesAreReported) {
  Tensor w = vec({2, 3}, true), x = vec({1, 5});
  auto r = record({x}, [&] {
    Tensor loss = sumAll(ops::mul(w, x));
    backward(loss);
    return TensorList{loss};
  });
  CHECK_EQ(r.g["gradReads"].size(), 1u);
  CHECK(r.g["gradReads"][0]["capture"].isNull());
  CHECK_EQ(r.g["gradWrites"].size(), 1u);
  CHECK_EQ(r.g["gradWrites"][0]["leaf"].i(), r.g["captures"][0].i());
  Interpreter run(r.result.json);
  run.env[r.g["inputs"][0].i()] = Interpreter::of(x);
  run.env[r.g["captures"][0].i()] = Interpreter::of(w);
  run.run();
  CHECK_EQ(run.env.at(r.g["gradWrites"][0]["value"].i()).data, values(w.grad()));

  // Again, now with a gradient present: it is captured and written in place.
  r = record({x}, [&] {
    Tensor loss = sumAll(ops::mul(w, x));
    backward(loss);
    return TensorList{loss};
  });
  CHECK_EQ(r.g["gradWrites"].size(), 0u);
  CHECK_EQ(r.g["gradReads"][0]["capture"].i(), r.g["writes"][0]["target"].i());

  // zeroGrad first: what the gradient was does not matter.
  r = record({x}, [&] {
    w.setGrad({});
    Tensor loss = sumAll(ops::mul(w, x));
    backward(loss);
    return TensorList{loss};
  });
  CHECK_EQ(r.g["gradReads"].size(), 0u);
  CHECK_EQ(r.g["gradWrites"].size(), 1u);

  r = record({x}, [&] {
    w.setGrad({});
    return TensorList{};
  });
  CHECK(r.g["gradWrites"][0]["value"].isNull());
}

TEST(sitesScopesAndRegions) {
  Tensor x = vec({1, 2});
  auto r = record({x}, [&] {
    trace::setSite("net.ts:3:\"4\"");
    trace::pushScope("features");
    trace::pushScope("0");
    trace::Region region("softmax");
    region.input(x);
    region.attr(trace::Attr("dim", static_cast<int64_t>(-1)));
    region.begin();
    Tensor y = ops::mul(x, x);
    region.output(y);
    trace::popScope();
    return TensorList{y};
  });
  const Json& n = r.g["nodes"][0];
  CHECK_EQ(n["site"].string, std::string("net.ts:3:\"4\""));
  CHECK_EQ(n["scope"].string, std::string("features.0"));
  CHECK_EQ(n["region"].i(), 0);
  const Json& g = r.g["regions"][0];
  CHECK_EQ(g["op"].string, std::string("softmax"));
  CHECK_EQ(g["attrs"]["dim"].i(), -1);
  CHECK_EQ(g["out"][0].i(), n["out"][0].i());
  CHECK(g["parent"].isNull());
}

TEST(hostReadsAndOverlapsAreRefused) {
  Tensor x = vec({1, 2, 3});
  trace::begin(TensorList{x});
  trace::setSite("a.ts:1:2");
  CHECK_THROWS(trace::forbidHostRead("item"), "item() needs a value on the host");
  CHECK_THROWS(trace::forbidHostRead("item"), "(at a.ts:1:2)");
  CHECK_THROWS(trace::begin(TensorList{x}), "a trace is already being recorded on this thread");
  trace::abort();
  trace::forbidHostRead("item");

  Tensor a = ops::slice(x, 0, 0, 2, 1), b = ops::slice(x, 0, 1, 3, 1);
  CHECK_THROWS(record({a, b},
                      [&] {
                        ops::add_(a, Operand(1.0), Scalar(1));
                        return TensorList{b};
                      }),
               "neither is a view of the other");
  CHECK_THROWS(trace::end(TensorList{}), "no trace is being recorded");
}

TEST(anUnrecordedWriteIsNoticed) {
  Tensor x = vec({1, 2, 3});
  CHECK_THROWS(record({x},
                      [&] {
                        Tensor y = add(x, Operand(1.0));
                        x.bumpVersion();
                        return TensorList{add(x, y)};
                      }),
               "written behind the recorder's back");
}

TEST(takingGradientsStaysFreeWhileTracing) {
  Tensor w = vec({2, 3}, true);
  auto r = record({}, [&] {
    backward(sumAll(ops::mul(w, Operand(2.0))));
    return TensorList{};
  });
  CHECK(opsOf(r.g).find("clone") == std::string::npos);
}

TEST_MAIN()
