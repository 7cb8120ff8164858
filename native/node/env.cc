// See env.h.
#include "node/env.h"

#include <unistd.h>

#include <algorithm>

#include "node/builds.h"
#include "node/handle.h"

namespace flambeau::node {

namespace {

// V8 is told in steps: a call per storage would cost more than small ops do.
constexpr int64_t kReportStep = 256 * 1024;

// V8 collects whenever 64 MiB of external memory have come since the last collection, which takes milliseconds: as long
// as an op on a large tensor. It is told a share of every storage, so that more of them wait to be collected together:
// 128 MiB, and of large ones up to 256 MiB or a 32nd of the machine's memory, whichever is less.
constexpr int64_t kShare = 2, kLargeShare = 4, kLargeBytes = int64_t{8} << 20, kStep = int64_t{64} << 20;

int64_t reported(int64_t delta) {
  static const int64_t large = [] {
    const int64_t memory = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
    return std::clamp(memory / 32 / kStep, kShare, kLargeShare);
  }();
  return delta / (delta >= kLargeBytes || delta <= -kLargeBytes ? large : kShare);
}

// Fresh memory that is worth a collection of young objects: about a last-level cache, since memory that comes back
// sooner is still in it. Where little came back (the program holds what it makes) the next one waits for twice as much.
// A handle counts for itself, too: with its tensor, its node and what Node-API keeps it lies in half a dozen places,
// and some thousands of them fill the caches (an addition of 8 numbers took twice as long when 100,000 waited).
constexpr int64_t kFresh = int64_t{32} << 20, kMostFresh = int64_t{8} << 30, kWorthwhile = 4, kHandle = 4096;

struct MemoryReport {
  napi_env env = nullptr;
  int64_t pending = 0, reported = 0;
  int64_t live = 0, fresh = 0, patience = kFresh;
};
thread_local MemoryReport tlsMemory;

void onMemory(int64_t delta) {
  MemoryReport& m = tlsMemory;
  m.live += delta;
  if (delta > 0) m.fresh += delta;
  m.pending += reported(delta);
  if (m.pending < kReportStep && m.pending > -kReportStep) return;
  if (!m.env) return;
  // A thread that frees what another one made must not bring its own total below zero.
  int64_t change = m.pending;
  if (m.reported + change < 0) change = -m.reported;
  m.pending -= change;
  m.reported += change;
  int64_t now;
  if (change != 0) napi_adjust_external_memory(m.env, change, &now);
}

void onTeardown(void* p) {
  auto* data = static_cast<EnvData*>(p);
  setMemoryHook(nullptr);
  tlsMemory = {};
  data->builds.reset();  // ends processes and threads while the environment is still whole
  data->siteProvider = JsRef();
  data->collector = JsRef();
  data->life->end();
}

}  // namespace

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending || status == napi_pending_exception) throw JsException{};
  throw Error(ErrorKind::Internal, "Node-API call failed with status " + std::to_string(static_cast<int>(status)));
}

void EnvLife::drop(napi_ref ref) {
  std::lock_guard lock(mutex_);
  if (!alive_) return;  // teardown freed it
  if (isHere())
    napi_delete_reference(env_, ref);
  else
    orphans_.push_back(ref);
}

void EnvLife::drain() {
  std::lock_guard lock(mutex_);
  for (napi_ref r : orphans_) napi_delete_reference(env_, r);
  orphans_.clear();
}

void EnvLife::end() {
  drain();
  std::lock_guard lock(mutex_);
  alive_ = false;
}

JsRef::JsRef(napi_env env, napi_value value) : life_(dataOf(env).life) {
  life_->drain();
  check(env, napi_create_reference(env, value, 1, &ref_));
}

napi_value JsRef::get(napi_env env) const {
  napi_value v;
  check(env, napi_get_reference_value(env, ref_, &v));
  return v;
}

EnvData::EnvData(napi_env e) : env(e), life(std::make_shared<EnvLife>(e)) {}
EnvData::~EnvData() = default;

EnvData& dataOf(napi_env env) {
  void* p = nullptr;
  napi_get_instance_data(env, &p);
  return *static_cast<EnvData*>(p);
}

void initEnv(napi_env env) {
  auto* data = new EnvData(env);
  data->builds = std::make_unique<Builds>(env);
  // Instance data is finalized after the cleanup hook, and after all handles.
  check(env, napi_set_instance_data(
                 env, data, [](napi_env, void* p, void*) { delete static_cast<EnvData*>(p); }, nullptr));
  check(env, napi_add_env_cleanup_hook(env, onTeardown, data));
  tlsMemory.env = env;
  setMemoryHook(onMemory);
}

std::string callSite(napi_env env) {
  EnvData& data = dataOf(env);
  if (!data.siteProvider) return {};
  napi_value site = callJs(env, data.siteProvider.get(env), {});
  napi_valuetype type;
  check(env, napi_typeof(env, site, &type));
  if (type != napi_string) return {};
  size_t n = 0;
  napi_get_value_string_utf8(env, site, nullptr, 0, &n);
  std::string s(n, '\0');
  napi_get_value_string_utf8(env, site, s.data(), n + 1, &n);
  return s;
}

napi_value callJs(napi_env env, napi_value fn, std::initializer_list<napi_value> args) {
  napi_value receiver, result;
  check(env, napi_get_undefined(env, &receiver));
  check(env, napi_call_function(env, receiver, fn, args.size(), args.begin(), &result));
  return result;
}

void collectIfDue(napi_env env) {
  MemoryReport& m = tlsMemory;
  if ((m.fresh += kHandle) < m.patience) return;
  const auto held = [&] { return m.live + kHandle * liveHandles(); };
  const int64_t fresh = std::exchange(m.fresh, 0), before = held();
  const JsRef& collector = dataOf(env).collector;
  if (!collector) return;
  napi_value receiver, result;
  // What it throws (a worker that is being ended) shows in the next call.
  if (napi_get_undefined(env, &receiver) == napi_ok)
    napi_call_function(env, receiver, collector.get(env), 0, nullptr, &result);
  m.patience = (before - held()) * kWorthwhile < fresh ? std::min(m.patience * 2, kMostFresh) : kFresh;
}

int64_t externalBytes() { return tlsMemory.reported + tlsMemory.pending; }

}  // namespace flambeau::node
