// See file.h.
#include "runtime/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "flambeau/error.h"

namespace flambeau::runtime {

std::vector<std::byte> readFile(const std::string& path) {
  struct Descriptor {
    int fd;
    ~Descriptor() {
      if (fd >= 0) ::close(fd);
    }
    // Without O_NONBLOCK a pipe would wait for its writer before fstat could refuse it.
  } file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  FB_CHECK(file.fd >= 0, File, "cannot read '%s': %s", path.c_str(), std::strerror(errno));
  struct stat info {};
  FB_CHECK(::fstat(file.fd, &info) == 0 && S_ISREG(info.st_mode), File, "cannot read '%s': it is no regular file",
           path.c_str());
  std::vector<std::byte> bytes;
  try {
    bytes.resize(static_cast<size_t>(info.st_size));
  } catch (const std::exception&) {
    throw Error(ErrorKind::Memory, "no memory for the " + std::to_string(info.st_size) + " bytes of '" + path + "'");
  }
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::read(file.fd, bytes.data() + at, bytes.size() - at);
    FB_CHECK(n > 0 || (n < 0 && errno == EINTR), File, "cannot read '%s' to its end", path.c_str());
    if (n > 0) at += static_cast<size_t>(n);
  }
  return bytes;
}

}  // namespace flambeau::runtime
