// Values, roots and aliases: the functionalisation of in-place writes.
#include "trace/recorder.h"

#include <algorithm>

#include "flambeau/autograd.h"

namespace flambeau::trace {

namespace {

size_t geometryHash(DType dtype, IntSpan sizes, IntSpan strides, int64_t offset) {
  size_t h = static_cast<size_t>(dtype) * 31 + static_cast<size_t>(offset);
  for (int64_t v : sizes) h = h * 1000003 + static_cast<size_t>(v);
  for (int64_t v : strides) h = h * 1000003 + static_cast<size_t>(v);
  return h;
}

bool sameGeometry(const Alias& a, const TensorImpl& t) {
  return a.dtype == t.dtype && a.offset == t.offset && a.sizes == t.sizes && a.strides == t.strides;
}

/// First and one past the last byte that a geometry covers.
std::pair<int64_t, int64_t> byteRange(const Alias& a) {
  if (product(a.sizes) == 0) return {0, 0};
  int64_t last = a.offset;
  for (size_t i = 0; i < a.sizes.size(); ++i) last += (a.sizes[i] - 1) * a.strides[i];
  const auto item = static_cast<int64_t>(itemSize(a.dtype));
  return {a.offset * item, (last + 1) * item};
}

bool overlap(const Alias& a, const Alias& b) {
  const auto x = byteRange(a), y = byteRange(b);
  return x.first < y.second && y.first < x.second;
}

Alias aliasOf(const Tensor& t) {
  Alias a;
  a.dtype = t.dtype();
  a.sizes = t.impl()->sizes;
  a.strides = t.impl()->strides;
  a.offset = t.impl()->offset;
  return a;
}

}  // namespace

void Recorder::fail(const std::string& message) const {
  throw Error(ErrorKind::Trace, site >= 0 ? message + " (at " + strings_[static_cast<size_t>(site)] + ")" : message);
}

int32_t Recorder::intern(const std::string& s) {
  auto [it, fresh] = stringIndex_.try_emplace(s, static_cast<int32_t>(strings_.size()));
  if (fresh) strings_.push_back(s);
  return it->second;
}

ValueId Recorder::newValue(const Tensor& t) {
  values_.push_back({t.dtype(), t.impl()->sizes, t.impl()->strides});
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Recorder::newValue(const Alias& a) {
  values_.push_back({a.dtype, a.sizes, a.strides});
  return static_cast<ValueId>(values_.size() - 1);
}

void Recorder::emit(NodeRecord node) {
  node.site = site;
  node.scope = scope;
  node.region = regionStack.empty() ? -1 : regionStack.back();
  nodes_.push_back(std::move(node));
}

uint32_t Recorder::holds(const Storage* s) const {
  auto it = storages_.find(s);
  return it == storages_.end() ? 0 : static_cast<uint32_t>(it->second.roots.size());
}

int32_t Recorder::newRoot(const Tensor& t, ValueId value, bool outside, bool isCapture) {
  const auto rootAt = static_cast<int32_t>(roots_.size()), aliasAt = static_cast<int32_t>(aliases.size());
  Root r;
  r.storage = t.impl()->storage;
  r.alias = aliasAt;
  r.base = value;
  r.original = outside ? value : -1;
  r.capture = isCapture;
  Alias a = aliasOf(t);
  a.root = rootAt;
  a.value = value;
  StorageEntry& entry = storages_[r.storage.get()];
  if (entry.roots.empty()) entry.version = t.version();
  entry.roots.push_back(rootAt);
  entry.aliases.emplace(geometryHash(a.dtype, a.sizes, a.strides, a.offset), aliasAt);
  roots_.push_back(std::move(r));
  aliases.push_back(std::move(a));
  tag(t, aliasAt);
  return aliasAt;
}

int32_t Recorder::capture(const Tensor& t) {
  const ValueId v = newValue(t);
  captureIds_.push_back(v);
  captures_.push_back(t);
  return newRoot(t, v, true, true);
}

int32_t Recorder::addInput(const Tensor& t) {
  int32_t a = knows(t.impl()->storage.get()) ? findAlias(t) : -1;
  // An input always is a value of its own: two inputs that overlap are two arguments (writing one is then refused).
  if (a < 0 || roots_[static_cast<size_t>(aliases[static_cast<size_t>(a)].root)].alias != a)
    a = newRoot(t, newValue(t), true, false);
  tag(t, a);
  inputs_.push_back(aliases[static_cast<size_t>(a)].value);
  return a;
}

void Recorder::addFresh(const Tensor& t, ValueId value) { newRoot(t, value, false, false); }

void Recorder::checkVersion(const Storage* s) const {
  if (storages_.at(s).version == s->version()) return;
  fail(
      "a tensor was written behind the recorder's back while tracing (through shared memory, or by an op that is not "
      "recorded)");
}

int32_t Recorder::findAlias(const Tensor& t) const {
  const TensorImpl& impl = *t.impl();
  if (impl.traceId >> 32 == serial_) {
    const auto a = static_cast<int32_t>(impl.traceId & 0xffffffffu);
    const Alias& alias = aliases[static_cast<size_t>(a)];
    if (sameGeometry(alias, impl) && roots_[static_cast<size_t>(alias.root)].storage == impl.storage) return a;
  }
  auto it = storages_.find(impl.storage.get());
  if (it == storages_.end()) return -1;
  auto [from, to] = it->second.aliases.equal_range(geometryHash(impl.dtype, impl.sizes, impl.strides, impl.offset));
  int32_t found = -1;
  for (; from != to; ++from)
    if (sameGeometry(aliases[static_cast<size_t>(from->second)], impl) && (found < 0 || from->second < found))
      found = from->second;
  return found;
}

int32_t Recorder::meet(const Tensor& t) {
  const Storage* s = t.impl()->storage.get();
  auto it = storages_.find(s);
  if (it == storages_.end()) return capture(t);
  checkVersion(s);
  if (int32_t a = findAlias(t); a >= 0) {
    tag(t, a);
    return a;
  }
  // Another tensor on a storage that is known, made before the recording began (or by code that does not record views).
  const IntSpan sizes = t.sizes(), strides = t.strides();
  for (int32_t r : it->second.roots) {
    const int32_t rootAlias = roots_[static_cast<size_t>(r)].alias;
    const Alias& root = aliases[static_cast<size_t>(rootAlias)];
    if (root.dtype != t.dtype()) continue;
    auto place = tryPlace(root, sizes, strides, t.storageOffset());
    if (!place) continue;
    const int32_t a = addAlias(t, rootAlias);
    recipes.push_back(
        {"asStrided",
         {Attr("size", sizes), Attr("stride", place->strides.span()), Attr("storageOffset", place->offset)},
         rootAlias,
         {a}});
    aliases[static_cast<size_t>(a)].recipe = static_cast<int32_t>(recipes.size() - 1);
    return a;
  }
  const Root& first = roots_[static_cast<size_t>(it->second.roots[0])];
  if (first.original < 0)
    fail("cannot record a tensor of shape " + shapeString(sizes) +
         " that shares memory with a recorded one in a way that no view op explains");
  if (int32_t a = adopt(t); a >= 0) return a;
  // Neither is part of the other: a value of its own, sound as long as what they share is not written.
  for (int32_t r : it->second.roots) {
    const Root& other = roots_[static_cast<size_t>(r)];
    if (other.epoch > 0 && overlap(aliases[static_cast<size_t>(other.alias)], aliasOf(t)))
      fail(
          "cannot record this read: the tensor shares memory with another argument or captured tensor of the traced "
          "function that was "
          "written, and neither is a view of the other");
  }
  return capture(t);
}

int32_t Recorder::adopt(const Tensor& t) {
  StorageEntry& entry = storages_.at(t.impl()->storage.get());
  const Alias whole = aliasOf(t);
  std::vector<std::pair<int32_t, Place>> parts;
  for (int32_t r : entry.roots) {
    const Root& part = roots_[static_cast<size_t>(r)];
    const Alias& a = aliases[static_cast<size_t>(part.alias)];
    if (!part.capture || a.dtype != t.dtype()) continue;
    if (auto p = tryPlace(whole, a.sizes, a.strides, a.offset)) parts.emplace_back(r, *p);
  }
  if (parts.empty()) return -1;
  const int32_t top = capture(t);
  const int32_t topRoot = aliases[static_cast<size_t>(top)].root;
  roots_[static_cast<size_t>(topRoot)].epoch = 1;
  for (auto& [r, p] : parts) {
    Root part = roots_[static_cast<size_t>(r)];
    flush(part);
    const Alias a = aliases[static_cast<size_t>(part.alias)];
    const std::vector<Attr> attrs = {Attr("size", a.sizes.span()), Attr("stride", p.strides.span()),
                                     Attr("storageOffset", p.offset)};
    // What the part was when recording began, taken from the whole: it must come before everything that read it.
    NodeRecord view;
    view.op = "asStrided";
    view.attrs = attrs;
    view.in.resize(1);
    view.in[0].kind = In::Kind::Value;
    view.in[0].value = roots_[static_cast<size_t>(topRoot)].original;
    view.out = {part.original};
    nodes_.insert(nodes_.begin(), std::move(view));
    const auto slot = std::find(captureIds_.begin(), captureIds_.end(), part.original) - captureIds_.begin();
    captureIds_.erase(captureIds_.begin() + slot);
    captures_.erase(captures_.begin() + slot);
    recipes.push_back({"asStrided", attrs, top, {part.alias}});
    aliases[static_cast<size_t>(part.alias)].recipe = static_cast<int32_t>(recipes.size() - 1);
    for (Alias& b : aliases) {
      if (b.root != r) continue;
      b.root = topRoot;
      if (b.epoch != part.epoch) b.value = -1;
      b.epoch = 1;
    }
    if (part.base != part.original) {
      Root& whole2 = roots_[static_cast<size_t>(topRoot)];
      whole2.base = scatter(whole2.base, part.base, aliases[static_cast<size_t>(top)], a, p);
    }
    std::erase(entry.roots, r);
    roots_[static_cast<size_t>(r)] = Root();
  }
  bind(top, roots_[static_cast<size_t>(topRoot)].base);
  return top;
}

int32_t Recorder::addAlias(const Tensor& t, int32_t parentAlias) {
  const auto at = static_cast<int32_t>(aliases.size());
  Alias a = aliasOf(t);
  a.root = aliases[static_cast<size_t>(parentAlias)].root;
  storages_[t.impl()->storage.get()].aliases.emplace(geometryHash(a.dtype, a.sizes, a.strides, a.offset), at);
  aliases.push_back(std::move(a));
  tag(t, at);
  return at;
}

std::optional<Place> Recorder::tryPlace(const Alias& root, IntSpan sizes, IntSpan strides, int64_t offset) const {
  Place p;
  p.strides = contiguousStrides(sizes);
  if (product(sizes) == 0) return p;
  // Address inside the root → position in its row-major value, by taking out the root's strides, largest first.
  struct Axis {
    int64_t stride, size, to;
  };
  std::vector<Axis> axes;
  const Dims rowMajor = contiguousStrides(root.sizes);
  for (size_t i = 0; i < root.sizes.size(); ++i)
    if (root.sizes[i] > 1 && root.strides[i] > 0) axes.push_back({root.strides[i], root.sizes[i], rowMajor[i]});
  std::sort(axes.begin(), axes.end(), [](const Axis& a, const Axis& b) { return a.stride > b.stride; });
  auto locate = [&](int64_t address) -> std::optional<int64_t> {
    int64_t at = 0;
    if (address < 0) return {};
    for (const Axis& x : axes) {
      const int64_t c = std::min(address / x.stride, x.size - 1);
      address -= c * x.stride;
      at += c * x.to;
    }
    if (address != 0) return {};
    return at;
  };
  const int64_t start = offset - root.offset;
  const auto first = locate(start);
  if (!first) return {};
  p.offset = *first;
  int64_t corner = start, expected = *first;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 1) continue;
    const auto next = locate(start + strides[i]);
    const auto last = locate(start + strides[i] * (sizes[i] - 1));
    if (!next || !last) return {};
    p.strides[i] = *next - *first;
    // The map must be linear along the axis, or offset and strides cannot say where the elements are.
    if (*last != *first + p.strides[i] * (sizes[i] - 1)) return {};
    corner += strides[i] * (sizes[i] - 1);
    expected += p.strides[i] * (sizes[i] - 1);
  }
  const auto end = locate(corner);
  if (!end || *end != expected) return {};
  return p;
}

Place Recorder::place(const Alias& a) const {
  const Alias& root = aliases[static_cast<size_t>(roots_[static_cast<size_t>(a.root)].alias)];
  if (auto p = tryPlace(root, a.sizes, a.strides, a.offset)) return *p;
  fail("cannot record this write: the view of shape " + shapeString(a.sizes) + " and strides " +
       shapeString(a.strides) + " is not a strided part of the tensor of shape " + shapeString(root.sizes) +
       " and strides " + shapeString(root.strides) +
       " that the recording met first; trace a contiguous() copy instead");
}

void Recorder::flush(Root& r) {
  if (r.pending < 0) return;
  const Alias& p = aliases[static_cast<size_t>(r.pending)];
  Alias& root = aliases[static_cast<size_t>(r.alias)];
  r.base = scatter(r.base, p.value, root, p, place(p));
  r.pending = -1;
  root.value = r.base;
  root.epoch = r.epoch;
}

ValueId Recorder::scatter(ValueId whole, ValueId part, const Alias& wholeType, const Alias& partType, const Place& at) {
  const ValueId out = newValue(wholeType);
  NodeRecord n;
  n.op = "asStridedScatter";
  n.in.resize(2);
  n.in[0].kind = n.in[1].kind = In::Kind::Value;
  n.in[0].value = whole;
  n.in[1].value = part;
  n.attrs = {Attr("size", partType.sizes.span()), Attr("stride", at.strides.span()), Attr("storageOffset", at.offset)};
  n.out = {out};
  emit(std::move(n));
  return out;
}

ValueId Recorder::current(int32_t alias) {
  {
    const Alias& a = aliases[static_cast<size_t>(alias)];
    Root& r = roots_[static_cast<size_t>(a.root)];
    if (a.value >= 0 && a.epoch == r.epoch) return a.value;
    if (r.alias == alias) {
      flush(r);
      Alias& root = aliases[static_cast<size_t>(alias)];
      root.value = r.base;
      root.epoch = r.epoch;
      return r.base;
    }
  }
  // Stale: replay the view on the parent's present value. Every output of the recipe becomes current.
  const auto recipeAt = static_cast<size_t>(aliases[static_cast<size_t>(alias)].recipe);
  const ValueId parent = current(recipes[recipeAt].parent);
  NodeRecord n;
  n.op = recipes[recipeAt].op;
  n.attrs = recipes[recipeAt].attrs;
  n.in.resize(1);
  n.in[0].kind = In::Kind::Value;
  n.in[0].value = parent;
  for (int32_t sibling : recipes[recipeAt].aliases) {
    Alias& a = aliases[static_cast<size_t>(sibling)];
    const ValueId v = newValue(a);
    n.out.push_back(v);
    const uint32_t epoch = roots_[static_cast<size_t>(a.root)].epoch;
    if (a.value >= 0 && a.epoch == epoch) continue;  // already current, keep its value
    a.value = v;
    a.epoch = epoch;
  }
  emit(std::move(n));
  return aliases[static_cast<size_t>(alias)].value;
}

void Recorder::write(int32_t alias, ValueId value, const Tensor& t) {
  const auto rootAt = aliases[static_cast<size_t>(alias)].root;
  StorageEntry& entry = storages_.at(t.impl()->storage.get());
  entry.version = t.version();
  Root& r = roots_[static_cast<size_t>(rootAt)];
  const Alias& whole = aliases[static_cast<size_t>(r.alias)];
  for (size_t d = 0; d < whole.sizes.size(); ++d)
    if (whole.sizes[d] > 1 && whole.strides[d] == 0)
      fail("cannot record this write: elements of the tensor from outside share memory (it is an expanded one)");
  for (int32_t other : entry.roots) {
    if (other == rootAt) continue;
    if (overlap(aliases[static_cast<size_t>(alias)],
                aliases[static_cast<size_t>(roots_[static_cast<size_t>(other)].alias)]))
      fail(
          "cannot record this write: the tensor shares memory with another argument or captured tensor of the traced "
          "function, and "
          "neither is a view of the other");
  }
  if (r.pending >= 0 && r.pending != alias) flush(r);
  if (r.alias == alias) {
    r.base = value;
    r.pending = -1;
  } else {
    place(aliases[static_cast<size_t>(alias)]);  // refuse now, where the call site is known
    r.pending = alias;
  }
  ++r.epoch;
  Alias& a = aliases[static_cast<size_t>(alias)];
  a.value = value;
  a.epoch = r.epoch;
}

In Recorder::operandOf(const Tensor& t) {
  In in;
  if (!t.defined()) return in;
  in.kind = In::Kind::Value;
  in.value = current(meet(t));
  return in;
}

In Recorder::operandOf(const Operand& o) {
  if (o.isTensor()) return operandOf(o.tensor);
  In in;
  in.kind = In::Kind::Const;
  in.scalar = o.scalar;
  return in;
}

In Recorder::operandOf(TensorSpan list) {
  In in;
  in.kind = In::Kind::List;
  for (const Tensor& t : list) in.list.push_back(t.defined() ? current(meet(t)) : -1);
  return in;
}

Result Recorder::finish(TensorSpan outputs) {
  std::vector<ValueId> out;
  for (const Tensor& t : outputs) {
    if (!t.defined()) fail("a traced function must return tensors, not null");
    out.push_back(current(meet(t)));
  }
  // Everything that stays visible outside must be current: written inputs and captures, and gradients.
  for (auto& [alias, leaf] : leaves)
    if (Tensor g = leaf.leaf.impl()->meta ? leaf.leaf.impl()->meta->grad : Tensor(); g.defined() && !g.is(leaf.initial))
      current(meet(g));
  for (size_t i = 0; i < roots_.size(); ++i)
    if (roots_[i].original >= 0) flush(roots_[i]);
  Result result;
  result.json = toJson(*this, out);
  result.captures = std::move(captures_);
  return result;
}

}  // namespace flambeau::trace
