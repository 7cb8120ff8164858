// Recordings that give up instead of throwing (an op that cannot be recorded ends them, and the function goes on), and
// recordings that wait while another one runs.
#pragma once
#include <optional>
#include <string>

namespace flambeau::trace {

/// What the recording that runs on this thread does with an op that it cannot express: give up (true) or throw (false,
/// as begin sets it).
void setTolerant(bool on);
/// A recording runs that is tolerant: of a call whose numbers are the user's, not of examples made up for another size.
bool ofACall();
/// The recording of this thread waits, and another may run until bringBack(); calls nest.
void setAside();
void bringBack();
/// Both, for a scope.
struct Aside {
  Aside() { setAside(); }
  ~Aside() { bringBack(); }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
};
/// Why the latest tolerant recording of this thread gave up; nothing when it did not.
std::optional<std::string> gaveUp();

}  // namespace flambeau::trace
