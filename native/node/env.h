// Per-environment state (the main thread and each worker has its own), references to JavaScript values that native
// objects hold, and what V8's garbage collector is told about native memory.
#pragma once
#include <node_api.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "flambeau/tensor.h"

namespace flambeau::node {

/// Thrown through native code when a JavaScript exception is already pending.
struct JsException {};

/// Throws JsException when a JavaScript exception is pending, Error(Internal) for any other failure of a Node-API call.
void check(napi_env env, napi_status status);

/// The part of an environment that outlives it: native objects may drop references from other threads, or after
/// teardown.
class EnvLife {
 public:
  explicit EnvLife(napi_env env) : env_(env), thread_(std::this_thread::get_id()) {}
  bool isHere() const { return std::this_thread::get_id() == thread_; }
  bool alive() const { return alive_.load(std::memory_order_acquire); }
  /// Deletes now when on the environment's thread, else with the next drain().
  void drop(napi_ref ref);
  void drain();
  void end();

 private:
  std::mutex mutex_;
  napi_env env_;
  std::thread::id thread_;
  std::atomic<bool> alive_{true};
  std::vector<napi_ref> orphans_;
};

/// A strong reference to a JavaScript value, safe to drop on any thread.
class JsRef {
 public:
  JsRef() = default;
  JsRef(napi_env env, napi_value value);
  JsRef(JsRef&& o) noexcept : life_(std::move(o.life_)), ref_(std::exchange(o.ref_, nullptr)) {}
  JsRef& operator=(JsRef&& o) noexcept {
    std::swap(life_, o.life_);
    std::swap(ref_, o.ref_);
    return *this;
  }
  ~JsRef() {
    if (ref_) life_->drop(ref_);
  }
  explicit operator bool() const { return ref_ != nullptr; }
  bool isHere() const { return life_ && life_->isHere() && life_->alive(); }
  napi_value get(napi_env env) const;

 private:
  std::shared_ptr<EnvLife> life_;
  napi_ref ref_ = nullptr;
};

class Builds;

struct EnvData {
  explicit EnvData(napi_env e);
  ~EnvData();
  napi_env env;
  std::shared_ptr<EnvLife> life;
  JsRef siteProvider;
  /// Collects young garbage (src/young_garbage.ts).
  JsRef collector;
  /// ArrayBuffers that share a storage: one each, found again while it is alive.
  std::unordered_map<const Storage*, napi_ref> buffers;
  std::unique_ptr<Builds> builds;
};

/// The environment's data; made when the module is loaded into it.
EnvData& dataOf(napi_env env);
/// Sets up the data, the memory hook and the teardown order.
void initEnv(napi_env env);
/// Asks the JavaScript provider where the running call was made; empty when unknown.
std::string callSite(napi_env env);
/// Calls a JavaScript function; throws JsException when it throws.
napi_value callJs(napi_env env, napi_value fn, std::initializer_list<napi_value> args);
/// Before a handle is made, where V8 may collect anyway: has young garbage collected when much has been allocated
/// since.
void collectIfDue(napi_env env);
/// Bytes reported to V8 and not yet reported, for tests.
int64_t externalBytes();

}  // namespace flambeau::node
