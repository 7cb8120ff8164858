// A small strict JSON reader for graph metadata. Throws Error(File) with the position of what does not fit.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flambeau::runtime {

class Json {
 public:
  enum class Kind : uint8_t { Null, Bool, Number, String, Array, Object };

  /// Parses a whole document; anything behind it is an error. Nesting deeper than 64 is refused.
  static Json parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool isNull() const { return kind_ == Kind::Null; }
  bool isNumber() const { return kind_ == Kind::Number; }
  bool isString() const { return kind_ == Kind::String; }
  bool isArray() const { return kind_ == Kind::Array; }
  bool isObject() const { return kind_ == Kind::Object; }
  bool isBool() const { return kind_ == Kind::Bool; }

  // Typed access; `what` names the value in the error.
  bool boolean(const char* what) const;
  double number(const char* what) const;
  int64_t integer(const char* what) const;
  const std::string& string(const char* what) const;
  const std::vector<Json>& array(const char* what) const;
  const std::vector<std::pair<std::string, Json>>& fields(const char* what) const;

  /// The field, or null when this is no object or has none of that name.
  const Json* find(std::string_view name) const;
  /// The field; throws when it is missing.
  const Json& at(const char* name) const;

 private:
  friend class JsonParser;
  [[noreturn]] void wrong(const char* what, const char* expected) const;
  Kind kind_ = Kind::Null;
  bool bool_ = false;
  double number_ = 0;
  std::string string_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> fields_;
};

}  // namespace flambeau::runtime
