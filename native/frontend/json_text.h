// Writing JSON.
#pragma once
#include <string>
#include <string_view>

namespace flambeau {

/// A string literal.
std::string jsonString(std::string_view text);
/// A number that reads back as the same double; NaN and infinities as the strings 'nan', 'inf', '-inf'.
std::string jsonNumber(double value);

}  // namespace flambeau
