// A JSON reader just large enough for the trace format.
#pragma once
#include <cmath>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace mini {

struct Json {
  enum class Kind { Null, Bool, Number, String, Array, Object } kind = Kind::Null;
  double number = 0;
  std::string string;
  std::vector<Json> items;
  std::map<std::string, Json> fields;

  bool isNull() const { return kind == Kind::Null; }
  bool has(const std::string& k) const { return fields.contains(k); }
  const Json& operator[](const std::string& k) const {
    auto it = fields.find(k);
    if (it == fields.end()) throw std::runtime_error("no field " + k);
    return it->second;
  }
  const Json& operator[](size_t i) const { return items.at(i); }
  size_t size() const { return items.size(); }
  double num() const {
    if (kind == Kind::String) return string == "nan" ? NAN : string == "inf" ? INFINITY : -INFINITY;
    return number;
  }
  int64_t i() const { return static_cast<int64_t>(number); }
};

class Parser {
 public:
  explicit Parser(const std::string& text) : p_(text.c_str()) {}
  Json parse() {
    skip();
    Json j;
    if (*p_ == '{') {
      j.kind = Json::Kind::Object;
      ++p_;
      for (skip(); *p_ != '}'; skip()) {
        std::string key = parse().string;
        expect(':');
        j.fields[key] = parse();
        skip();
        if (*p_ == ',') ++p_;
      }
      ++p_;
    } else if (*p_ == '[') {
      j.kind = Json::Kind::Array;
      ++p_;
      for (skip(); *p_ != ']'; skip()) {
        j.items.push_back(parse());
        skip();
        if (*p_ == ',') ++p_;
      }
      ++p_;
    } else if (*p_ == '"') {
      j.kind = Json::Kind::String;
      for (++p_; *p_ != '"'; ++p_) j.string += *p_ == '\\' ? *++p_ : *p_;
      ++p_;
    } else if (*p_ == 't' || *p_ == 'f') {
      j.kind = Json::Kind::Bool;
      j.number = *p_ == 't';
      p_ += *p_ == 't' ? 4 : 5;
    } else if (*p_ == 'n') {
      p_ += 4;
    } else {
      char* end;
      j.kind = Json::Kind::Number;
      j.number = std::strtod(p_, &end);
      if (end == p_) throw std::runtime_error(std::string("bad JSON at ") + std::string(p_).substr(0, 20));
      p_ = end;
    }
    return j;
  }

 private:
  void skip() {
    while (*p_ == ' ' || *p_ == '\n') ++p_;
  }
  void expect(char c) {
    skip();
    if (*p_++ != c) throw std::runtime_error("bad JSON");
  }
  const char* p_;
};

}  // namespace mini
