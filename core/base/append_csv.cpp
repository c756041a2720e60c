// SPDX-License-Identifier: Apache-2.0
#include "core/base/append_csv.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/base/error.h"

namespace photon {
namespace {

/// An open, exclusively locked file.
class LockedFile {
 public:
  explicit LockedFile(const std::filesystem::path& file) : name_(file.string()) {
    fd_ = ::open(name_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ < 0) fail("cannot be opened for appending");
    while (::flock(fd_, LOCK_EX) != 0) {
      if (errno != EINTR) fail("cannot be locked");
    }
  }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  off_t size() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) fail("cannot be examined");
    return status.st_size;
  }
  std::string read(off_t offset, size_t count) const {
    std::string bytes(count, '\0');
    const ssize_t got = ::pread(fd_, bytes.data(), count, offset);
    if (got < 0) fail("cannot be read");
    bytes.resize(got);
    return bytes;
  }
  /// All of it or nothing: what a full disk cut short is taken back.
  void append(const std::string& bytes) {
    const off_t before = size();
    size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t n = ::write(fd_, bytes.data() + written, bytes.size() - written);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        const int reason = errno;
        const bool restored = ::ftruncate(fd_, before) == 0;
        errno = reason;
        fail(restored ? "cannot be appended to" : "cannot be appended to, and its last line is now cut off");
      }
      written += static_cast<size_t>(n);
    }
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(fmt::format("{}: {}: {}", name_, what, std::strerror(errno)));
  }

  std::string name_;
  int fd_ = -1;
};

}  // namespace

void append_csv(const std::filesystem::path& file, const std::string& header, const std::string& lines,
                const std::string& schema) {
  LockedFile target(file);
  const off_t size = target.size();
  if (size == 0) {
    target.append(header + lines);
    return;
  }
  if (target.read(0, header.size()) != header) {
    throw Error(fmt::format("{}, line 1: not the columns of {}; nothing was appended: choose another file",
                            file.string(), schema));
  }
  if (target.read(size - 1, 1) != "\n") {
    throw Error(fmt::format("{}: the last line is cut off; nothing was appended: delete that line first",
                            file.string()));
  }
  target.append(lines);
}

}  // namespace photon
