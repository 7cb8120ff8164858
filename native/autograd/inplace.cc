// In-place writes and views. A write through a view rewrites the history of its base with CopySlices; the views of a
// base that was written get their history again, as a slice of the base's, when it is next asked for. Source:
// https://pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd
#include <algorithm>
#include <cstdlib>

#include "autograd/internal.h"
#include "flambeau/ops.h"
#include "flambeau/trace.h"

namespace flambeau::autograd {

namespace {

int64_t lastElement(const Geometry& g) {
  int64_t at = g.offset;
  for (size_t i = 0; i < g.sizes.size(); ++i) at += (g.sizes[i] - 1) * g.strides[i];
  return at;
}

bool isRowMajor(const Geometry& g) { return g.strides == contiguousStrides(g.sizes) || product(g.sizes) <= 1; }

bool overlapsItself(const Geometry& g) {
  std::vector<std::pair<int64_t, int64_t>> dims;
  for (size_t i = 0; i < g.sizes.size(); ++i)
    if (g.sizes[i] > 1) dims.emplace_back(g.strides[i], g.sizes[i]);
  std::sort(dims.begin(), dims.end());
  int64_t reach = 0;
  for (auto [stride, size] : dims) {
    if (stride <= reach) return true;
    reach += stride * (size - 1);
  }
  return false;
}

/// The memory that a base and one of its views cover, as a dense row-major space that gradients can be laid out in:
/// of the base's own shape when that is possible, else one-dimensional.
struct Space {
  Geometry base, view;  // offsets count from the start of the space
  bool flat;
  Dims sizes;

  Space(Geometry b, Geometry v) : base(std::move(b)), view(std::move(v)) {
    const int64_t lo = product(view.sizes) ? std::min(base.offset, view.offset) : base.offset;
    const int64_t hi = product(view.sizes) ? std::max(lastElement(base), lastElement(view)) : lastElement(base);
    flat = !(isRowMajor(base) && lo == base.offset && hi == lastElement(base));
    base.offset -= lo;
    view.offset -= lo;
    sizes = flat ? Dims{std::max<int64_t>(hi - lo + 1, 0)} : base.sizes;
  }
  Tensor zeros(DType t) const { return ops::full(sizes, Scalar(0.0), t); }
  /// A gradient of the base, laid out in this space.
  Tensor fromBase(const Tensor& g) const {
    if (flat) return ops::asStridedScatter(zeros(g.dtype()), g, base.sizes, base.strides, base.offset);
    if (g.isContiguous() && g.storageOffset() == 0) return g;
    return g.isContiguous() ? ops::clone(g) : ops::contiguous(g);
  }
  Tensor toBase(const Tensor& s) const { return flat ? ops::asStrided(s, base.sizes, base.strides, base.offset) : s; }
  Tensor slice(const Tensor& s) const { return ops::asStrided(s, view.sizes, view.strides, view.offset); }
  Tensor scatter(const Tensor& s, const Tensor& g) const {
    return ops::asStridedScatter(s, g, view.sizes, view.strides, view.offset);
  }
};

/// Gradient of the base of a strided view: the view's gradient put (added, where elements repeat) at its places.
Tensor stridedBackward(Tensor grad, Geometry base, Geometry view) {
  for (size_t i = 0; i < view.sizes.size(); ++i) {
    if (view.strides[i] != 0 || view.sizes[i] <= 1) continue;
    const int64_t dim = static_cast<int64_t>(i);
    grad = ops::sum(grad, IntSpan(&dim, 1), true, std::nullopt);  // an expanded dimension
    view.sizes[i] = 1;
  }
  Space space(base, view);
  if (!overlapsItself(view)) return space.toBase(space.scatter(space.zeros(grad.dtype()), grad));
  // Elements repeat in another way (a sliding window): add by index.
  Tensor index = emptyTensor(Dims{product(view.sizes)}, DType::Int64);
  Dims at(view.sizes.size());
  for (int64_t k = 0; k < index.numel(); ++k) {
    int64_t place = space.view.offset;
    for (size_t i = 0; i < at.size(); ++i) place += at[i] * view.strides[i];
    index.ptr<int64_t>()[k] = place;
    for (size_t i = at.size(); i-- > 0 && ++at[i] == view.sizes[i];) at[i] = 0;
  }
  const Dims all{product(space.sizes)}, rows{index.numel()};
  Tensor flat = ops::full(all, Scalar(0.0), grad.dtype());
  flat = ops::indexAdd(flat, 0, index, ops::reshape(grad, rows));
  return space.toBase(space.flat ? flat : ops::reshape(flat, space.sizes));
}

class AsStridedBackward final : public Node {
 public:
  AsStridedBackward(Geometry base, Geometry view) : base_(std::move(base)), view_(std::move(view)) {}
  std::string name() const override { return "AsStridedBackward0"; }
  TensorList apply(TensorList grads) override {
    if (!grads[0].defined()) return {Tensor()};
    return {stridedBackward(std::move(grads[0]), base_, view_)};
  }

 private:
  Geometry base_, view_;
};

/// History of a base after an in-place op on one of its views: outside the view the gradient passes through unchanged,
/// inside it goes through the op.
class CopySlices final : public Node {
 public:
  CopySlices(const Tensor& base, const Tensor& view, Ref<Node> fn)
      : space_(Geometry::of(base), Geometry::of(view)), fn_(std::move(fn)) {
    edges.resize(std::max<size_t>(fn_->edges.size(), 1));
    edges[0] = edgeOf(base);
    for (size_t i = 1; i < edges.size(); ++i) edges[i] = fn_->edges[i];
  }
  std::string name() const override { return "CopySlices"; }
  TensorList apply(TensorList grads) override {
    TensorList out(edges.size());
    if (!grads[0].defined()) return out;
    Tensor whole = space_.fromBase(grads[0]);
    TensorList inner = fn_->apply({space_.slice(whole)});
    for (size_t i = 1; i < out.size() && i < inner.size(); ++i) out[i] = inner[i];
    if (edges[0].node) {
      Tensor inside = !inner.empty() ? inner[0] : Tensor();
      if (!inside.defined()) inside = ops::full(space_.view.sizes, Scalar(0.0), whole.dtype());
      out[0] = space_.toBase(space_.scatter(whole, inside));
    }
    return out;
  }
  void releaseSaved() override { fn_->releaseSaved(); }

 private:
  Space space_;
  Ref<Node> fn_;
};

}  // namespace

Ref<Node> makeAsStridedNode(const Tensor& base, const Tensor& view) {
  Ref<Node> node(new AsStridedBackward(Geometry::of(base), Geometry::of(view)));
  node->edges.push_back(edgeOf(base));
  addOutputMeta(*node, view, 0);
  return node;
}

void setView(const Tensor& view, const Tensor& base) {
  const Meta* b = base.impl()->meta;
  Meta& m = metaOf(view.impl());
  m.base = b && b->base.defined() ? b->base : base;
  m.viewVersion = view.version();
  m.viewOfNoGrad = !gradEnabled() || (b && b->viewOfNoGrad);
}

void rebaseHistory(const Tensor& self, const Ref<Node>& node, uint32_t outputNr) {
  Meta& m = metaOf(self.impl());
  if (!m.base.defined()) {
    setHistory(self, node, outputNr);
    return;
  }
  addOutputMeta(*node, self, outputNr);
  const Tensor base = m.base;
  setHistory(base, Ref<Node>(new CopySlices(base, self, node)), 0);
  // The view's own history follows from the base's. Asking for it later would do the same; now is cheaper than a stale
  // chain.
  Ref<Node> fresh = makeAsStridedNode(base, self);
  if (m.retainsGrad) moveRetained(&m, m.gradFn, fresh, 0);
  m.gradFn = std::move(fresh);
  m.outputNr = 0;
  m.viewVersion = self.version();
}

void checkInplace(const Tensor& self, const char* op) {
  FB_CHECK(!self.impl()->inference || inferenceEnabled(), Autograd,
           "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a "
           "normal tensor "
           "before doing inplace update (%s).",
           op);
  const Meta* m = self.impl()->meta;
  if (!m || !gradEnabled() || !self.requiresGrad()) return;
  if (!m->base.defined()) {
    FB_CHECK(!self.isLeaf(), Autograd, "a leaf Variable that requires grad is being used in an in-place operation.");
    return;
  }
  const Ref<Node> fn = self.gradFn();
  if (m->viewOfNoGrad) {
    FB_CHECK(false, Autograd,
             "A view was created in noGrad mode and is being modified inplace with grad mode enabled. Given that this "
             "use case is "
             "ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the "
             "inplace either "
             "both inside the noGrad block (if you don't want the inplace to be tracked) or both outside (if you want "
             "the inplace "
             "to be tracked).");
  }
  FB_CHECK(!fn || fn->numOutputs <= 1, Autograd,
           "Output %u of %s is a view and is being modified inplace. This view is the output of a function that "
           "returns multiple "
           "views. Such functions do not allow the output views to be modified inplace. You should replace the inplace "
           "operation "
           "by an out-of-place one.",
           m->outputNr, fn->name().c_str());
  FB_CHECK(!m->base.requiresGrad() || !m->base.isLeaf(), Autograd,
           "a view of a leaf Variable that requires grad is being used in an in-place operation.");
}

}  // namespace flambeau::autograd
