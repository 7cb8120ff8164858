// Addon functions of autograd: gradients, hooks, backward, and functions whose derivative is written in JavaScript.
#include "flambeau/autograd.h"

#include <algorithm>

#include "node/functions.h"

namespace flambeau::node {

namespace {

using autograd::Node;

constexpr const char* kTensor[] = {"tensor"};

Ref<Node> nodeOf(Args& a, size_t i) {
  return Ref<Node>(static_cast<Node*>(a.handle(i, HandleKind::Node)->other.get()));
}
napi_value wrapNode(napi_env env, const Ref<Node>& node) {
  return node ? wrapObject(env, HandleKind::Node, node) : jsNull(env);
}
napi_value nothing() { return nullptr; }

napi_value requiresGrad(napi_env env, napi_callback_info info) {
  return invoke(env, info, "requiresGrad", kTensor, [&](Args& a) { return wrap(env, a.tensor(0).requiresGrad()); });
}
napi_value setRequiresGrad(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"tensor", "requiresGrad"};
  return invoke(env, info, "setRequiresGrad", names, [&](Args& a) {
    a.tensor(0).setRequiresGrad(a.boolean(1));
    return nothing();
  });
}
napi_value isLeaf(napi_env env, napi_callback_info info) {
  return invoke(env, info, "isLeaf", kTensor, [&](Args& a) { return wrap(env, a.tensor(0).isLeaf()); });
}
napi_value grad(napi_env env, napi_callback_info info) {
  return invoke(env, info, "grad", kTensor, [&](Args& a) { return wrap(env, a.tensor(0).grad()); });
}
napi_value setGrad(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"tensor", "grad"};
  return invoke(env, info, "setGrad", names, [&](Args& a) {
    a.tensor(0).setGrad(a.optTensor(1));
    return nothing();
  });
}
napi_value gradFn(napi_env env, napi_callback_info info) {
  return invoke(env, info, "gradFn", kTensor, [&](Args& a) { return wrapNode(env, a.tensor(0).gradFn()); });
}
napi_value nodeName(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"node"};
  return invoke(env, info, "nodeName", names,
                [&](Args& a) { return wrap(env, std::string_view(nodeOf(a, 0)->name())); });
}
/// [node, index] per input; null where no gradient flows.
napi_value nodeNext(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"node"};
  return invoke(env, info, "nodeNext", names, [&](Args& a) {
    const Ref<Node> n = nodeOf(a, 0);
    napi_value list;
    check(env, napi_create_array_with_length(env, n->edges.size(), &list));
    for (size_t i = 0; i < n->edges.size(); ++i) {
      napi_value pair = jsNull(env);
      if (n->edges[i].node) {
        check(env, napi_create_array_with_length(env, 2, &pair));
        check(env, napi_set_element(env, pair, 0, wrapNode(env, n->edges[i].node)));
        check(env, napi_set_element(env, pair, 1, wrap(env, static_cast<int64_t>(n->edges[i].index))));
      }
      check(env, napi_set_element(env, list, static_cast<uint32_t>(i), pair));
    }
    return list;
  });
}
napi_value retainGrad(napi_env env, napi_callback_info info) {
  return invoke(env, info, "retainGrad", kTensor, [&](Args& a) {
    autograd::retainGrad(a.tensor(0));
    return nothing();
  });
}

napi_value retainsGrad(napi_env env, napi_callback_info info) {
  return invoke(env, info, "retainsGrad", kTensor, [&](Args& a) {
    const autograd::Meta* meta = a.tensor(0).impl()->meta;
    return wrap(env, meta != nullptr && meta->gradFn && meta->retainsGrad);
  });
}

/// A JavaScript function that native code calls; only on the thread that made it.
struct Callback {
  napi_env env;
  JsRef fn;
  Callback(napi_env e, napi_value f) : env(e), fn(e, f) {}
  napi_value get(const char* what) const {
    FB_CHECK(fn.isHere(), Autograd, "%s was made on another thread: its JavaScript function can only run there", what);
    return fn.get(env);
  }
};

struct Scope {
  explicit Scope(napi_env e) : env(e) { check(env, napi_open_handle_scope(env, &scope)); }
  ~Scope() { napi_close_handle_scope(env, scope); }
  napi_env env;
  napi_handle_scope scope;
};

Tensor gradientFrom(napi_env env, napi_value v, const char* what) {
  Box* b = boxOf(env, v);
  if (b && b->kind == HandleKind::Tensor) return b->tensor;
  napi_valuetype type;
  check(env, napi_typeof(env, v, &type));
  FB_CHECK(type == napi_undefined || type == napi_null, Type, "%s must return a Tensor or nothing", what);
  return {};
}

/// registerHook(tensor, fn): fn(grad handle) may return a replacement. Returns a function that removes the hook.
napi_value registerHook(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"tensor", "hook"};
  return invoke(env, info, "registerHook", names, [&](Args& a) {
    auto callback = std::make_shared<Callback>(env, a.function(1));
    auto* handle = new autograd::HookHandle(autograd::registerHook(a.tensor(0), [callback](const Tensor& g) {
      napi_value fn = callback->get("this gradient hook");
      Scope scope(callback->env);
      return gradientFrom(callback->env, callJs(callback->env, fn, {wrapTensor(callback->env, g)}), "a gradient hook");
    }));
    napi_value remove;
    check(env, napi_create_function(
                   env, "remove", NAPI_AUTO_LENGTH,
                   [](napi_env e, napi_callback_info i) -> napi_value {
                     void* p = nullptr;
                     napi_get_cb_info(e, i, nullptr, nullptr, nullptr, &p);
                     return guarded(e, [&] {
                       auto* h = static_cast<autograd::HookHandle*>(p);
                       autograd::removeHook(*h);
                       *h = {};
                       return nothing();
                     });
                   },
                   handle, &remove));
    check(env, napi_add_finalizer(
                   env, remove, handle,
                   [](node_api_basic_env, void* p, void*) { delete static_cast<autograd::HookHandle*>(p); }, nullptr,
                   nullptr));
    return remove;
  });
}

/// [node, index] where the gradient of a tensor flows: its gradFn, or the node that accumulates into a leaf's .grad.
napi_value gradientEdge(napi_env env, napi_callback_info info) {
  return invoke(env, info, "gradientEdge", kTensor, [&](Args& a) {
    FB_CHECK(a.tensor(0).requiresGrad(), Autograd,
             "It is not possible to get the gradient edge for a tensor that does not require gradients");
    const autograd::Edge e = autograd::edgeOf(a.tensor(0));
    napi_value pair;
    check(env, napi_create_array_with_length(env, 2, &pair));
    check(env, napi_set_element(env, pair, 0, wrapNode(env, e.node)));
    check(env, napi_set_element(env, pair, 1, wrap(env, static_cast<int64_t>(e.index))));
    return pair;
  });
}

/// What a node's hook returned: nothing (keep `list`), or one gradient or null per entry.
void replaceGradients(napi_env env, napi_value result, TensorList& list) {
  napi_valuetype type;
  check(env, napi_typeof(env, result, &type));
  if (type == napi_undefined || type == napi_null) return;
  bool isArray = false;
  check(env, napi_is_array(env, result, &isArray));
  uint32_t n = 0;
  if (isArray) check(env, napi_get_array_length(env, result, &n));
  FB_CHECK(isArray && n == list.size(), Autograd, "a node's hook must return nothing or an array of %zu gradients",
           list.size());
  for (uint32_t i = 0; i < n; ++i) {
    napi_value item;
    check(env, napi_get_element(env, result, i, &item));
    list[i] = gradientFrom(env, item, "a node's hook");
  }
}

/// nodeHook(node, fn, before): fn(gradInputs, gradOutputs) after the node has run, or fn(gradOutputs) before it; an
/// array that it returns replaces its first argument. Returns a function that removes the hook.
napi_value nodeHook(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"node", "hook", "before"};
  return invoke(env, info, "nodeHook", names, [&](Args& a) {
    const Ref<Node> node = nodeOf(a, 0);
    // Shared by the node and the function that removes the hook: removing empties it.
    using Slot = std::shared_ptr<Callback>;
    auto* slot = new std::shared_ptr<Slot>(std::make_shared<Slot>(std::make_shared<Callback>(env, a.function(1))));
    if (a.boolean(2)) {
      node->extra().preHooks.push_back([slot = *slot](TensorList& grads) {
        const Slot callback = *slot;
        if (!callback) return;
        napi_value fn = callback->get("this node hook");
        Scope scope(callback->env);
        replaceGradients(callback->env, callJs(callback->env, fn, {wrap(callback->env, grads)}), grads);
      });
    } else {
      node->extra().postHooks.push_back([slot = *slot](TensorList& gradInputs, const TensorList& grads) {
        const Slot callback = *slot;
        if (!callback) return;
        napi_value fn = callback->get("this node hook");
        Scope scope(callback->env);
        const napi_value result =
            callJs(callback->env, fn, {wrap(callback->env, gradInputs), wrap(callback->env, grads)});
        replaceGradients(callback->env, result, gradInputs);
      });
    }
    napi_value remove;
    check(env, napi_create_function(
                   env, "remove", NAPI_AUTO_LENGTH,
                   [](napi_env e, napi_callback_info i) -> napi_value {
                     void* p = nullptr;
                     napi_get_cb_info(e, i, nullptr, nullptr, nullptr, &p);
                     (*static_cast<std::shared_ptr<Slot>*>(p))->reset();
                     return nullptr;
                   },
                   slot, &remove));
    check(env, napi_add_finalizer(
                   env, remove, slot,
                   [](node_api_basic_env, void* p, void*) { delete static_cast<std::shared_ptr<Slot>*>(p); }, nullptr,
                   nullptr));
    return remove;
  });
}

/// backward(roots, grads, inputs | null, retainGraph, createGraph, allowUnused, accumulate = inputs is null): [] when
/// it accumulates, else the gradients of `inputs`.
napi_value backward(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"roots",       "grads",       "inputs",    "retainGraph",
                                   "createGraph", "allowUnused", "accumulate"};
  return invoke(env, info, "backward", names, [&](Args& a) {
    const TensorSpan roots = a.tensors(0), grads = a.optTensors(1);
    FB_CHECK(!roots.empty(), Value, "backward(): there is no tensor to start from");
    FB_CHECK(grads.empty() || grads.size() == roots.size(), Value, "got %zu tensors and %zu gradients", roots.size(),
             grads.size());
    TensorList inputs;
    const bool all = a.absent(2);
    if (!all) {
      const TensorSpan list = a.tensors(2);
      FB_CHECK(!list.empty(), Value, "'inputs' argument to backward() cannot be empty.");
      inputs.assign(list.begin(), list.end());
    }
    autograd::RunOptions o;
    o.retainGraph = a.boolean(3);
    o.createGraph = a.boolean(4);
    o.allowUnused = a.boolean(5);
    o.accumulate = a.optBoolean(6).value_or(all);
    if (trace::active()) trace::setSite(callSite(env).c_str());
    return wrap(env, autograd::runBackward(TensorList(roots.begin(), roots.end()),
                                           TensorList(grads.begin(), grads.end()), inputs, o));
  });
}

/// A node whose backward is a JavaScript function (autograd.Function).
class JsNode final : public Node {
 public:
  JsNode(uint32_t outputs, std::string name, napi_env env, napi_value fn)
      : Node(outputs), name_(std::move(name)), callback_(env, fn) {}
  std::string name() const override { return name_; }
  void save(const Tensor& t, bool isOutput) { saved_.emplace_back(t, isOutput); }
  void releaseSaved() override {
    for (auto& s : saved_) s.reset();
  }
  TensorList apply(TensorList grads) override {
    napi_value fn = callback_.get(name_.c_str());
    napi_env env = callback_.env;
    Scope scope(env);
    TensorList saved;
    for (const auto& s : saved_) saved.push_back(s.unpack(Ref<Node>(this), name_.c_str()));
    napi_value result = callJs(env, fn, {wrap(env, grads), wrap(env, saved)});
    bool isArray = false;
    check(env, napi_is_array(env, result, &isArray));
    FB_CHECK(isArray, Type, "%s: backward must return an array of gradients", name_.c_str());
    uint32_t n = 0;
    check(env, napi_get_array_length(env, result, &n));
    FB_CHECK(n == edges.size(), Autograd,
             "function %s returned an incorrect number of gradients (expected %zu, got %u)", name_.c_str(),
             edges.size(), n);
    TensorList out(n);
    for (uint32_t i = 0; i < n; ++i) {
      napi_value item;
      check(env, napi_get_element(env, result, i, &item));
      out[i] = gradientFrom(env, item, (name_ + ": every gradient").c_str());
    }
    return out;
  }

 private:
  std::string name_;
  Callback callback_;
  std::vector<autograd::SavedTensor> saved_;
};

/// customFunction(inputs, outputs, backward, name, saved): makes `outputs` (null: not differentiable) the results of a
/// function of `inputs` (null: not a tensor). backward(grads, saved) gets one gradient or null per output and returns
/// one per input. An output that is one of the inputs was written in place. False when nothing requires grad and no
/// node was made.
napi_value customFunction(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"inputs", "outputs", "backward", "name", "saved"};
  return invoke(env, info, "customFunction", names, [&](Args& a) {
    const TensorSpan inputs = a.optTensors(0), outputs = a.optTensors(1);
    napi_value fn = a.function(2);
    const std::string_view name = a.string(3);
    const TensorSpan saved = a.absent(4) ? TensorSpan() : a.optTensors(4);
    if (!autograd::gradEnabled() || !autograd::needsGrad(inputs)) return wrap(env, false);
    Ref<JsNode> node(new JsNode(static_cast<uint32_t>(outputs.size()), std::string(name), env, fn));
    for (const Tensor& t : inputs) node->edges.push_back(autograd::edgeOf(t));
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& o = outputs[i];
      if (!o.defined()) continue;
      bool inplace = false;
      for (const Tensor& in : inputs) inplace = inplace || (in.defined() && in.is(o));
      if (inplace)
        autograd::rebaseHistory(o, node, static_cast<uint32_t>(i));
      else
        autograd::setHistory(o, node, static_cast<uint32_t>(i));
    }
    // Outputs have their history by now; saved as such they do not keep this node alive.
    for (const Tensor& s : saved) {
      const bool isOutput = std::any_of(outputs.begin(), outputs.end(),
                                        [&](const Tensor& o) { return o.defined() && s.defined() && o.is(s); });
      node->save(s, isOutput);
    }
    return wrap(env, true);
  });
}

napi_value checkInplace(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"tensor", "op"};
  return invoke(env, info, "checkInplace", names, [&](Args& a) {
    autograd::checkInplace(a.tensor(0), std::string(a.string(1)).c_str());
    return nothing();
  });
}

}  // namespace

void registerAutogradFunctions(napi_env env, napi_value target) {
  const std::pair<const char*, napi_callback> all[] = {{"requiresGrad", requiresGrad},
                                                       {"setRequiresGrad", setRequiresGrad},
                                                       {"isLeaf", isLeaf},
                                                       {"grad", grad},
                                                       {"setGrad", setGrad},
                                                       {"gradFn", gradFn},
                                                       {"nodeName", nodeName},
                                                       {"nodeNext", nodeNext},
                                                       {"retainGrad", retainGrad},
                                                       {"registerHook", registerHook},
                                                       {"gradientEdge", gradientEdge},
                                                       {"nodeHook", nodeHook},
                                                       {"retainsGrad", retainsGrad},
                                                       {"backward", backward},
                                                       {"customFunction", customFunction},
                                                       {"checkInplace", checkInplace}};
  for (auto [name, fn] : all) defineFunction(env, target, name, fn);
}

}  // namespace flambeau::node
