// See builds.h. One thread per running process waits for it and hands the result to the event loop.
#include "node/builds.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <mutex>

#include "node/functions.h"

extern char** environ;

namespace flambeau::node {

struct Build {
  std::vector<std::string> argv;
  std::string cwd, output;
  int code = -1;
  double seconds = 0;
  std::mutex
      mutex;  // guards pid against a kill after the process was reaped, and `notify` against use after its release
  pid_t pid = 0;
  int pipe = -1;
  std::thread thread;
  std::atomic<bool> done{false}, cancelled{false};
  napi_deferred deferred = nullptr;
  napi_threadsafe_function notify = nullptr;
  bool referenced = false;
};

namespace {

/// Compiler messages are for people: more than this is noise.
constexpr size_t kMaxOutput = 1 << 20;

void spawn(Build& b) {
  int fds[2];
  FB_CHECK(pipe2(fds, O_CLOEXEC) == 0, Compile, "cannot start %s: %s", b.argv[0].c_str(), std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
  posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
  if (!b.cwd.empty()) posix_spawn_file_actions_addchdir_np(&actions, b.cwd.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that the compiler's children can be ended with it; default signals, nothing blocked.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (std::string& s : b.argv) argv.push_back(s.data());
  argv.push_back(nullptr);
  const int error = posix_spawnp(&b.pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(fds[1]);
  if (error != 0) {
    close(fds[0]);
    throw Error(ErrorKind::Compile, "cannot start " + b.argv[0] + ": " + std::strerror(error));
  }
  b.pipe = fds[0];
}

void wait(Build& b) {
  const auto start = std::chrono::steady_clock::now();
  char buffer[4096];
  for (;;) {
    const ssize_t n = read(b.pipe, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (b.output.size() < kMaxOutput) b.output.append(buffer, static_cast<size_t>(n));
  }
  close(b.pipe);
  // Look without reaping first: the pid stays ours until `mutex` is held.
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(b.pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  int status = 0;
  {
    std::lock_guard lock(b.mutex);
    while (waitpid(b.pid, &status, 0) < 0 && errno == EINTR) {
    }
    b.pid = 0;
  }
  b.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  b.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void resolve(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<std::shared_ptr<Build>> held(static_cast<std::shared_ptr<Build>*>(data));
  Build& b = **held;
  if (!env || b.cancelled) return;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value o, code, text, seconds;
  napi_create_object(env, &o);
  napi_create_int32(env, b.code, &code);
  napi_create_string_utf8(env, b.output.data(), b.output.size(), &text);
  napi_create_double(env, b.seconds, &seconds);
  napi_set_named_property(env, o, "code", code);
  napi_set_named_property(env, o, "stderr", text);
  napi_set_named_property(env, o, "seconds", seconds);
  napi_resolve_deferred(env, b.deferred, o);
  napi_close_handle_scope(env, scope);
}

}  // namespace

napi_value Builds::start(std::vector<std::string> argv, std::string cwd) {
  FB_CHECK(!argv.empty(), Value, "buildAsync(): argv is empty");
  sweep();
  auto b = std::make_shared<Build>();
  b->argv = std::move(argv);
  b->cwd = std::move(cwd);
  spawn(*b);
  napi_value promise, name;
  check(env_, napi_create_promise(env_, &b->deferred, &promise));
  check(env_, napi_create_string_utf8(env_, "flambeau.build", NAPI_AUTO_LENGTH, &name));
  check(env_, napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, resolve,
                                              &b->notify));
  if (!keepAlive_) napi_unref_threadsafe_function(env_, b->notify);
  b->referenced = keepAlive_;
  b->thread = std::thread([b] {
    wait(*b);
    napi_status status = napi_ok;
    if (!b->cancelled) {
      auto* held = new std::shared_ptr<Build>(b);
      status = napi_call_threadsafe_function(b->notify, held, napi_tsfn_nonblocking);
      if (status != napi_ok) delete held;
    }
    std::lock_guard lock(b->mutex);
    b->done = true;
    // A call that found the function closing has released it already.
    if (status != napi_closing) napi_release_threadsafe_function(b->notify, napi_tsfn_release);
  });
  running_.push_back(std::move(b));
  return promise;
}

void Builds::sweep() {
  std::erase_if(running_, [](const std::shared_ptr<Build>& b) {
    if (!b->done) return false;
    b->thread.join();
    return true;
  });
}

void Builds::keepAlive(bool on) {
  sweep();
  keepAlive_ = on;
  for (auto& b : running_) {
    std::lock_guard lock(b->mutex);
    if (b->done || b->referenced == on) continue;
    b->referenced = on;
    if (on)
      napi_ref_threadsafe_function(env_, b->notify);
    else
      napi_unref_threadsafe_function(env_, b->notify);
  }
}

Builds::~Builds() {
  for (auto& b : running_) {
    b->cancelled = true;
    std::lock_guard lock(b->mutex);
    if (b->pid > 0) kill(-b->pid, SIGKILL);
  }
  for (auto& b : running_) b->thread.join();
}

namespace {

napi_value buildAsync(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"argv", "cwd"};
  return invoke(env, info, "buildAsync", names, [&](Args& a) {
    std::string cwd = a.absent(1) ? std::string() : std::string(a.string(1));
    return dataOf(env).builds->start(a.strings(0), std::move(cwd));
  });
}

napi_value keepBuildsAlive(napi_env env, napi_callback_info info) {
  constexpr const char* names[] = {"on"};
  return invoke(env, info, "keepBuildsAlive", names, [&](Args& a) -> napi_value {
    dataOf(env).builds->keepAlive(a.boolean(0));
    return nullptr;
  });
}

}  // namespace

void registerBuildFunctions(napi_env env, napi_value target) {
  defineFunction(env, target, "buildAsync", buildAsync);
  defineFunction(env, target, "keepBuildsAlive", keepBuildsAlive);
}

}  // namespace flambeau::node
