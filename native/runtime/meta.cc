// Reads and checks the metadata of a graph program.
#include "runtime/meta.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace flambeau::runtime {
namespace {

using Symbols = std::vector<std::string>;

[[noreturn]] void bad(const std::string& why) { throw Error(ErrorKind::File, "graph metadata: " + why); }

DType dtypeOf(const Json& j) {
  try {
    return dtypeFromName(j.string("dtype"));
  } catch (const Error& e) {
    bad(e.what());
  }
}

std::vector<DimExpr> dimsOf(const Json& j, const Symbols& symbols, const char* what) {
  std::vector<DimExpr> out;
  for (const Json& d : j.array(what)) {
    out.push_back(DimExpr::parse(d, symbols));
    if (!out.back().symbolic() && out.back().value(nullptr) < 0) bad(std::string(what) + " must not be negative");
  }
  return out;
}

TensorMeta tensorOf(const Json& j, const Symbols& symbols) {
  TensorMeta t;
  t.dtype = dtypeOf(j.at("dtype"));
  t.shape = dimsOf(j.at("shape"), symbols, "shape");
  if (const Json* s = j.find("strides"); s && !s->isNull()) {
    t.strides = dimsOf(*s, symbols, "strides");
    t.hasStrides = true;
    if (t.strides.size() != t.shape.size()) bad("shape and strides differ in length");
  }
  if (const Json* r = j.find("requiresGrad"); r && !r->isNull()) t.requiresGrad = r->boolean("requiresGrad");
  return t;
}

/// An integer that an int holds; -1 where it does not, which is no index.
int index(const Json& j, const char* what) {
  const int64_t i = j.integer(what);
  return i < 0 || i > std::numeric_limits<int>::max() ? -1 : static_cast<int>(i);
}

Slot slotOf(const Json& j, size_t inputs, size_t captures) {
  const bool input = j.find("input") != nullptr;
  const int64_t i = j.at(input ? "input" : "capture").integer("slot");
  if (i < 0 || i >= static_cast<int64_t>(input ? inputs : captures)) bad("an input or capture index is out of range");
  return {static_cast<int>(i + (input ? 0 : static_cast<int64_t>(inputs)))};
}

Scalar scalarOf(const Json& j, bool floating = false) {
  if (j.isBool()) return Scalar(j.boolean("number"));
  const double d = j.number("number");
  if (!floating && d == std::floor(d) && std::abs(d) < 9e15 && !(d == 0 && std::signbit(d)))
    return Scalar(static_cast<int64_t>(d));
  return Scalar(d);
}

bool nonFinite(const std::string& s) { return s == "nan" || s == "inf" || s == "-inf"; }

StepAttr attrOf(const std::string& name, const Json& j, const Symbols& symbols) {
  using Kind = trace::Attr::Kind;
  StepAttr a;
  a.name = name;
  if (j.isNull()) return a;
  if (j.isObject()) {
    a.kind = Kind::Scalar;
    a.live = index(j.at("live"), "live");
    if (a.live < 0) bad("a live scalar is out of range");
  } else if (j.isBool()) {
    a.kind = Kind::Bool;
    a.scalar = Scalar(j.boolean("attribute"));
  } else if (j.isNumber()) {
    a.kind = Kind::Scalar;
    a.scalar = scalarOf(j);
  } else if (j.isString()) {
    const std::string& s = j.string("attribute");
    if (nonFinite(s)) {
      a.kind = Kind::Scalar;
      a.scalar = Scalar(j.number("attribute"));
    } else if (auto e = DimExpr::tryParse(s, symbols); e && e->symbolic()) {
      a.kind = Kind::Scalar;
      a.ints.push_back(*e);
    } else {
      a.kind = Kind::String;
      a.text = s;
    }
  } else {
    // Numbers that are all integers (or symbolic) are an int[]; else a float[].
    bool integral = true;
    for (const Json& v : j.array("attribute"))
      integral &=
          v.isString() ? !nonFinite(v.string("attribute")) : v.number("attribute") == std::floor(v.number("attribute"));
    a.kind = integral ? Kind::Ints : Kind::Floats;
    for (const Json& v : j.array("attribute")) {
      if (integral) a.ints.push_back(DimExpr::parse(v, symbols));
      if (!v.isString() || nonFinite(v.string("attribute"))) a.floats.push_back(v.number("attribute"));
    }
  }
  return a;
}

StepMeta stepOf(const Json& j, const Symbols& symbols, size_t live) {
  StepMeta s;
  s.op = j.at("op").string("op");
  const auto slot = [&](int64_t i) {
    if (i < 0 || i >= static_cast<int64_t>(live)) bad("a live scalar of step '" + s.op + "' is out of range");
    return static_cast<int>(i);
  };
  for (const Json& in : j.at("inputs").array("inputs")) {
    StepOperand o;
    if (in.isArray()) {
      o.kind = StepOperand::Kind::List;
      for (const Json& t : in.array("list")) o.tensors.push_back(tensorOf(t, symbols));
    } else if (!in.isNull()) {
      if (const Json* l = in.find("live")) {
        o.kind = StepOperand::Kind::Live;
        o.live = slot(l->integer("live"));
      } else if (const Json* c = in.find("c")) {
        o.kind = StepOperand::Kind::Number;
        o.number = scalarOf(*c, in.find("f") != nullptr);
      } else {
        o.kind = StepOperand::Kind::Tensor;
        o.tensors.push_back(tensorOf(in, symbols));
      }
    }
    for (const TensorMeta& t : o.tensors) s.symbolic |= t.symbolic();
    s.buffersIn += static_cast<int>(o.tensors.size());
    s.inputs.push_back(std::move(o));
  }
  if (const Json* attrs = j.find("attrs"); attrs && !attrs->isNull())
    for (const auto& [name, value] : attrs->fields("attrs")) {
      s.attrs.push_back(attrOf(name, value, symbols));
      if (s.attrs.back().live >= 0) slot(s.attrs.back().live);
      for (const DimExpr& d : s.attrs.back().ints) s.symbolic |= d.symbolic();
    }
  for (const Json& t : j.at("outputs").array("outputs")) {
    s.outputs.push_back(tensorOf(t, symbols));
    s.symbolic |= s.outputs.back().symbolic();
  }
  if (const Json* e = j.find("epilogue"); e && !e->isNull())
    for (const Json& op : e->array("epilogue")) s.epilogue.push_back(op.at("op").string("op"));
  return s;
}

}  // namespace

std::optional<DimExpr> DimExpr::tryParse(std::string_view text, const Symbols& symbols) {
  DimExpr out;
  size_t at = 0;
  const auto space = [&] {
    while (at < text.size() && text[at] == ' ') ++at;
  };
  bool first = true;
  while (at < text.size()) {
    Term term;
    space();
    if (!first || (at < text.size() && text[at] == '-')) {
      if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return {};
      if (text[at] == '-') term.coef = -1;
      ++at;
    }
    first = false;
    for (;;) {
      space();
      const size_t start = at;
      while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_')) ++at;
      const std::string_view word = text.substr(start, at - start);
      if (word.empty()) return {};
      if (std::isdigit(static_cast<unsigned char>(word[0]))) {
        int64_t v = 0;
        const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), v);
        if (error != std::errc() || stop != word.data() + word.size()) return {};
        if (__builtin_mul_overflow(term.coef, v, &term.coef)) return {};
      } else {
        const auto it = std::find(symbols.begin(), symbols.end(), word);
        if (it == symbols.end()) return {};
        term.symbols.push_back(static_cast<int>(it - symbols.begin()));
      }
      space();
      if (at >= text.size() || text[at] != '*') break;
      ++at;
    }
    if (term.symbols.empty()) {
      if (__builtin_add_overflow(out.constant_, term.coef, &out.constant_)) return {};
    } else
      out.terms_.push_back(std::move(term));
  }
  if (first) return {};
  return out;
}

DimExpr DimExpr::parse(const Json& j, const Symbols& symbols) {
  if (!j.isString()) return DimExpr(j.integer("dimension"));
  const std::string& text = j.string("dimension");
  if (auto e = tryParse(text, symbols)) return *e;
  bad("'" + text + "' is no expression over the symbols");
}

bool TensorMeta::symbolic() const {
  const auto any = [](const std::vector<DimExpr>& v) {
    return std::any_of(v.begin(), v.end(), [](const DimExpr& d) { return d.symbolic(); });
  };
  return any(shape) || any(strides);
}

Dims TensorMeta::sizes(const long long* dims) const {
  Dims out;
  for (const DimExpr& d : shape) out.push_back(d.value(dims));
  return out;
}

Dims TensorMeta::stepsOf(const long long* dims, const Dims& sizes) const {
  if (!hasStrides) return contiguousStrides(sizes);
  Dims out;
  for (const DimExpr& d : strides) out.push_back(d.value(dims));
  return out;
}

ProgramMeta ProgramMeta::parse(std::string_view text) {
  const Json j = Json::parse(text);
  if (!j.isObject()) bad("must be an object");
  const int64_t version = j.at("version").integer("version");
  if (version != 1) bad("version " + std::to_string(version) + " is not supported (expected 1)");
  ProgramMeta m;
  Symbols names;
  if (const Json* list = j.find("symbols"); list && !list->isNull())
    for (const Json& s : list->array("symbols")) {
      Symbol symbol;
      symbol.name = s.at("name").string("name");
      symbol.input = index(s.at("input"), "input");
      symbol.dim = index(s.at("dim"), "dim");
      names.push_back(symbol.name);
      m.symbols.push_back(std::move(symbol));
    }
  for (const Json& t : j.at("inputs").array("inputs")) m.inputs.push_back(tensorOf(t, names));
  for (const Json& t : j.at("captures").array("captures")) m.captures.push_back(tensorOf(t, names));
  const size_t ni = m.inputs.size(), nc = m.captures.size();
  for (const Symbol& s : m.symbols)
    if (s.input < 0 || s.input >= static_cast<int>(ni) || s.dim < 0 ||
        s.dim >= static_cast<int>(m.inputs[s.input].shape.size()))
      bad("symbol '" + s.name + "' is read from a dimension that does not exist");
  if (const Json* live = j.find("live"); live && !live->isNull()) {
    const int64_t n = live->integer("live");
    if (n < 0) bad("live must not be negative");
    m.live = static_cast<size_t>(n);
  }
  size_t fresh = 0;
  for (const Json& o : j.at("outputs").array("outputs")) {
    OutputMeta out;
    if (const Json* alias = o.find("alias"); alias && !alias->isNull()) {
      out.alias = slotOf(*alias, ni, nc);
    } else {
      out.tensor = tensorOf(o, names);
      ++fresh;
    }
    m.outputs.push_back(std::move(out));
  }
  const auto each = [&](const char* field, auto&& f) {
    if (const Json* list = j.find(field); list && !list->isNull())
      for (const Json& e : list->array(field)) f(e);
  };
  each("writes", [&](const Json& e) { m.writes.push_back(slotOf(e, ni, nc)); });
  each("gradWrites", [&](const Json& e) {
    GradWrite w;
    w.leaf = slotOf(e, ni, nc);
    if (const Json& o = e.at("output"); !o.isNull()) {
      w.output = static_cast<int>(o.integer("output"));
      if (w.output < 0 || w.output >= static_cast<int>(fresh)) bad("gradWrites: output index out of range");
    }
    m.gradWrites.push_back(w);
  });
  each("gradReads", [&](const Json& e) {
    GradRead r;
    r.leaf = slotOf(e, ni, nc);
    if (const Json& is = e.at("is"); !is.isNull()) {
      const int64_t i = is.integer("is");
      if (i < 0 || i >= static_cast<int64_t>(nc)) bad("gradReads: capture index out of range");
      r.is = Slot{static_cast<int>(ni) + static_cast<int>(i)};
    }
    m.gradReads.push_back(r);
  });
  each("errors", [&](const Json& e) { m.errors.push_back(e.string("errors")); });
  each("labels", [&](const Json& e) { m.labels.push_back({e.at("name").string("label"), e.find("step") != nullptr}); });
  if (const Json* n = j.find("name"); n && n->isString()) m.name = n->string("name");
  each("steps", [&](const Json& e) { m.steps.push_back(stepOf(e, names, m.live)); });
  m.results = m.outputs.size();
  if (const Json* r = j.find("results"); r && !r->isNull()) {
    const int64_t n = r->integer("results");
    if (n < 0 || n > static_cast<int64_t>(m.outputs.size())) bad("results out of range");
    m.results = static_cast<size_t>(n);
  }
  if (const Json* a = j.find("arena"); a && !a->isNull()) m.arena = DimExpr::parse(*a, names);
  if (const Json* r = j.find("random"); r && !r->isNull()) m.random = DimExpr::parse(*r, names);
  if (const Json* g = j.find("gradEnabled"); g && !g->isNull()) m.gradEnabled = g->boolean("gradEnabled");
  return m;
}

}  // namespace flambeau::runtime
