// Loading and running of graph programs; see graph.h and docs/program-format.md.
#include "runtime/graph.h"

#include <dlfcn.h>

#include <cstdlib>
#include <exception>

#include "core/profile.h"
#include "flambeau/autograd.h"
#include "flambeau/generator.h"
#include "flambeau/parallel.h"

namespace flambeau {

/// The opaque `graph` of a run: what runtime->call needs. Exceptions cannot pass through the program's C code: they
/// wait here.
struct GraphCall {
  GraphProgram* program;
  std::span<const long long> dims;
  std::span<const double> scalars;
  std::exception_ptr error;

  static int step(void* graph, int k, void* const* buffers, const fb_int*) {
    auto* self = static_cast<GraphCall*>(graph);
    try {
      auto& steps = self->program->steps_;
      FB_CHECK(k >= 0 && static_cast<size_t>(k) < steps.size(), Compile,
               "graph program: call of step %d, but there are %zu", k, steps.size());
      const auto& captures = self->program->captures_;
      steps[static_cast<size_t>(k)]->run(buffers, self->dims, self->scalars,
                                         self->program->writes() ? TensorSpan() : TensorSpan(captures));
      return 0;
    } catch (...) {
      self->error = std::current_exception();
      return 1;
    }
  }
  static void mark(void* graph, int k) {
    auto* self = static_cast<GraphCall*>(graph);
    self->endKernel();
    self->event = k;
    self->began = profile::now();
  }
  /// Keeps the kernel or step that has been running.
  void endKernel() {
    if (event < 0) return;
    const auto& labels = program->meta_.labels;
    const size_t k = static_cast<size_t>(event);
    const std::string name = k < labels.size() ? labels[k].name : "kernel" + std::to_string(event);
    profile::record(name, k < labels.size() && labels[k].step ? profile::Kind::Library : profile::Kind::Kernel, began);
    event = -1;
  }
  int event = -1;
  int64_t began = 0;

  static void parallel(fb_int n, fb_int grain, fb_range_fn fn, void* ctx) {
    parallelFor(n, grain, [&](int64_t begin, int64_t end) { fn(ctx, begin, end); });
  }
};

namespace {

/// A tensor's memory; some bytes to read for one without elements: kernels load what does not vary before they know
/// that their loop is empty.
void* readable(const Tensor& t) {
  alignas(64) static char nothing[64] = {};
  return t.numel() > 0 ? t.data() : nothing;
}

constexpr fb_runtime kRuntime = {FB_RUNTIME_ABI, GraphCall::parallel, GraphCall::step, nullptr};
constexpr fb_runtime kProfiled = {FB_RUNTIME_ABI, GraphCall::parallel, GraphCall::step, GraphCall::mark};

std::string describe(const char* what, size_t i, const std::string& expected, const std::string& got) {
  return std::string(what) + " " + std::to_string(i) + ": expected " + expected + ", got " + got;
}

}  // namespace

GraphProgram::RunState::~RunState() { std::free(arena); }

GraphProgram::~GraphProgram() {
  idle_.clear();
  steps_.clear();
  if (library_) dlclose(library_);
}

Ref<GraphProgram> GraphProgram::prepare(const std::string& metaJson, TensorList captures) {
  Ref<GraphProgram> g(new GraphProgram());
  g->meta_ = runtime::ProgramMeta::parse(metaJson);
  const auto& meta = g->meta_;
  FB_CHECK(captures.size() == meta.captures.size(), Value,
           "graph program: %zu captured tensors given, but it was compiled with %zu", captures.size(),
           meta.captures.size());
  g->captures_ = std::move(captures);
  const auto expect = [&](const runtime::TensorMeta& t) {
    Guarded e;
    e.dtype = t.dtype;
    e.symbolic = t.symbolic();
    e.anyStrides = false;
    if (!e.symbolic) {
      e.sizes = t.sizes(nullptr);
      e.strides = t.stepsOf(nullptr, e.sizes);
    }
    g->expected_.push_back(std::move(e));
  };
  for (const auto& t : meta.inputs) expect(t);
  for (const auto& t : meta.captures) {
    FB_CHECK(!t.symbolic(), File, "graph metadata: a captured tensor has a symbolic shape");
    expect(t);
  }
  return g;
}

void GraphProgram::finish(const std::string& name, int (*abi)()) {
  FB_CHECK(abi && entry_, Compile, "graph program: '%s' is no graph program", name.c_str());
  FB_CHECK(abi() == FB_RUNTIME_ABI, Compile, "graph program: '%s' was built for ABI %d, this runtime speaks %d",
           name.c_str(), abi(), FB_RUNTIME_ABI);
  for (const auto& s : meta_.steps) steps_.push_back(std::make_unique<runtime::LibraryStep>(s));
}

Ref<GraphProgram> GraphProgram::link(int (*abi)(), int (*run)(const fb_run_args*), const std::string& metaJson,
                                     TensorList captures) {
  Ref<GraphProgram> g = prepare(metaJson, std::move(captures));
  g->entry_ = run;
  g->finish("linked program", abi);
  return g;
}

Ref<GraphProgram> GraphProgram::load(const std::string& soPath, const std::string& metaJson, TensorList captures) {
  Ref<GraphProgram> g = prepare(metaJson, std::move(captures));
  FB_CHECK(!soPath.empty(), Compile, "graph program: no shared object was given");
  g->library_ = dlopen(soPath.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!g->library_) {
    const char* why = dlerror();
    throw Error(ErrorKind::Compile, std::string("graph program: ") + (why ? why : "the shared object does not load"));
  }
  const auto abi = reinterpret_cast<int (*)()>(dlsym(g->library_, "fb_graph_abi"));
  g->entry_ = reinterpret_cast<int (*)(const fb_run_args*)>(dlsym(g->library_, "fb_graph_run"));
  g->finish(soPath, abi);
  return g;
}

const Tensor& GraphProgram::slot(TensorSpan inputs, runtime::Slot s) const {
  const size_t i = static_cast<size_t>(s.index);
  return i < meta_.inputs.size() ? inputs[i] : captures_[i - meta_.inputs.size()];
}

bool GraphProgram::geometryHolds(const Tensor& t, size_t slot, const long long* dims, std::string& failure) const {
  const size_t ni = meta_.inputs.size();
  const bool input = slot < ni;
  const char* what = input ? "input" : "capture";
  const size_t at = input ? slot : slot - ni;
  const auto fail = [&](const std::string& expected, const std::string& got) {
    failure = describe(what, at, expected, got);
    return false;
  };
  const Guarded& e = expected_[slot];
  if (!t.defined()) return fail("a tensor", "none");
  if (t.dtype() != e.dtype) return fail("dtype " + std::string(dtypeName(e.dtype)), std::string(dtypeName(t.dtype())));
  if (t.device().type != DeviceType::CPU) return fail("device cpu", t.device().str());
  const TensorImpl* impl = t.impl();
  // A dimension of extent one has no stride that matters.
  const auto stepsDiffer = [&](const Dims& sizes, const Dims& steps) {
    for (size_t d = 0; d < sizes.size(); ++d)
      if (sizes[d] > 1 && impl->strides[d] != steps[d]) return true;
    return false;
  };
  if (e.symbolic) {
    const auto& m = meta_.inputs[at];
    const Dims sizes = m.sizes(dims);
    if (!(impl->sizes == sizes)) return fail("shape " + shapeString(sizes), shapeString(impl->sizes));
    const Dims steps = m.stepsOf(dims, sizes);
    if (stepsDiffer(sizes, steps)) return fail("strides " + shapeString(steps), shapeString(impl->strides));
    return true;
  }
  if (!(impl->sizes == e.sizes)) return fail("shape " + shapeString(e.sizes), shapeString(impl->sizes));
  if (!(impl->strides == e.strides) && stepsDiffer(e.sizes, e.strides))
    return fail("strides " + shapeString(e.strides), shapeString(impl->strides));
  return true;
}

bool GraphProgram::capturesFit(std::string& why) const {
  for (size_t i = 0; i < captures_.size(); ++i)
    if (!geometryHolds(captures_[i], meta_.inputs.size() + i, nullptr, why)) return false;
  return true;
}

bool GraphProgram::accepts(TensorSpan inputs, std::string& why) const {
  std::vector<long long> dims;
  return guard(inputs, dims, why);
}

std::vector<std::pair<DType, Dims>> GraphProgram::resultTypes(TensorSpan inputs) const {
  std::vector<long long> dims;
  for (const auto& s : meta_.symbols)
    dims.push_back(inputs[static_cast<size_t>(s.input)].sizes()[static_cast<size_t>(s.dim)]);
  std::vector<std::pair<DType, Dims>> out;
  for (size_t i = 0; i < meta_.results; ++i) {
    const auto& o = meta_.outputs[i];
    if (o.alias) {
      const Tensor& t = slot(inputs, *o.alias);
      out.emplace_back(t.dtype(), t.impl()->sizes);
    } else
      out.emplace_back(o.tensor.dtype, o.tensor.sizes(dims.data()));
  }
  return out;
}

void GraphProgram::followGradients(TensorSpan inputs) {
  const size_t ni = meta_.inputs.size();
  if (inputs.size() != ni) return;
  for (const auto& r : meta_.gradReads) {
    if (!r.is || static_cast<size_t>(r.is->index) < ni) continue;
    const Tensor grad = slot(inputs, r.leaf).grad();
    if (grad.defined()) captures_[static_cast<size_t>(r.is->index) - ni] = grad;
  }
}

bool GraphProgram::guard(TensorSpan inputs, std::vector<long long>& dims, std::string& failure) const {
  const auto& meta = meta_;
  const auto fail = [&](std::string why) {
    failure = std::move(why);
    return false;
  };
  const size_t ni = meta.inputs.size();
  if (inputs.size() != ni)
    return fail("expected " + std::to_string(ni) + " tensors, got " + std::to_string(inputs.size()));
  if (meta.gradEnabled && *meta.gradEnabled != autograd::gradEnabled())
    return fail(std::string("grad mode: expected ") + (*meta.gradEnabled ? "enabled" : "disabled"));
  dims.clear();
  for (const auto& s : meta.symbols) {
    const Tensor& t = inputs[static_cast<size_t>(s.input)];
    if (!t.defined() || s.dim >= t.dim())
      return fail("input " + std::to_string(s.input) + ": expected at least " + std::to_string(s.dim + 1) +
                  " dimensions");
    const int64_t n = t.sizes()[static_cast<size_t>(s.dim)];
    // The recordings behind a symbol had neither: sizes 0 and 1 broadcast.
    if (n < 2) return fail("input " + std::to_string(s.input) + ": a size that varies is " + std::to_string(n));
    dims.push_back(n);
  }
  for (size_t i = 0; i < expected_.size(); ++i) {
    const bool input = i < ni;
    const size_t at = input ? i : i - ni;
    const Tensor& t = input ? inputs[i] : captures_[at];
    if (!geometryHolds(t, i, dims.data(), failure)) return false;
    const auto& wanted = input ? meta.inputs[at].requiresGrad : meta.captures[at].requiresGrad;
    if (wanted && *wanted != t.requiresGrad())
      return fail(describe(input ? "input" : "capture", at, *wanted ? "requiresGrad" : "no requiresGrad",
                           *wanted ? "none" : "one"));
  }
  for (const auto& r : meta.gradReads) {
    const Tensor grad = slot(inputs, r.leaf).grad();
    const std::string where =
        "grad of " + std::string(r.leaf.index < static_cast<int>(ni) ? "input " : "capture ") +
        std::to_string(r.leaf.index < static_cast<int>(ni) ? r.leaf.index : r.leaf.index - static_cast<int>(ni));
    if (!r.is) {
      if (grad.defined()) return fail(where + ": expected undefined, got a tensor");
    } else if (!grad.defined() || !grad.is(slot(inputs, *r.is))) {
      return fail(where + ": not the tensor it was");
    }
  }
  // A written tensor that an input shares memory with (and did not when the graph was recorded) would be read half
  // written.
  for (const auto& w : meta.writes) {
    const Storage* written = slot(inputs, w).impl()->storage.get();
    for (size_t i = 0; i < ni; ++i)
      if (static_cast<int>(i) != w.index && inputs[i].impl()->storage.get() == written)
        return fail("input " + std::to_string(i) + ": shares memory with a tensor that is written");
  }
  return true;
}

std::unique_ptr<GraphProgram::RunState> GraphProgram::takeState() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (idle_.empty()) return std::make_unique<RunState>();
  auto state = std::move(idle_.back());
  idle_.pop_back();
  return state;
}

bool GraphProgram::run(TensorSpan inputs, std::span<const double> scalars, TensorList& results,
                       std::string& guardFailure) {
  FB_CHECK(scalars.size() == meta_.live, Value, "graph program: %zu live scalars given, but it takes %zu",
           scalars.size(), meta_.live);
  std::unique_ptr<RunState> state = takeState();
  RunState& s = *state;
  struct GiveBack {
    GraphProgram* program;
    std::unique_ptr<RunState>& state;
    ~GiveBack() {
      state->fresh.clear();
      std::lock_guard<std::mutex> lock(program->mutex_);
      program->idle_.push_back(std::move(state));
    }
  } giveBack{this, state};
  // Programs that write run one at a time; the others may run on several threads, which share the captures.
  if (!meta_.gradWrites.empty() || !meta_.writes.empty()) followGradients(inputs);
  if (!guard(inputs, s.dims, guardFailure)) return false;

  s.inputs.clear();
  s.outputs.clear();
  for (const Tensor& t : inputs) s.inputs.push_back(readable(t));
  for (const Tensor& t : captures_) s.inputs.push_back(readable(t));
  for (const auto& o : meta_.outputs) {
    if (o.alias) continue;
    s.fresh.push_back(emptyTensor(o.tensor.sizes(s.dims.data()), o.tensor.dtype));
    s.outputs.push_back(s.fresh.back().data());
  }
  for (const auto& w : meta_.writes) s.outputs.push_back(slot(inputs, w).data());

  const size_t arena = static_cast<size_t>(meta_.arena.value(s.dims.data()));
  if (arena > s.arenaBytes) {
    std::free(s.arena);
    s.arenaBytes = (arena + 4095) & ~size_t{4095};
    s.arena = static_cast<char*>(std::aligned_alloc(64, s.arenaBytes));
    if (!s.arena) {
      s.arenaBytes = 0;
      throw Error(ErrorKind::Memory,
                  detail::formatMessage("graph program: could not allocate %zu bytes of work memory", arena));
    }
  }
  fb_run_args args{};
  const int64_t random = meta_.random.value(s.dims.data());
  if (random > 0) {
    Generator& g = defaultGenerator();
    std::lock_guard<std::mutex> lock(g.mutex);
    args.seed = g.philoxSeed();
    args.offset = g.nextPhiloxOffset(static_cast<uint64_t>(random));
  }
  GraphCall call{this, s.dims, scalars, {}};
  const bool profiled = profile::on();
  const profile::Span span(profile::Kind::Program, [&] { return meta_.name; });
  args.runtime = profiled ? &kProfiled : &kRuntime;
  args.graph = &call;
  args.inputs = s.inputs.data();
  args.outputs = s.outputs.data();
  args.arena = s.arena;
  args.scalars = scalars.data();
  args.dims = s.dims.data();
  const int code = entry_(&args);
  if (profiled) call.endKernel();
  for (const auto& w : meta_.writes) slot(inputs, w).bumpVersion();
  if (call.error) {
    try {
      std::rethrow_exception(call.error);
    } catch (const runtime::ShapeVaries& e) {
      // Nothing outside was written: the call can be made again another way.
      if (!meta_.writes.empty()) throw;
      guardFailure = e.what();
      return false;
    }
  }
  if (code >= 1000 && static_cast<size_t>(code - 1000) < meta_.errors.size())
    throw Error(ErrorKind::Index, meta_.errors[static_cast<size_t>(code - 1000)]);
  FB_CHECK(code == 0, Internal, "graph program: failed with code %d", code);

  // A leaf's gradient is set after the run: the program may still have read the old one.
  for (const auto& w : meta_.gradWrites)
    slot(inputs, w.leaf).setGrad(w.output < 0 ? Tensor() : s.fresh[static_cast<size_t>(w.output)]);
  results.clear();
  size_t fresh = 0;
  for (size_t i = 0; i < meta_.results; ++i) {
    const auto& o = meta_.outputs[i];
    results.push_back(o.alias ? slot(inputs, *o.alias) : s.fresh[fresh++]);
  }
  return true;
}

}  // namespace flambeau
