// Recursive descent over the text; see json.h.
#include "runtime/json.h"

#include <charconv>
#include <cmath>

#include "flambeau/error.h"

namespace flambeau::runtime {

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  Json document() {
    Json j = value(0);
    space();
    if (at_ != text_.size()) fail("text behind the document");
    return j;
  }

 private:
  [[noreturn]] void fail(const char* why) const {
    throw Error(ErrorKind::File, detail::formatMessage("graph metadata: %s at byte %zu", why, at_));
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void expect(char c, const char* why) {
    space();
    if (peek() != c) fail(why);
    ++at_;
  }
  bool word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }

  Json value(int depth) {
    // A plan of control flow takes two levels for each of its own.
    if (depth > 160) fail("nesting too deep");
    space();
    Json j;
    switch (peek()) {
      case '{':
        object(j, depth);
        break;
      case '[':
        array(j, depth);
        break;
      case '"':
        j.kind_ = Json::Kind::String;
        j.string_ = string();
        break;
      case 't':
      case 'f':
        j.kind_ = Json::Kind::Bool;
        j.bool_ = peek() == 't';
        if (!word(j.bool_ ? "true" : "false")) fail("unknown word");
        break;
      case 'n':
        if (!word("null")) fail("unknown word");
        break;
      default:
        number(j);
    }
    return j;
  }

  void object(Json& j, int depth) {
    j.kind_ = Json::Kind::Object;
    ++at_;
    space();
    if (peek() == '}') return static_cast<void>(++at_);
    for (;;) {
      space();
      if (peek() != '"') fail("expected a field name");
      std::string name = string();
      expect(':', "expected ':'");
      j.fields_.emplace_back(std::move(name), value(depth + 1));
      space();
      if (peek() == '}') break;
      expect(',', "expected ',' or '}'");
    }
    ++at_;
  }

  void array(Json& j, int depth) {
    j.kind_ = Json::Kind::Array;
    ++at_;
    space();
    if (peek() == ']') return static_cast<void>(++at_);
    for (;;) {
      j.items_.push_back(value(depth + 1));
      space();
      if (peek() == ']') break;
      expect(',', "expected ',' or ']'");
    }
    ++at_;
  }

  void number(Json& j) {
    const char *begin = text_.data() + at_, *end = text_.data() + text_.size();
    if (peek() != '-' && (peek() < '0' || peek() > '9')) fail("unexpected character");
    const auto [stop, error] = std::from_chars(begin, end, j.number_);
    if (error != std::errc()) fail("bad number");
    j.kind_ = Json::Kind::Number;
    at_ += static_cast<size_t>(stop - begin);
  }

  unsigned hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("bad \\u escape");
      code = code * 16 + static_cast<unsigned>(digit);
      ++at_;
    }
    return code;
  }

  static void utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xe0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 63));
      out += static_cast<char>(0x80 | (code & 63));
    } else {
      out += static_cast<char>(0xf0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 63));
      out += static_cast<char>(0x80 | ((code >> 6) & 63));
      out += static_cast<char>(0x80 | (code & 63));
    }
  }

  std::string string() {
    std::string out;
    ++at_;
    for (;;) {
      if (at_ >= text_.size()) fail("string without end");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) fail("control character in a string");
      if (c != '\\') {
        out += c;
        continue;
      }
      const char e = peek();
      ++at_;
      switch (e) {
        case 'n':
          out += '\n';
          break;
        case 't':
          out += '\t';
          break;
        case 'r':
          out += '\r';
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case '"':
        case '\\':
        case '/':
          out += e;
          break;
        case 'u': {
          unsigned code = hex4();
          if (code >= 0xd800 && code < 0xdc00) {
            if (!word("\\u")) fail("half a surrogate pair");
            const unsigned low = hex4();
            if (low < 0xdc00 || low > 0xdfff) fail("half a surrogate pair");
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          }
          utf8(out, code);
          break;
        }
        default:
          fail("unknown escape");
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

Json Json::parse(std::string_view text) { return JsonParser(text).document(); }

void Json::wrong(const char* what, const char* expected) const {
  throw Error(ErrorKind::File, detail::formatMessage("graph metadata: %s must be %s", what, expected));
}
bool Json::boolean(const char* what) const {
  if (kind_ != Kind::Bool) wrong(what, "true or false");
  return bool_;
}
double Json::number(const char* what) const {
  // Non-finite numbers travel as strings.
  if (kind_ == Kind::String) {
    if (string_ == "nan") return std::nan("");
    if (string_ == "inf") return INFINITY;
    if (string_ == "-inf") return -INFINITY;
  }
  if (kind_ != Kind::Number) wrong(what, "a number");
  return number_;
}
int64_t Json::integer(const char* what) const {
  const double d = number(what);
  if (!(std::abs(d) <= 9007199254740992.0) || d != std::floor(d)) wrong(what, "an integer");
  return static_cast<int64_t>(d);
}
const std::string& Json::string(const char* what) const {
  if (kind_ != Kind::String) wrong(what, "a string");
  return string_;
}
const std::vector<Json>& Json::array(const char* what) const {
  if (kind_ != Kind::Array) wrong(what, "an array");
  return items_;
}
const std::vector<std::pair<std::string, Json>>& Json::fields(const char* what) const {
  if (kind_ != Kind::Object) wrong(what, "an object");
  return fields_;
}
const Json* Json::find(std::string_view name) const {
  for (const auto& [key, value] : fields_)
    if (key == name) return &value;
  return nullptr;
}
const Json& Json::at(const char* name) const {
  const Json* j = find(name);
  if (!j) throw Error(ErrorKind::File, detail::formatMessage("graph metadata: field '%s' is missing", name));
  return *j;
}

}  // namespace flambeau::runtime
