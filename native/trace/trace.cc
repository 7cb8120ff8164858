// The public face of the recorder: begin, end, calls, regions, scopes.
#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "flambeau/autograd.h"
#include "trace/recorder.h"
#include "trace/tolerant.h"

namespace flambeau::trace {

namespace detail {
constinit thread_local bool active = false;
}

namespace {
thread_local std::unique_ptr<Recorder> tlsRecorder;
// Serials are never reused while a tensor tagged with one may live; 32 bits of recordings are enough for any process.
std::atomic<uint32_t> nextSerial{1};

thread_local bool tlsTolerant = false;
thread_local std::optional<std::string> tlsGaveUp;

/// Recordings that wait for one that began while they ran.
struct Waiting {
  std::unique_ptr<Recorder> recorder;
  bool active, tolerant;
  std::optional<std::string> gaveUp;
};
thread_local std::vector<Waiting> tlsWaiting;

Recorder* live() { return detail::active ? tlsRecorder.get() : nullptr; }

/// Lets the recorder note something, if one runs. What it cannot express is an error, or the end of a tolerant
/// recording: the op itself has been or will be done all the same.
template <class Note>
void tell(Note note) {
  Recorder* r = live();
  if (!r) return;
  try {
    note(*r);
  } catch (const Error& e) {
    if (!tlsTolerant || e.kind() != ErrorKind::Trace) throw;
    abort();
    tlsGaveUp = e.what();
  }
}

std::string joined(const std::vector<std::string>& parts) {
  std::string s;
  for (const std::string& p : parts) {
    if (!s.empty() && !p.empty()) s += '.';
    s += p;
  }
  return s;
}
}  // namespace

Recorder* recorder() { return live(); }

struct Call::Impl {
  struct Out {
    enum class Kind { Fresh, Mutated, View } kind;
    Tensor tensor;
    int32_t of;  // View: alias of the viewed tensor
  };
  void commit(Recorder& recorder);
  NodeRecord node;
  std::vector<Tensor> tensors;  // tensor operands, to find what an output shares memory with
  std::vector<Out> outs;
};

Call::Call(const char* op) : impl_(live() ? new Impl() : nullptr) {
  if (impl_) impl_->node.op = op;
}
Call::~Call() { delete impl_; }

void Call::input(const Tensor& t) {
  if (!impl_) return;
  tell([&](Recorder& r) { impl_->node.in.push_back(r.operandOf(t)); });
  if (t.defined()) impl_->tensors.push_back(t);
}
void Call::input(const Operand& o) {
  if (!impl_) return;
  tell([&](Recorder& r) { impl_->node.in.push_back(r.operandOf(o)); });
  if (o.isTensor()) impl_->tensors.push_back(o.tensor);
}
void Call::inputs(TensorSpan list) {
  if (!impl_) return;
  tell([&](Recorder& r) { impl_->node.in.push_back(r.operandOf(list)); });
  for (const Tensor& t : list)
    if (t.defined()) impl_->tensors.push_back(t);
}
void Call::attr(Attr a) {
  if (impl_) impl_->node.attrs.push_back(std::move(a));
}
void Call::mutated(const Tensor& t) {
  if (impl_ && t.defined()) impl_->outs.push_back({Impl::Out::Kind::Mutated, t, -1});
}
void Call::view(const Tensor& out, const Tensor& of) {
  if (impl_) tell([&](Recorder& r) { impl_->outs.push_back({Impl::Out::Kind::View, out, r.meet(of)}); });
}
void Call::output(const Tensor& t) {
  if (!impl_) return;
  tell([&](Recorder& r) {
    if (!r.knows(t.impl()->storage.get())) {
      impl_->outs.push_back({Impl::Out::Kind::Fresh, t, -1});
      return;
    }
    // The op gave back memory it was given: contiguous() of a contiguous tensor, reshape() that could be a view.
    for (const Tensor& in : impl_->tensors) {
      if (in.impl()->storage != t.impl()->storage) continue;
      impl_->outs.push_back({Impl::Out::Kind::View, t, r.meet(in)});
      return;
    }
    r.fail("the result of " + impl_->node.op + "() shares memory with a tensor that is not among its inputs");
  });
}
void Call::outputs(TensorSpan list) {
  for (const Tensor& t : list) output(t);
}

void Call::finish() {
  if (impl_) tell([&](Recorder& r) { impl_->commit(r); });
}

void Call::Impl::commit(Recorder& recorder) {
  Recorder* const r = &recorder;
  NodeRecord& n = node;
  bool anyNew = outs.empty();
  for (const Out& o : outs)
    // A view that is no new view of anything (alias, a view to the same shape) needs no node.
    if (o.kind != Out::Kind::View || r->findAlias(o.tensor) < 0) anyNew = true;
  if (!anyNew) {
    for (const Out& o : outs) r->tag(o.tensor, r->findAlias(o.tensor));
    return;
  }
  std::optional<Recipe> recipe;
  for (const Out& o : outs) {
    switch (o.kind) {
      case Out::Kind::Fresh: {
        const ValueId v = r->newValue(o.tensor);
        n.out.push_back(v);
        r->addFresh(o.tensor, v);
        break;
      }
      case Out::Kind::Mutated: {
        const ValueId v = r->newValue(o.tensor);
        n.out.push_back(v);
        const int32_t a = r->findAlias(o.tensor);
        if (a < 0) r->fail("internal: " + n.op + "() wrote a tensor that is not among its inputs");
        r->write(a, v, o.tensor);
        break;
      }
      case Out::Kind::View: {
        if (!recipe) {
          recipe.emplace(Recipe{n.op, n.attrs, o.of, {}});
          if (n.op == "asStrided") {
            // Its arguments speak of memory; in the graph they speak of the root's row-major value.
            const Alias& of = r->aliases[static_cast<size_t>(o.of)];
            Alias out = of;
            out.sizes = o.tensor.impl()->sizes;
            out.strides = o.tensor.impl()->strides;
            out.offset = o.tensor.impl()->offset;
            const Place at = r->place(out);
            recipe->parent = r->rootAliasOf(o.of);
            recipe->attrs = n.attrs = {Attr("size", out.sizes.span()), Attr("stride", at.strides.span()),
                                       Attr("storageOffset", at.offset)};
            n.in.resize(1);
            n.in[0].kind = In::Kind::Value;
            n.in[0].value = r->current(recipe->parent);
          }
        }
        int32_t a = r->findAlias(o.tensor);
        const bool known = a >= 0;
        if (!known)
          a = r->addAlias(o.tensor, o.of);
        else
          r->tag(o.tensor, a);
        const ValueId v = r->newValue(o.tensor);
        n.out.push_back(v);
        r->bind(a, v);
        if (!known) r->aliases[static_cast<size_t>(a)].recipe = static_cast<int32_t>(r->recipes.size());
        recipe->aliases.push_back(a);
        break;
      }
    }
  }
  if (recipe) r->recipes.push_back(std::move(*recipe));
  r->emit(std::move(n));
}

struct Region::Impl {
  RegionRecord record;
  int32_t index = -1;
};

void Region::start(const char* op) {
  impl_ = new Impl();
  impl_->record.op = op;
}
void Region::stop() {
  if (Recorder* r = live(); r && impl_->index >= 0) {
    while (!r->regionStack.empty() && r->regionStack.back() >= impl_->index) r->regionStack.pop_back();
  }
  delete impl_;
}
void Region::input(const Tensor& t) {
  if (impl_) tell([&](Recorder& r) { impl_->record.in.push_back(r.operandOf(t)); });
}
void Region::input(const Operand& o) {
  if (impl_) tell([&](Recorder& r) { impl_->record.in.push_back(r.operandOf(o)); });
}
void Region::attr(Attr a) {
  if (impl_) impl_->record.attrs.push_back(std::move(a));
}
void Region::begin() {
  if (!impl_ || !live()) return;
  Recorder& r = *live();
  impl_->record.parent = r.regionStack.empty() ? -1 : r.regionStack.back();
  impl_->record.scope = r.scope;
  impl_->index = static_cast<int32_t>(r.regions.size());
  r.regions.push_back(impl_->record);
  r.regionStack.push_back(impl_->index);
}
void Region::output(const Tensor& t) {
  if (!impl_ || impl_->index < 0) return;
  tell([&](Recorder& r) { r.regions[static_cast<size_t>(impl_->index)].out.push_back(r.current(r.meet(t))); });
}

void begin(TensorSpan inputs) {
  FB_CHECK(!tlsRecorder, Trace, "a trace is already being recorded on this thread");
  for (const Tensor& t : inputs)
    FB_CHECK(t.defined(), Trace, "the arguments of a traced function must be tensors, not null");
  tlsRecorder = std::make_unique<Recorder>(nextSerial.fetch_add(1));
  detail::active = true;
  tlsTolerant = false;
  tlsGaveUp.reset();
  for (const Tensor& t : inputs) tlsRecorder->addInput(t);
}

int32_t liveScalar(double value) {
  Recorder* r = live();
  FB_CHECK(r, Trace, "liveScalar: no trace is being recorded");
  r->live.push_back(value);
  return static_cast<int32_t>(r->live.size() - 1);
}

void setSite(const char* site) {
  if (Recorder* r = live()) r->site = site && *site ? r->intern(site) : -1;
}

void pushScope(const char* name) {
  Recorder* r = live();
  if (!r) return;
  r->scopes.emplace_back(name);
  const std::string path = joined(r->scopes);
  r->scope = path.empty() ? -1 : r->intern(path);
}
void popScope() {
  Recorder* r = live();
  if (!r || r->scopes.empty()) return;
  r->scopes.pop_back();
  const std::string path = joined(r->scopes);
  r->scope = path.empty() ? -1 : r->intern(path);
}

namespace {
void touch(const Tensor& leaf, bool read) {
  tell([&](Recorder& r) {
    const int32_t a = r.meet(leaf);
    if (r.leaves.contains(a)) return;
    const Tensor grad = leaf.impl()->meta ? leaf.impl()->meta->grad : Tensor();
    r.leaves.emplace(a, LeafGrad{leaf, grad, read});
  });
}
}  // namespace

void gradRead(const Tensor& leaf) { touch(leaf, true); }
void gradWrite(const Tensor& leaf) { touch(leaf, false); }
uint32_t storageHolds(const Storage* storage) {
  Recorder* r = live();
  return r ? r->holds(storage) : 0;
}

Result end(TensorSpan outputs) {
  FB_CHECK(tlsRecorder, Trace, "no trace is being recorded");
  // Whatever happens, the recording is over.
  struct Over {
    ~Over() {
      detail::active = false;
      tlsRecorder.reset();
    }
  } over;
  return tlsRecorder->finish(outputs);
}

void setAside() {
  tlsWaiting.push_back({std::move(tlsRecorder), std::exchange(detail::active, false), tlsTolerant, tlsGaveUp});
}
void bringBack() {
  FB_CHECK(!tlsWaiting.empty(), Trace, "no recording waits");
  Waiting w = std::move(tlsWaiting.back());
  tlsWaiting.pop_back();
  tlsRecorder = std::move(w.recorder);
  detail::active = w.active;
  tlsTolerant = w.tolerant;
  tlsGaveUp = std::move(w.gaveUp);
}

void setTolerant(bool on) { tlsTolerant = on; }
bool ofACall() { return detail::active && tlsTolerant; }
std::optional<std::string> gaveUp() { return tlsGaveUp; }

void abort() {
  detail::active = false;
  tlsRecorder.reset();
}

void forbidHostRead(const char* op) {
  tell([op](Recorder& r) {
    r.fail(std::string(op) +
           "() needs a value on the host, which does not exist while a function is traced: the number would be baked "
           "into the graph. Keep it a tensor, or read it outside the traced function");
  });
}

}  // namespace flambeau::trace
