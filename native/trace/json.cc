// Writes a recording as docs/trace-format.md describes.
#include <cmath>
#include <cstdio>

#include "flambeau/autograd.h"
#include "trace/recorder.h"

namespace flambeau::trace {

namespace {

class Writer {
 public:
  std::string text;

  void raw(const char* s) { text += s; }
  void integer(int64_t v) { text += std::to_string(v); }
  void real(double v) {
    if (std::isnan(v)) return raw("\"nan\"");
    if (std::isinf(v)) return raw(v > 0 ? "\"inf\"" : "\"-inf\"");
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.17g", v);
    text += buffer;
  }
  void string(std::string_view s) {
    text += '"';
    for (char c : s) {
      if (c == '"' || c == '\\') {
        text += '\\';
        text += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        char buffer[8];
        std::snprintf(buffer, sizeof buffer, "\\u%04x", c);
        text += buffer;
      } else {
        text += c;
      }
    }
    text += '"';
  }
  template <class List, class F>
  void list(const List& items, F&& each) {
    text += '[';
    bool first = true;
    for (const auto& item : items) {
      if (!first) text += ',';
      first = false;
      each(item);
    }
    text += ']';
  }
  template <class List>
  void integers(const List& items) {
    list(items, [&](auto v) { integer(v); });
  }
  void number(const Scalar& s) {
    if (s.isBool())
      raw(s.i ? "true" : "false");
    else if (s.isFloat())
      real(s.d);
    else
      integer(s.i);
  }
  void live(const Scalar& s) {
    raw("{\"live\":");
    integer(s.live);
    raw(",\"c\":");
    number(s);
    raw("}");
  }
  void id(ValueId v) { v < 0 ? raw("null") : integer(v); }

  void operand(const In& in) {
    switch (in.kind) {
      case In::Kind::Null:
        return raw("null");
      case In::Kind::Value:
        return id(in.value);
      case In::Kind::List:
        return list(in.list, [&](ValueId v) { id(v); });
      case In::Kind::Const:
        if (in.scalar.live >= 0) return live(in.scalar);
        raw("{\"c\":");
        number(in.scalar);
        raw(in.scalar.isFloat() ? ",\"f\":1}" : "}");
    }
  }
  void attr(const Attr& a) {
    switch (a.kind) {
      case Attr::Kind::None:
        return raw("null");
      case Attr::Kind::Scalar:
        return a.scalar.live >= 0 ? live(a.scalar) : number(a.scalar);
      case Attr::Kind::Bool:
        return raw(a.scalar.toBool() ? "true" : "false");
      case Attr::Kind::Ints:
        return integers(a.ints);
      case Attr::Kind::Floats:
        return list(a.floats, [&](double v) { real(v); });
      case Attr::Kind::String:
        return string(a.string);
      case Attr::Kind::DType:
        return string(dtypeName(static_cast<DType>(a.scalar.i)));
    }
  }
  void call(const std::string& op, const std::vector<In>& in, const std::vector<Attr>& attrs,
            const std::vector<ValueId>& out) {
    raw("{\"op\":");
    string(op);
    raw(",\"in\":");
    list(in, [&](const In& i) { operand(i); });
    raw(",\"attrs\":{");
    for (size_t i = 0; i < attrs.size(); ++i) {
      if (i) raw(",");
      string(attrs[i].name);
      raw(":");
      attr(attrs[i]);
    }
    raw("},\"out\":");
    integers(out);
  }
};

}  // namespace

std::string toJson(Recorder& r, const std::vector<ValueId>& outputs) {
  // Gradients first: asking for their present values may still emit nodes.
  struct GradWrite {
    ValueId leaf, value;
  };
  std::vector<GradWrite> gradWrites, gradReads;
  for (const auto& [alias, leaf] : r.leaves) {
    const Root& root = r.roots_[static_cast<size_t>(r.aliases[static_cast<size_t>(alias)].root)];
    if (root.original < 0) continue;  // a leaf made inside: nobody outside sees its gradient
    if (root.alias != alias) r.fail("cannot record the gradient of a leaf that is a view of another captured tensor");
    const Tensor now = leaf.leaf.impl()->meta ? leaf.leaf.impl()->meta->grad : Tensor();
    if (!now.is(leaf.initial)) gradWrites.push_back({root.original, now.defined() ? r.current(r.meet(now)) : -1});
    if (!leaf.read) continue;
    if (!leaf.initial.defined()) {
      gradReads.push_back({root.original, -1});
    } else if (const int32_t a = r.findAlias(leaf.initial); a >= 0) {
      const Root& g = r.roots_[static_cast<size_t>(r.aliases[static_cast<size_t>(a)].root)];
      if (g.original >= 0 && g.alias == a) gradReads.push_back({root.original, g.original});
    }
  }
  auto byLeaf = [](const GradWrite& a, const GradWrite& b) { return a.leaf < b.leaf; };
  std::sort(gradWrites.begin(), gradWrites.end(), byLeaf);
  std::sort(gradReads.begin(), gradReads.end(), byLeaf);

  Writer w;
  w.raw("{\"version\":1,\"values\":");
  w.list(r.values_, [&](const ValueInfo& v) {
    w.raw("{\"dtype\":");
    w.string(dtypeName(v.dtype));
    w.raw(",\"shape\":");
    w.integers(v.sizes);
    w.raw(",\"strides\":");
    w.integers(v.strides);
    w.raw("}");
  });
  w.raw(",\n\"inputs\":");
  w.integers(r.inputs_);
  w.raw(",\"captures\":");
  w.integers(r.captureIds_);
  w.raw(",\n\"nodes\":");
  w.list(r.nodes_, [&](const NodeRecord& n) {
    w.raw("\n");
    w.call(n.op, n.in, n.attrs, n.out);
    if (n.site >= 0) {
      w.raw(",\"site\":");
      w.string(r.strings_[static_cast<size_t>(n.site)]);
    }
    if (n.scope >= 0) {
      w.raw(",\"scope\":");
      w.string(r.strings_[static_cast<size_t>(n.scope)]);
    }
    if (n.region >= 0) {
      w.raw(",\"region\":");
      w.integer(n.region);
    }
    w.raw("}");
  });
  w.raw(",\n\"regions\":");
  w.list(r.regions, [&](const RegionRecord& g) {
    w.raw("\n");
    w.call(g.op, g.in, g.attrs, g.out);
    w.raw(",\"parent\":");
    w.id(g.parent);
    w.raw(",\"scope\":");
    w.string(g.scope >= 0 ? std::string_view(r.strings_[static_cast<size_t>(g.scope)]) : std::string_view());
    w.raw("}");
  });
  w.raw(",\n\"outputs\":");
  w.integers(outputs);
  w.raw(",\"writes\":[");
  bool first = true;
  for (const Root& root : r.roots_) {
    if (root.original < 0 || root.base == root.original) continue;
    if (!first) w.raw(",");
    first = false;
    w.raw("{\"target\":");
    w.integer(root.original);
    w.raw(",\"value\":");
    w.integer(root.base);
    w.raw("}");
  }
  w.raw("],\"gradWrites\":");
  w.list(gradWrites, [&](const GradWrite& g) {
    w.raw("{\"leaf\":");
    w.integer(g.leaf);
    w.raw(",\"value\":");
    w.id(g.value);
    w.raw("}");
  });
  w.raw(",\"gradReads\":");
  w.list(gradReads, [&](const GradWrite& g) {
    w.raw("{\"leaf\":");
    w.integer(g.leaf);
    w.raw(",\"capture\":");
    w.id(g.value);
    w.raw("}");
  });
  w.raw(",\"live\":");
  w.list(r.live, [&](double v) { w.real(v); });
  w.raw("}");
  return std::move(w.text);
}

}  // namespace flambeau::trace
