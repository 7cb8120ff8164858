// A very small test helper: TEST(name) registers a case, CHECK* record failures, main() comes from TEST_MAIN().
//   TEST(addsUp) { CHECK_EQ(1 + 1, 2); }
//   TEST_MAIN()
// Run one case: ./test_core_views NAME (substring).
#pragma once
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace check {

struct Case {
  const char* name;
  void (*run)();
};
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
inline int& failures() {
  static int count = 0;
  return count;
}
struct Register {
  Register(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

template <class T>
std::string show(const T& v) {
  if constexpr (requires(std::ostringstream & s) { s << v; }) {
    std::ostringstream s;
    s.precision(17);
    s << v;
    return s.str();
  } else if constexpr (requires { v.begin(), v.end(); }) {
    std::string s = "[";
    for (const auto& e : v) s += (s.size() > 1 ? ", " : "") + show(e);
    return s + "]";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(v));
  } else {
    return "?";
  }
}
inline void fail(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  ++failures();
}
inline bool close(double a, double b, double rtol, double atol) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  return std::abs(a - b) <= atol + rtol * std::abs(b);
}

inline int runAll(int argc, char** argv) {
  int ran = 0;
  for (const Case& c : cases()) {
    if (argc > 1 && !std::strstr(c.name, argv[1])) continue;
    ++ran;
    int before = failures();
    try {
      c.run();
    } catch (const std::exception& e) {
      fail(c.name, 0, std::string("unexpected exception: ") + e.what());
    }
    if (failures() != before) std::fprintf(stderr, "FAILED %s\n", c.name);
  }
  std::printf("%d cases, %d failed checks\n", ran, failures());
  return failures() == 0 && ran > 0 ? 0 : 1;
}

}  // namespace check

#define TEST(name)                                            \
  static void test_##name();                                  \
  static check::Register register_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(cond)                                                       \
  do {                                                                    \
    if (!(cond)) check::fail(__FILE__, __LINE__, "CHECK failed: " #cond); \
  } while (0)

#define CHECK_EQ(a, b)                                                                                         \
  do {                                                                                                         \
    auto checkA = (a); /* a copy: (a) may refer into a temporary */                                            \
    auto checkB = (b);                                                                                         \
    if (!(checkA == checkB))                                                                                   \
      check::fail(__FILE__, __LINE__,                                                                          \
                  "CHECK_EQ failed: " #a " == " #b ": " + check::show(checkA) + " vs " + check::show(checkB)); \
  } while (0)

#define CHECK_CLOSE(a, b, rtol, atol)                                                                            \
  do {                                                                                                           \
    double checkA = static_cast<double>(a), checkB = static_cast<double>(b);                                     \
    if (!check::close(checkA, checkB, rtol, atol))                                                               \
      check::fail(__FILE__, __LINE__,                                                                            \
                  "CHECK_CLOSE failed: " #a " ~ " #b ": " + check::show(checkA) + " vs " + check::show(checkB)); \
  } while (0)

/// The expression throws an exception whose message contains `text`.
#define CHECK_THROWS(expr, text)                                                                                 \
  do {                                                                                                           \
    bool checkThrown = false;                                                                                    \
    try {                                                                                                        \
      (void)(expr);                                                                                              \
    } catch (const std::exception& e) {                                                                          \
      checkThrown = true;                                                                                        \
      if (!std::strstr(e.what(), text))                                                                          \
        check::fail(__FILE__, __LINE__,                                                                          \
                    std::string("wrong message from " #expr ": '") + e.what() + "', expected '" + (text) + "'"); \
    }                                                                                                            \
    if (!checkThrown) check::fail(__FILE__, __LINE__, "nothing thrown by " #expr);                               \
  } while (0)

#define TEST_MAIN() \
  int main(int argc, char** argv) { return check::runAll(argc, argv); }
