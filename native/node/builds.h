// Processes (the compiler) that run off the event loop: buildAsync of the addon.
#pragma once
#include <node_api.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace flambeau::node {

struct Build;

class Builds {
 public:
  explicit Builds(napi_env env) : env_(env) {}
  /// Ends what still runs: kills the processes, joins the threads.
  ~Builds();
  /// Starts a process; the promise gives { code, stderr, seconds } and never rejects once the process has started.
  napi_value start(std::vector<std::string> argv, std::string cwd);
  /// While on, running builds keep the process alive (someone awaits them).
  void keepAlive(bool on);

 private:
  void sweep();
  napi_env env_;
  bool keepAlive_ = false;
  std::vector<std::shared_ptr<Build>> running_;
};

}  // namespace flambeau::node
