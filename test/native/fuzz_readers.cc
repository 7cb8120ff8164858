// Damaged files for the C++ readers: graphs (.fbg), safetensors, checkpoints of optimizers, weights of deployed models,
// metadata of programs. Each is a valid file that a few random changes were made to. A reader may take it or refuse it
// with an error; it must not crash (the sanitizers watch), run on, or take memory by what the file claims.
//   test_fuzz_readers [RUNS] [SEED]        CTest runs it with the defaults
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "flambeau/flambeau.h"
#include "flambeau/model.h"
#include "runtime/file.h"
#include "runtime/meta.h"
#include "runtime/safetensors.h"

using namespace flambeau;

/// Absurd sizes are refused by the allocator, not by the sanitizer.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;
using Random = std::mt19937_64;

/// Tensor memory that reading a file may take beyond the file's own size, bytes; and time, seconds.
constexpr int64_t kMostMemory = 1 << 20;
constexpr double kMostTime = 5;

int64_t taken = 0, peak = 0;
void countMemory(int64_t delta) {
  taken += delta;
  peak = std::max(peak, taken);
}

const fs::path folder = fs::temp_directory_path() / ("flambeau-fuzz-" + std::to_string(std::random_device{}()));
const std::string file = (folder / "damaged").string();

Bytes read(const fs::path& path) { return runtime::readFile(path.string()); }
void write(const Bytes& bytes) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// ---- changes ----

size_t below(Random& r, size_t n) { return n == 0 ? 0 : r() % n; }

/// What readers look for, and numbers at the ends of their types.
const char* const kPieces[] = {"0",
                               "-1",
                               "1",
                               "2147483648",
                               "9223372036854775807",
                               "-9223372036854775808",
                               "1e308",
                               "nan",
                               "inf",
                               "\"",
                               "\\",
                               "[",
                               "]",
                               "{",
                               "}",
                               ",",
                               ":",
                               "null",
                               "%0",
                               "%1",
                               "symbol s",
                               "*",
                               "float32",
                               "bool",
                               "int64",
                               "\\u0000",
                               "return",
                               "region",
                               "none",
                               "true",
                               "4294967295",
                               "1000000000000",
                               "F32",
                               "BOOL",
                               "data_offsets",
                               "__metadata__",
                               "if(%0, %1) {} {",
                               "loop(%0, %1) {carried=1} {",
                               "graph(%0: bool[]) {",
                               "carried=1"};

/// Where a number stands, or any place.
size_t numberAt(const Bytes& b, Random& r) {
  const size_t start = below(r, b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    const size_t at = (start + i) % b.size();
    if (std::isdigit(static_cast<unsigned char>(b[at]))) return at;
  }
  return start;
}

void change(Bytes& b, Random& r) {
  const auto at = [&] { return static_cast<std::ptrdiff_t>(below(r, b.size())); };
  const auto insert = [&](std::ptrdiff_t where, const std::string& text) {
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    b.insert(b.begin() + where, bytes, bytes + text.size());
  };
  if (b.empty()) return;
  switch (below(r, 8)) {
    case 0:  // a bit
      b[static_cast<size_t>(at())] ^= std::byte(1u << below(r, 8));
      break;
    case 1:  // a byte
      b[static_cast<size_t>(at())] = std::byte(below(r, 256));
      break;
    case 2:  // the end
      b.resize(static_cast<size_t>(at()));
      break;
    case 3: {  // a stretch less
      const auto from = at(), n = std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(b.size()) - from,
                                                           1 + static_cast<std::ptrdiff_t>(below(r, 40)));
      b.erase(b.begin() + from, b.begin() + from + n);
      break;
    }
    case 4: {  // a stretch twice
      const auto from = at(), n = std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(b.size()) - from,
                                                           1 + static_cast<std::ptrdiff_t>(below(r, 60)));
      const Bytes part(b.begin() + from, b.begin() + from + n);
      b.insert(b.begin() + at(), part.begin(), part.end());
      break;
    }
    case 5:  // something that means something
      insert(at(), kPieces[below(r, std::size(kPieces))]);
      break;
    case 6: {  // another number
      size_t from = numberAt(b, r), to = from;
      while (to < b.size() && std::isdigit(static_cast<unsigned char>(b[to]))) ++to;
      b.erase(b.begin() + static_cast<std::ptrdiff_t>(from), b.begin() + static_cast<std::ptrdiff_t>(to));
      insert(static_cast<std::ptrdiff_t>(from), kPieces[below(r, 9)]);
      break;
    }
    default: {  // a length of the header
      const uint64_t v = below(r, 2) == 0 ? r() : below(r, 400);
      const size_t where = 8 * below(r, 2);
      for (size_t i = 0; i < 4 && where + i < b.size(); ++i) b[where + i] = std::byte(v >> (8 * i) & 255);
    }
  }
}

/// Where a file keeps the length of its description, and where that begins.
struct Layout {
  size_t length = 0, lengthBytes = 0, text = 0;
};
constexpr Layout kPlain, kSafetensors{0, 8, 8}, kGraph{12, 4, 16};

/// Changes anything, or, in most runs, the description only, whose length is put right: what is behind it stays whole.
void damage(Bytes& bytes, const Layout& layout, Random& r) {
  const size_t count = 1 + below(r, 3);
  uint64_t n = 0;
  if (layout.lengthBytes > 0) std::memcpy(&n, &bytes[layout.length], layout.lengthBytes);
  if (n == 0 || below(r, 4) == 0) {
    for (size_t i = 0; i < count; ++i) change(bytes, r);
    return;
  }
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(layout.text);
  Bytes text(begin, begin + static_cast<std::ptrdiff_t>(n));
  Bytes rest(begin + static_cast<std::ptrdiff_t>(n), bytes.end());
  for (size_t i = 0; i < count; ++i) change(text, r);
  n = text.size();
  bytes.resize(layout.text);
  std::memcpy(&bytes[layout.length], &n, layout.lengthBytes);
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.insert(bytes.end(), rest.begin(), rest.end());
}

// ---- readers ----

void touch(const Tensor& t) {
  if (t.defined() && t.numel() > 0) (void)t.to(DType::Float64).sum().item<double>();
}

struct Format {
  std::string name;
  Layout layout;
  Bytes good;
  std::function<void()> use;  // reads `file` and uses what it holds
};

std::map<std::string, Tensor> someTensors() {
  return {{"weight", randn({3, 4})},
          {"bias", arange(3)},
          {"flags", tensor({1, 0}).to(DType::Bool)},
          {"half", ones({2, 2}).to(DType::Float16)},
          {"none", zeros({0, 3})},
          {"scalar", tensor({2.5}).squeeze()}};
}

/// A program of a deployed model that does nothing: its weights come from the file.
int abiOf() { return FB_RUNTIME_ABI; }
int runNothing(const fb_run_args*) { return 0; }
const char* const kMeta = R"({"version":1,"symbols":[{"name":"n","input":0,"dim":0}],
  "inputs":[{"dtype":"float32","shape":["n",4]}],
  "captures":[{"dtype":"float32","shape":[3,4]},{"dtype":"int64","shape":[3]}],
  "outputs":[{"dtype":"float32","shape":["2*n+1",3]}],"arena":"64*n","errors":[],"labels":[],
  "steps":[{"op":"matmul","inputs":[{"dtype":"float32","shape":["n",4]},{"dtype":"float32","shape":[4,3]}],
  "attrs":{"alpha":1,"dims":[0,1]},"outputs":[{"dtype":"float32","shape":["n",3]}]}]})";

void useModel() {
  const char* const captures[] = {"weight", "bias"};
  const char* const meta = R"({"version":1,"inputs":[{"dtype":"float32","shape":[2,4]}],
    "captures":[{"dtype":"float32","shape":[3,4]},{"dtype":"int64","shape":[3]}],
    "outputs":[{"dtype":"float32","shape":[2,3]}]})";
  const fb_model_program program{abiOf, runNothing, meta};
  fb_model_source source{};
  source.name = "model";
  source.programs = &program;
  source.program_count = 1;
  source.captures = captures;
  source.capture_count = 2;
  source.weights_path = file.c_str();
  fb_model* model = nullptr;
  char message[200];
  if (fb_model_load(&source, &model, message, sizeof message) != FB_OK) throw Error(ErrorKind::File, message);
  fb_model_free(model);
}

std::vector<Format> formats() {
  std::vector<Format> out;
  const auto saved = [&](const auto&... what) {
    save(what..., file);
    return read(file);
  };
  out.push_back({"safetensors", kSafetensors, saved(someTensors()), [] {
                   for (const auto& entry : load(file)) touch(entry.second);
                 }});
  out.push_back({"module", kSafetensors, saved(nn::Linear(4, 3)), [] {
                   const nn::Linear net(4, 3);
                   load(net, file);
                 }});
  out.push_back({"model", kSafetensors, saved(someTensors()), useModel});
  const auto optimizer = [](auto make) {
    return [make] {
      const nn::Linear net(4, 3);
      auto o = make(net);
      load(*o, file);
      net(ones({2, 4})).sum().backward();
      o->step([&] { return net(ones({2, 4})).sum(); });
    };
  };
  const auto adam = [](const nn::Linear& net) {
    return std::make_unique<optim::Adam>(net->parameters(), optim::AdamOptions(0.1).amsgrad(true));
  };
  const auto lbfgs = [](const nn::Linear& net) { return std::make_unique<optim::LBFGS>(net->parameters()); };
  const auto trained = [&](auto make) {
    const nn::Linear net(4, 3);
    auto o = make(net);
    for (int i = 0; i < 3; ++i)
      o->step([&] {
        o->zero_grad();
        const Tensor loss = net(ones({2, 4})).square().sum();
        loss.backward();
        return loss;
      });
    return saved(*o);
  };
  out.push_back({"adam", kSafetensors, trained(adam), optimizer(adam)});
  out.push_back({"lbfgs", kSafetensors, trained(lbfgs), optimizer(lbfgs)});
  // The graphs run with the inputs that they were traced with.
  const std::pair<const char*, TensorList> graphs[] = {{"mlp", {ones({2, 3})}},
                                                       {"conv", {ones({2, 2, 6, 6})}},
                                                       {"encoder", {randn({2, 3, 4})}},
                                                       {"views", {randn({4, 3}), randn({3})}},
                                                       {"ways", {ones({2, 3})}}};
  for (const auto& [name, inputs] : graphs)
    out.push_back({name, kGraph,
                   read(fs::path(FLAMBEAU_TEST_ROOT) / "test/native/fixtures" / (std::string(name) + ".fbg")),
                   [inputs = inputs] {
                     for (const Tensor& t : jit::load(file).forward(inputs)) touch(t);
                   }});
  // A damaged loop may never end: it is read only.
  out.push_back({"rounds", kGraph, read(fs::path(FLAMBEAU_TEST_ROOT) / "test/native/fixtures/rounds.fbg"),
                 [] { (void)jit::load(file); }});
  const std::string_view meta = kMeta;
  const auto* bytes = reinterpret_cast<const std::byte*>(meta.data());
  out.push_back(
      {"metadata", kPlain, Bytes(bytes, bytes + meta.size()), [] {
         const Bytes text = read(file);
         const auto m = runtime::ProgramMeta::parse({reinterpret_cast<const char*>(text.data()), text.size()});
         const std::vector<long long> sizes(m.symbols.size(), 3);
         for (const auto& t : m.inputs) (void)t.sizes(sizes.data());
         for (const auto& o : m.outputs) (void)o.tensor.sizes(sizes.data());
       }});
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const long runs = argc > 1 ? std::atol(argv[1]) : 300;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  fs::create_directories(folder);
  manual_seed(1);
  setMemoryHook(countMemory);
  int failed = 0;
  for (const Format& format : formats()) {
    write(format.good);
    format.use();  // what is not damaged is taken
    long accepted = 0, refused = 0;
    for (long i = 0; i < runs; ++i) {
      Random r(seed * 1'000'003 + static_cast<uint64_t>(i));
      Bytes bytes = format.good;
      damage(bytes, format.layout, r);
      write(bytes);
      const auto began = std::chrono::steady_clock::now();
      peak = taken;
      const int64_t before = taken;
      std::string problem;
      try {
        format.use();
        ++accepted;
      } catch (const Error&) {
        ++refused;
      } catch (const std::exception& e) {
        problem = std::string("an exception of another kind: ") + e.what();
      }
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      const int64_t most = kMostMemory + 4 * static_cast<int64_t>(bytes.size());
      if (seconds > kMostTime) problem = "took " + std::to_string(seconds) + " s";
      if (peak - before > most) problem = "took " + std::to_string(peak - before) + " bytes of tensors";
      if (problem.empty()) continue;
      const auto kept =
          fs::temp_directory_path() / ("fuzz-" + format.name + "-" + std::to_string(seed) + "-" + std::to_string(i));
      fs::copy_file(file, kept, fs::copy_options::overwrite_existing);
      std::fprintf(stderr, "%s, seed %llu, run %ld: %s (%s)\n", format.name.c_str(),
                   static_cast<unsigned long long>(seed), i, problem.c_str(), kept.string().c_str());
      ++failed;
    }
    std::printf("%-12s %ld taken, %ld refused\n", format.name.c_str(), accepted, refused);
  }
  fs::remove_all(folder);
  return failed == 0 ? 0 : 1;
}
