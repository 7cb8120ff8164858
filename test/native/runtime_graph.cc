// Graph programs end to end: small hand-written programs in the C ABI are compiled with the system's compiler and run.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "driver_test.h"
#include "flambeau/autograd.h"
#include "flambeau/generator.h"
#include "flambeau/parallel.h"
#include "runtime/graph.h"

using namespace flambeau;
using namespace flambeau::testing;

namespace {

// A scratch folder for the process; removed at exit.
struct Folder {
  std::string path;
  int count = 0;
  Folder() {
    char name[] = "/tmp/flambeau-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() {
    if (std::system(("rm -rf '" + path + "'").c_str()) != 0) std::perror("rm");
  }
};
Folder& folder() {
  static Folder f;
  return f;
}

// Compiles `body` of fb_graph_run(const fb_run_args* a) and gives the path of the shared object.
std::string compile(const std::string& body, int abi = FB_RUNTIME_ABI, const std::string& before = "") {
  const std::string base = folder().path + "/p" + std::to_string(folder().count++);
  std::ofstream(base + ".cc") << "#include \"" FLAMBEAU_TEST_ROOT "/native/include/flambeau/runtime.h\"\n"
                              << before << "extern \"C\" int fb_graph_abi(void) { return " << abi << "; }\n"
                              << "extern \"C\" int fb_graph_run(const fb_run_args* a) {\n"
                              << body << "\n return 0; }\n";
  const char* cxx = std::getenv("CXX");
  const std::string command = std::string(cxx ? cxx : "g++") + " -O1 -shared -fPIC -o " + base + ".so " + base + ".cc";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("the test program does not compile");
  return base + ".so";
}

Tensor floats(Dims sizes, std::vector<float> v) {
  Tensor t = emptyTensor(sizes, DType::Float32);
  std::copy(v.begin(), v.end(), t.ptr<float>());
  return t;
}

struct Outcome {
  TensorList results;
  std::string failure;
  bool ok = false;
};
Outcome runGraph(const Ref<GraphProgram>& g, TensorList inputs, std::vector<double> scalars = {}) {
  Outcome o;
  o.ok = g->run(inputs, scalars, o.results, o.failure);
  return o;
}

const char* kAdd = R"({"version":1,"inputs":[{"dtype":"float32","shape":[3],"requiresGrad":false}],
  "captures":[{"dtype":"float32","shape":[3]}],"outputs":[{"dtype":"float32","shape":[3]},{"alias":{"capture":0}}],
  "writes":[{"capture":0}],"live":1,"arena":256,"steps":[]})";
const char* kAddBody = R"(
  const float* x = (const float*)a->inputs[0]; const float* w = (const float*)a->inputs[1];
  float* y = (float*)a->outputs[0]; float* t = (float*)a->arena;
  if ((unsigned long long)a->arena % 64) return 7;
  for (int i = 0; i < 3; ++i) t[i] = x[i] * (float)a->scalars[0];
  for (int i = 0; i < 3; ++i) y[i] = t[i] + w[i];
  for (int i = 0; i < 3; ++i) ((float*)a->outputs[1])[i] = w[i] + 1;)";

}  // namespace

TEST(outputsWritesAliasesAndLiveScalars) {
  const Tensor w = floats({3}, {1, 2, 3});
  const auto g = GraphProgram::load(compile(kAddBody), kAdd, {w});
  const uint32_t version = w.version();
  auto o = runGraph(g, {floats({3}, {10, 20, 30})}, {0.5});
  CHECK(o.ok);
  CHECK_EQ(o.results.size(), size_t{2});
  CHECK_EQ(at(o.results[0], 2), 18.0);
  CHECK(o.results[1].is(w));
  CHECK_EQ(at(w, 0), 2.0);
  CHECK_EQ(w.version(), version + 1);
  o = runGraph(g, {floats({3}, {10, 20, 30})}, {2});
  CHECK_EQ(at(o.results[0], 0), 22.0);
  CHECK_THROWS(runGraph(g, {floats({3}, {1, 2, 3})}), "0 live scalars given, but it takes 1");
}

TEST(guards) {
  const Tensor w = floats({3}, {1, 2, 3});
  const auto g = GraphProgram::load(compile(kAddBody), kAdd, {w});
  const auto why = [&](TensorList in) { return runGraph(g, std::move(in), {1}).failure; };
  CHECK_EQ(why({}), std::string("expected 1 tensors, got 0"));
  CHECK_EQ(why({emptyTensor(Dims{3}, DType::Float64)}), std::string("input 0: expected dtype float32, got float64"));
  CHECK_EQ(why({emptyTensor(Dims{4}, DType::Float32)}), std::string("input 0: expected shape [3], got [4]"));
  CHECK_EQ(why({emptyStrided(Dims{3}, Dims{2}, DType::Float32)}),
           std::string("input 0: expected strides [1], got [2]"));
  CHECK_EQ(why({floats({3}, {0, 0, 0}).setRequiresGrad(true)}),
           std::string("input 0: expected no requiresGrad, got one"));
  CHECK_EQ(why({w}), std::string("input 0: shares memory with a tensor that is written"));
  CHECK_EQ(at(w, 0), 1.0);  // nothing ran
}

TEST(gradients) {
  const char* meta =
      R"({"version":1,"inputs":[],"captures":[{"dtype":"float32","shape":[2]},{"dtype":"float32","shape":[2]}],
    "outputs":[{"dtype":"float32","shape":[]},{"dtype":"float32","shape":[2]}],"results":1,
    "gradWrites":[{"capture":0,"output":1},{"capture":1,"output":null}],"gradReads":[{"capture":0,"is":null}],"gradEnabled":true,"steps":[]})";
  const Tensor p = floats({2}, {1, 2}), q = floats({2}, {1, 2});
  p.setRequiresGrad(true);
  q.setRequiresGrad(true);
  q.setGrad(floats({2}, {5, 5}));
  const auto g = GraphProgram::load(
      compile("*(float*)a->outputs[0] = 4; ((float*)a->outputs[1])[0] = 8; ((float*)a->outputs[1])[1] = 9;"), meta,
      {p, q});
  {
    autograd::GradGuard off(false);
    CHECK_EQ(runGraph(g, {}).failure, std::string("grad mode: expected enabled"));
  }
  const auto o = runGraph(g, {});
  CHECK(o.ok);
  CHECK_EQ(o.results.size(), size_t{1});
  CHECK_EQ(at(p.grad(), 1), 9.0);
  CHECK(!q.grad().defined());
  CHECK_EQ(runGraph(g, {}).failure, std::string("grad of capture 0: expected undefined, got a tensor"));
  p.setGrad({});
  CHECK(runGraph(g, {}).ok);
}

TEST(librarySteps) {
  // y = relu(x W^T + b) by a step; then the largest entries by the op's own kernel, and a fill that exists only in
  // place.
  const char* meta = R"({"version":1,"inputs":[{"dtype":"float32","shape":[4,3]}],
    "captures":[{"dtype":"float32","shape":[5,3]},{"dtype":"float32","shape":[5]}],
    "outputs":[{"dtype":"float32","shape":[4,5]},{"dtype":"float32","shape":[4,2]},{"dtype":"int64","shape":[4,2]},{"dtype":"float32","shape":[4,5]}],
    "arena":1024,"live":1,"steps":[
     {"op":"linear","inputs":[{"dtype":"float32","shape":[4,3]},{"dtype":"float32","shape":[5,3],"strides":[3,1]},{"dtype":"float32","shape":[5]}],
      "attrs":{},"outputs":[{"dtype":"float32","shape":[4,5]}],"epilogue":[{"op":"relu"}]},
     {"op":"topk","inputs":[{"dtype":"float32","shape":[4,5]}],"attrs":{"k":2,"dim":-1,"largest":true,"sorted":true},
      "outputs":[{"dtype":"float32","shape":[4,2]},{"dtype":"int64","shape":[4,2]}]},
     {"op":"cat","inputs":[[{"dtype":"float32","shape":[4,2]},{"dtype":"float32","shape":[4,3],"strides":[5,1]}]],"attrs":{"dim":1},
      "outputs":[{"dtype":"float32","shape":[4,5]}]},
     {"op":"mul","inputs":[{"dtype":"float32","shape":[4,5]},{"live":0}],"attrs":{},"outputs":[{"dtype":"float32","shape":[4,5]}]}]})";
  const char* body = R"(
    void* s0[4] = {a->inputs[0], a->inputs[1], a->inputs[2], a->outputs[0]};
    if (int e = a->runtime->call(a->graph, 0, s0, a->dims)) return e;
    void* s1[3] = {a->outputs[0], a->outputs[1], a->outputs[2]};
    if (int e = a->runtime->call(a->graph, 1, s1, a->dims)) return e;
    void* s2[3] = {a->outputs[1], a->outputs[0], a->arena};
    if (int e = a->runtime->call(a->graph, 2, s2, a->dims)) return e;
    void* s3[2] = {a->arena, a->outputs[3]};
    if (int e = a->runtime->call(a->graph, 3, s3, a->dims)) return e;)";
  Random rng;
  const Tensor w = emptyTensor(Dims{5, 3}, DType::Float32), b = emptyTensor(Dims{5}, DType::Float32),
               x = emptyTensor(Dims{4, 3}, DType::Float32);
  for (const Tensor& t : {w, b, x})
    for (int64_t i = 0; i < t.numel(); ++i) t.ptr<float>()[i] = static_cast<float>(rng.below(9) - 4);
  const auto g = GraphProgram::load(compile(body), meta, {w, b});
  for (int threads : {1, 2, 1}) {
    setNumThreads(threads);
    const auto o = runGraph(g, {x}, {3});
    CHECK(o.ok);
    for (int i = 0; i < 4; ++i) {
      double best = -1;
      for (int j = 0; j < 5; ++j) {
        double sum = at(b, j);
        for (int k = 0; k < 3; ++k) sum += at(x, i * 3 + k) * at(w, j * 3 + k);
        CHECK_EQ(at(o.results[0], i * 5 + j), std::max(sum, 0.0));
        best = std::max(best, std::max(sum, 0.0));
      }
      CHECK_EQ(at(o.results[1], i * 2), best);
      CHECK_EQ(at(o.results[3], i * 5 + 1), 3 * at(o.results[1], i * 2 + 1));
      CHECK_EQ(at(o.results[3], i * 5 + 4), 3 * at(o.results[0], i * 5 + 2));
    }
  }
}

TEST(convolutionAndPoolingSteps) {
  const char* meta =
      R"({"version":1,"inputs":[{"dtype":"float32","shape":[2,1,10,10]}],"captures":[{"dtype":"float32","shape":[3,1,3,3]}],
    "outputs":[{"dtype":"float32","shape":[2,3,8,8]},{"dtype":"float32","shape":[2,3,4,4]},{"dtype":"int64","shape":[2,3,4,4]},
               {"dtype":"float32","shape":[2,3,8,8]},{"dtype":"float32","shape":[3,1,3,3]}],"steps":[
     {"op":"convolution","inputs":[{"dtype":"float32","shape":[2,1,10,10]},{"dtype":"float32","shape":[3,1,3,3]},null],
      "attrs":{"stride":[1,1],"padding":[0,0],"dilation":[1,1],"transposed":false,"outputPadding":[0,0],"groups":1},
      "outputs":[{"dtype":"float32","shape":[2,3,8,8]}],"epilogue":[{"op":"relu"}]},
     {"op":"maxPoolNd","inputs":[{"dtype":"float32","shape":[2,3,8,8]}],
      "attrs":{"kernelSize":[2,2],"stride":[2,2],"padding":[0,0],"dilation":[1,1],"ceilMode":false},
      "outputs":[{"dtype":"float32","shape":[2,3,4,4]},{"dtype":"int64","shape":[2,3,4,4]}]},
     {"op":"maxPoolNdBackward","inputs":[{"dtype":"float32","shape":[2,3,4,4]},{"dtype":"int64","shape":[2,3,4,4]}],
      "attrs":{"inputSize":[2,3,8,8],"spatial":2},"outputs":[{"dtype":"float32","shape":[2,3,8,8]}]},
     {"op":"convolutionBackwardWeight","inputs":[{"dtype":"float32","shape":[2,3,8,8]},{"dtype":"float32","shape":[2,1,10,10]}],
      "attrs":{"weightSize":[3,1,3,3],"stride":[1,1],"padding":[0,0],"dilation":[1,1],"transposed":false,"outputPadding":[0,0],"groups":1},
      "outputs":[{"dtype":"float32","shape":[3,1,3,3]}]}]})";
  const char* body = R"(
    void* s0[3] = {a->inputs[0], a->inputs[1], a->outputs[0]};
    void* s1[3] = {a->outputs[0], a->outputs[1], a->outputs[2]};
    void* s2[3] = {a->outputs[1], a->outputs[2], a->outputs[3]};
    void* s3[3] = {a->outputs[3], a->inputs[0], a->outputs[4]};
    void** s[4] = {s0, s1, s2, s3};
    for (int k = 0; k < 4; ++k) if (int e = a->runtime->call(a->graph, k, s[k], a->dims)) return e;)";
  Random rng;
  const Tensor x = emptyTensor(Dims{2, 1, 10, 10}, DType::Float32), w = emptyTensor(Dims{3, 1, 3, 3}, DType::Float32);
  for (const Tensor& t : {x, w})
    for (int64_t i = 0; i < t.numel(); ++i) t.ptr<float>()[i] = static_cast<float>(rng.below(9) - 4);
  const auto g = GraphProgram::load(compile(body), meta, {w});
  const auto o = runGraph(g, {x});
  CHECK(o.ok);
  double pooled = 0, spread = 0;
  for (int64_t i = 0; i < 2 * 3 * 16; ++i) {
    const int64_t p = i / 16, r = i % 16 / 4, c = i % 4;
    double best = -1;
    for (int h = 0; h < 2; ++h)
      for (int v = 0; v < 2; ++v) {
        double sum = 0;
        for (int t = 0; t < 9; ++t)
          sum += at(x, p / 3 * 100 + (2 * r + h + t / 3) * 10 + 2 * c + v + t % 3) * at(w, p % 3 * 9 + t);
        best = std::max(best, std::max(sum, 0.0));
      }
    CHECK_EQ(at(o.results[1], i), best);
    CHECK_EQ(at(o.results[0], p * 64 + static_cast<int64_t>(at(o.results[2], i))), best);
    pooled += best;
  }
  for (int64_t i = 0; i < 2 * 3 * 64; ++i) spread += at(o.results[3], i);
  CHECK_EQ(spread, pooled);
  double dw = 0;
  for (int64_t i = 0; i < 384; ++i) dw += at(o.results[3], i) * at(x, i / 192 * 100 + i % 64 / 8 * 10 + i % 8);
  double first = 0;
  for (int o3 = 0; o3 < 3; ++o3) first += at(o.results[4], o3 * 9);
  CHECK_CLOSE(first, dw, 1e-6, 1e-6);
}

TEST(symbolicShapes) {
  const char* meta =
      R"({"version":1,"symbols":[{"name":"s0","input":0,"dim":0}],"inputs":[{"dtype":"float32","shape":["s0",3]}],
    "captures":[{"dtype":"float32","shape":[3,2]}],"outputs":[{"dtype":"float32","shape":["s0",2]},{"dtype":"float32","shape":["2*s0+1"]}],
    "arena":"8*s0","steps":[{"op":"mm","inputs":[{"dtype":"float32","shape":["s0",3]},{"dtype":"float32","shape":[3,2]}],"attrs":{},
    "outputs":[{"dtype":"float32","shape":["s0",2]}]}]})";
  const char* body = R"(
    void* s0[3] = {a->inputs[0], a->inputs[1], a->outputs[0]};
    if (int e = a->runtime->call(a->graph, 0, s0, a->dims)) return e;
    for (fb_int i = 0; i < 2 * a->dims[0] + 1; ++i) ((float*)a->outputs[1])[i] = (float)i;)";
  const auto g = GraphProgram::load(compile(body), meta, {floats({3, 2}, {1, 2, 3, 4, 5, 6})});
  for (int64_t n : {4, 2, 70}) {
    Tensor x = emptyTensor(Dims{n, 3}, DType::Float32);
    std::fill_n(x.ptr<float>(), n * 3, 1.0f);
    const auto o = runGraph(g, {x});
    CHECK(o.ok);
    CHECK_EQ(Dims(o.results[0].sizes()), (Dims{n, 2}));
    CHECK_EQ(o.results[1].numel(), 2 * n + 1);
    CHECK_EQ(at(o.results[0], 2 * n - 1), 12.0);
  }
  // Symbols stand for two and more: the recordings behind them had no size that broadcasts.
  for (int64_t n : {0, 1})
    CHECK_EQ(runGraph(g, {emptyTensor(Dims{n, 3}, DType::Float32)}).failure,
             "input 0: a size that varies is " + std::to_string(n));
  CHECK_EQ(runGraph(g, {emptyTensor(Dims{2, 4}, DType::Float32)}).failure,
           std::string("input 0: expected shape [2, 3], got [2, 4]"));
}

TEST(parallelAndRandom) {
  const char* meta =
      R"({"version":1,"inputs":[],"captures":[],"outputs":[{"dtype":"float32","shape":[100000]},{"dtype":"int64","shape":[2]}],"random":40,"steps":[]})";
  const char* before =
      "static void fill(void* c, fb_int b, fb_int e) { for (; b < e; ++b) ((float*)c)[b] = (float)b; }\n";
  const char* body =
      "a->runtime->parallel_for(100000, 100, fill, a->outputs[0]); ((unsigned long long*)a->outputs[1])[0] = a->seed; "
      "((unsigned long long*)a->outputs[1])[1] = a->offset;";
  const auto g = GraphProgram::load(compile(body, FB_RUNTIME_ABI, before), meta, {});
  defaultGenerator().manualSeed(77);
  setNumThreads(2);
  const auto first = runGraph(g, {}), second = runGraph(g, {});
  setNumThreads(1);
  CHECK_EQ(at(first.results[0], 99999), 99999.0);
  CHECK_EQ(first.results[1].ptr<int64_t>()[0], int64_t{77});
  CHECK(second.results[1].ptr<int64_t>()[1] >= first.results[1].ptr<int64_t>()[1] + 40);
  defaultGenerator().manualSeed(77);
  CHECK_EQ(runGraph(g, {}).results[1].ptr<int64_t>()[1], first.results[1].ptr<int64_t>()[1]);
}

TEST(errors) {
  const char* empty =
      R"({"version":1,"inputs":[],"captures":[],"outputs":[],"errors":["index out of range"],"steps":[]})";
  CHECK_THROWS(GraphProgram::load("/nowhere/at/all.so", empty, {}), "/nowhere/at/all.so");
  CHECK_THROWS(GraphProgram::load(compile("", 99), empty, {}), "was built for ABI 99, this runtime speaks 2");
  CHECK_THROWS(runGraph(GraphProgram::load(compile("return 3;"), empty, {}), {}), "failed with code 3");
  CHECK_THROWS(runGraph(GraphProgram::load(compile("return 1000;"), empty, {}), {}), "index out of range");
  const std::string so = compile("return a->runtime->call(a->graph, 0, 0, 0);");
  CHECK_THROWS(runGraph(GraphProgram::load(so, empty, {}), {}), "call of step 0, but there are 0");
  CHECK_THROWS(
      GraphProgram::load(
          so,
          R"({"version":1,"inputs":[],"captures":[],"outputs":[],"steps":[{"op":"nosuch","inputs":[],"outputs":[]}]})",
          {}),
      "unknown op 'nosuch' in a library step");
  CHECK_THROWS(GraphProgram::load(so, R"({"version":2})", {}), "version 2 is not supported (expected 1)");
  CHECK_THROWS(GraphProgram::load(
                   so, R"({"version":1,"inputs":[{"dtype":"float33","shape":[]}],"captures":[],"outputs":[]})", {}),
               "float33");
  CHECK_THROWS(
      GraphProgram::load(so, R"({"version":1,"inputs":[],"captures":[],"outputs":[{"alias":{"capture":0}}]})", {}),
      "out of range");
  CHECK_THROWS(GraphProgram::load(
                   so, R"({"version":1,"inputs":[{"dtype":"float32","shape":["s1"]}],"captures":[],"outputs":[]})", {}),
               "'s1' is no expression");
  CHECK_THROWS(GraphProgram::load(
                   so, R"({"version":1,"inputs":[{"dtype":"float32","shape":[-1]}],"captures":[],"outputs":[]})", {}),
               "must not be negative");
  CHECK_THROWS(GraphProgram::load(so, empty, {floats({1}, {1})}),
               "1 captured tensors given, but it was compiled with 0");
  for (const char* broken : {"", "{", "[1,", "{\"version\":1,}", "{\"a\" 1}", "nul", "\"\\x\"", "{\"version\":1} x",
                             "\"\\ud800\"", "01", "-"})
    CHECK_THROWS(GraphProgram::load(so, broken, {}), "graph metadata");
  CHECK_THROWS(GraphProgram::load(so, std::string(200, '['), {}), "nesting too deep");
}

TEST(sharedBetweenThreads) {
  const Tensor w = floats({3}, {1, 2, 3});
  const char* meta =
      R"({"version":1,"inputs":[{"dtype":"float32","shape":[3]}],"captures":[{"dtype":"float32","shape":[3]}],
    "outputs":[{"dtype":"float32","shape":[3]}],"arena":64,"steps":[]})";
  const auto g = GraphProgram::load(compile(R"(
    for (int i = 0; i < 3; ++i) ((float*)a->arena)[i] = ((float*)a->inputs[0])[i];
    for (int i = 0; i < 3; ++i) ((float*)a->outputs[0])[i] = ((float*)a->arena)[i] + ((float*)a->inputs[1])[i];)"),
                                    meta, {w});
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int k = 0; k < 4; ++k)
    threads.emplace_back([&, k] {
      for (int i = 0; i < 500; ++i) wrong += at(runGraph(g, {floats({3}, {float(k), 0, 0})}).results[0], 0) != k + 1;
    });
  for (auto& t : threads) t.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(overhead) {
  const char* meta =
      R"({"version":1,"inputs":[{"dtype":"float32","shape":[8]},{"dtype":"float32","shape":[8]}],"captures":[],
    "outputs":[{"dtype":"float32","shape":[8]}],"arena":64,"steps":[]})";
  const auto g = GraphProgram::load(compile("for (int i = 0; i < 8; ++i) ((float*)a->outputs[0])[i] = "
                                            "((float*)a->inputs[0])[i] + ((float*)a->inputs[1])[i];"),
                                    meta, {});
  const TensorList in{floats({8}, std::vector<float>(8, 1)), floats({8}, std::vector<float>(8, 1))};
  TensorList out;
  std::string failure;
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 2000; ++i) g->run(in, {}, out, failure);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / 2000);
  }
  std::printf("run() of a tiny graph: %.0f ns\n", best * 1e9);
  CHECK(best < 20e-6);  // generous: sanitizer builds and busy machines
}

TEST_MAIN()
