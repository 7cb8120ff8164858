// The parser behind graph_text.h. Trusts nothing: every value must be defined before it is used.
#include "frontend/graph_text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

namespace flambeau::jit {
namespace {

using Kind = boxed::Value::Kind;

/// Bodies nest no deeper, as in src/ir/parse.ts: the reader is recursive.
constexpr int kMaxDepth = 64;
/// Integers of a graph are JavaScript's: beyond this they are no longer exact.
constexpr double kLargest = 9007199254740992.0;

bool inName(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  GraphText graph() {
    read();
    if (!word().empty()) fail("something follows the graph");
    return std::move(g_);
  }

 private:
  void read() {
    expect("graph");
    expect("(");
    list(")", [&] { g_.inputValues.push_back(define(&g_.inputs)); });
    expect("{");
    while (!accept("return")) {
      if (depth_ > 0 && (word() == "symbol" || word() == "capture"))
        fail("a body of a branch or loop is not closed");
      else if (word() == "symbol") {
        next();
        const std::string symbol = name("a symbol");
        // Known since the first input; a graph without inputs has none.
        if (std::find(g_.symbols.begin(), g_.symbols.end(), symbol) == g_.symbols.end()) fail("a symbol of no input");
        expect("=");
        next();
      } else if (word() == "capture") {
        next();
        g_.captureValues.push_back(define(&g_.captures));
      } else if (word() == "region")
        skipRegion();
      else if (word() == "write" || word() == "grad" || word() == "expect" || word() == "live")
        fail("the graph changes tensors from outside or takes numbers that vary");
      else
        node();
    }
    expect("(");
    list(")", [&] { g_.results.push_back(reference()); });
    expect("}");
  }
  /// A graph with values of its own; its sizes may name the symbols around it.
  GraphText body() {
    if (depth_ == kMaxDepth) fail("bodies nest too deep");
    ++depth_;
    GraphText around = std::exchange(g_, {});
    auto known = std::exchange(known_, {});
    g_.symbols = around.symbols;
    const bool declared = std::exchange(declared_, true);
    read();
    declared_ = declared;
    known_ = std::move(known);
    --depth_;
    return std::exchange(g_, std::move(around));
  }

  [[noreturn]] void fail(const std::string& why) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) text_[i] == '\n' ? (++line, column = 1) : ++column;
    throw Error(ErrorKind::File, "graph, " + std::to_string(line) + ":" + std::to_string(column) + ": " + why);
  }

  // ---- tokens: a string, '->', a word or number, one character ----

  /// The next token; empty at the end.
  std::string_view word() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (at_ == text_.size()) return {};
    size_t end = at_ + 1;
    const char c = text_[at_];
    if (c == '"') {
      while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
      if (end >= text_.size()) fail("a string does not end");
      ++end;
    } else if (c == '-' && text_.substr(at_, 2) == "->")
      ++end;
    else if (inName(c) || (c == '-' && end < text_.size() && inName(text_[end]))) {
      while (end < text_.size() && (inName(text_[end]) || ((text_[end] == '-' || text_[end] == '+') &&
                                                           text_[end - 1] == 'e' && isNumberStart())))
        ++end;
    }
    length_ = end - at_;
    return text_.substr(at_, length_);
  }
  bool isNumberStart() const {
    const char c = text_[at_];
    return std::isdigit(static_cast<unsigned char>(c)) || c == '-';
  }
  std::string_view next() {
    const std::string_view w = word();
    if (w.empty()) fail("the text ends early");
    at_ += length_;
    return w;
  }
  bool accept(std::string_view text) {
    if (word() != text) return false;
    next();
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) fail("expected '" + std::string(text) + "', got '" + std::string(word()) + "'");
  }
  template <class F>
  void list(std::string_view close, F item) {
    if (accept(close)) return;
    do item();
    while (accept(","));
    expect(close);
  }
  std::string name(const char* what) {
    const std::string_view w = word();
    if (w.empty() || !(std::isalpha(static_cast<unsigned char>(w[0])) || w[0] == '_'))
      fail(std::string("expected ") + what);
    return std::string(next());
  }
  std::string string() {
    const std::string_view w = next();
    std::string json = std::string(w);
    return runtime::Json::parse(json).string("a string");
  }
  static std::optional<double> number(std::string_view w) {
    if (w == "nan") return std::numeric_limits<double>::quiet_NaN();
    if (w == "inf" || w == "-inf") return w[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    double v = 0;
    const auto [end, error] = std::from_chars(w.data(), w.data() + w.size(), v);
    if (error != std::errc() || end != w.data() + w.size()) return std::nullopt;
    return v;
  }
  static bool isWhole(std::string_view w) { return w.find_first_of(".en") == std::string_view::npos; }
  Scalar scalar(std::string_view w) {
    const auto v = number(w);
    if (!v) fail("expected a number, got '" + std::string(w) + "'");
    return isWhole(w) && std::fabs(*v) < 9e18 ? Scalar(static_cast<int64_t>(*v)) : Scalar(*v);
  }

  // ---- values ----

  /// Everything up to ',' or a closing bracket, as text.
  std::string untilComma() {
    std::string out;
    while (word() != "," && word() != "]" && word() != "}" && word() != ")") out += next();
    return out;
  }
  runtime::DimExpr dim() {
    const std::string text = untilComma();
    if (const auto v = number(text); v && *v == std::floor(*v) && std::fabs(*v) <= kLargest)
      return runtime::DimExpr(static_cast<int64_t>(*v));
    const auto e = runtime::DimExpr::tryParse(text, g_.symbols);
    if (!e) fail("expected an extent, got '" + text + "'");
    return *e;
  }
  /// %3: float32[2, 3], %x#3: ..., %3 "name": ... Its number is the place of definition. `types`: where the type goes.
  int define(std::vector<GraphType>* types) {
    expect("%");
    std::string id(next()), label;
    if (accept("#")) {
      label = id;
      id = std::string(next());
    } else if (word().starts_with('"'))
      label = string();
    expect(":");
    GraphType type;
    type.dtype = dtypeFromName(name("a dtype"));
    expect("[");
    // The sizes of inputs may name symbols that are declared further down.
    if (types == &g_.inputs) declareSymbols();
    list("]", [&] { type.shape.push_back(dim()); });
    if (accept("strides")) {
      expect("[");
      list("]", [&] { dim(); });
    }
    if (types) types->push_back(std::move(type));
    if (!known_.emplace(id, g_.values).second) fail("value %" + id + " is defined twice");
    if (!label.empty()) known_.emplace(label, g_.values);
    return g_.values++;
  }
  void declareSymbols() {
    if (std::exchange(declared_, true)) return;
    constexpr std::string_view mark = "\n  symbol ";
    for (size_t p = text_.find(mark); p != std::string_view::npos; p = text_.find(mark, p + 1)) {
      size_t end = p + mark.size();
      while (end < text_.size() && inName(text_[end])) ++end;
      g_.symbols.emplace_back(text_.substr(p + mark.size(), end - p - mark.size()));
    }
  }
  int reference() {
    expect("%");
    const std::string key(next());
    const auto found = known_.find(key);
    if (found == known_.end()) fail("%" + key + " is not defined here");
    return found->second;
  }

  GraphOperand operand() {
    GraphOperand o;
    if (word() == "%") {
      o.kind = Kind::Tensor;
      o.values.push_back(reference());
    } else if (accept("[")) {
      o.kind = Kind::List;
      list("]", [&] { o.values.push_back(reference()); });
    } else if (word() == "$")
      fail("the graph takes numbers that vary");
    else if (!accept("none")) {
      o.kind = Kind::Number;
      const std::string_view w = next();
      o.number = w == "true" || w == "false" ? Scalar(w == "true") : scalar(w);
    }
    return o;
  }
  GraphAttr attr() {
    using A = trace::Attr::Kind;
    GraphAttr a;
    a.name = name("an attribute");
    expect("=");
    if (word().starts_with('"')) {
      a.kind = A::String;
      a.text = string();
    } else if (accept("[")) {
      a.kind = A::Ints;
      list("]", [&] {
        const size_t start = (word(), at_);
        const std::string text = untilComma();
        const auto v = number(text);
        if (v && *v != std::floor(*v)) a.kind = A::Floats;
        if (v) a.floats.push_back(*v);
        at_ = start;
        if (a.kind == A::Ints && !(v && !std::isfinite(*v)))
          a.dims.push_back(dim());
        else {
          a.kind = A::Floats;
          untilComma();
        }
      });
    } else if (word() == "true" || word() == "false") {
      a.kind = A::Bool;
      a.scalar = Scalar(next() == "true");
    } else if (!accept("none")) {
      a.kind = A::Scalar;
      const size_t start = (word(), at_);
      const std::string text = untilComma();
      if (const auto v = number(text)) {
        if (isWhole(text) && std::fabs(*v) > kLargest) fail("an integer beyond 2^53");
        a.scalar = scalar(text);
      } else {
        at_ = start;
        a.dims.push_back(dim());
      }
    }
    return a;
  }
  void call(GraphNode& n) {
    n.op = name("an op");
    expect("(");
    list(")", [&] { n.inputs.push_back(operand()); });
    expect("{");
    list("}", [&] { n.attrs.push_back(attr()); });
  }
  /// '@scope', the place in the source and '^region' say where a node came from.
  void skipOrigin() {
    if (accept("@")) next();
    if (word().starts_with('"')) next();
    if (accept("^")) next();
  }
  void node() {
    GraphNode n;
    // Results come into scope after the operands.
    const auto before = known_;
    if (accept("("))
      list(")", [&] { n.outputs.push_back(define(nullptr)); });
    else
      n.outputs.push_back(define(nullptr));
    const auto after = std::exchange(known_, before);
    expect("=");
    call(n);
    known_ = after;
    skipOrigin();
    if (accept("{"))
      while (!accept("}")) n.bodies.push_back(body());
    check(n);
    g_.nodes.push_back(std::move(n));
  }
  /// Types are left to the ops, which look at what they are given.
  void check(GraphNode& n) {
    if (!n.control()) {
      if (!n.bodies.empty()) fail("'" + n.op + "' has no bodies");
      return;
    }
    const bool loop = n.op == "loop";
    if (n.bodies.size() != (loop ? 1 : 2)) fail("'" + n.op + "' has " + std::to_string(n.bodies.size()) + " bodies");
    for (const GraphOperand& o : n.inputs)
      if (o.kind != Kind::Tensor) fail("operands of '" + n.op + "' are tensors");
    if (n.inputs.empty()) fail("'" + n.op + "' without a condition");
    const size_t given = n.inputs.size() - 1;
    if (n.attrs.size() != (loop ? 1 : 0)) fail("'" + n.op + "' has other attributes");
    if (loop) {
      const GraphAttr& a = n.attrs[0];
      if (a.name != "carried" || a.kind != trace::Attr::Kind::Scalar || !a.dims.empty() ||
          a.scalar.kind != Scalar::Kind::Int)
        fail("'loop' does not say what it carries");
      const int64_t carried = a.scalar.toInt();
      if (carried < 0 || static_cast<uint64_t>(carried) > given) fail("'loop' carries more than it has");
      n.carried = static_cast<size_t>(carried);
      if (n.outputs.size() != n.carried) fail("'loop' has another number of results than it carries");
    }
    for (const GraphText& b : n.bodies)
      if (b.inputs.size() != given || b.results.size() != n.outputs.size() + (loop ? 1 : 0))
        fail("a body of '" + n.op + "' does not fit its operands and results");
  }
  void skipRegion() {
    next();
    expect("^");
    next();
    GraphNode head;
    // Regions name values that are defined later.
    while (word() != "{") next();
    while (next() != "}") {
    }
    expect("->");
    while (next() != ")") {
    }
    skipOrigin();
  }

  std::string_view text_;
  size_t at_ = 0, length_ = 0;
  GraphText g_;
  std::map<std::string, int> known_;
  bool declared_ = false;
  int depth_ = 0;
};

}  // namespace

GraphText parseGraphText(std::string_view text) {
  GraphText g = Reader(text).graph();
  return g;
}

}  // namespace flambeau::jit
