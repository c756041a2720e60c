// SPDX-License-Identifier: Apache-2.0
#include "app/standard_streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "core/base/error.h"

namespace photon::app {
namespace {

/// Opened for the other direction, /dev/null refuses what its descriptor is for.
void open_if_closed(int descriptor, int flags) {
  if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) return;
  const int opened = open("/dev/null", flags);
  if (opened >= 0 && opened != descriptor) {
    dup2(opened, descriptor);
    close(opened);
  }
}

/// Says that all is written. What the system does not take is lost.
ssize_t write_message(void*, const char* text, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t written = write(STDERR_FILENO, text + done, size - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  return static_cast<ssize_t>(size);
}

}  // namespace

void secure_standard_streams() {
  open_if_closed(STDIN_FILENO, O_WRONLY);
  open_if_closed(STDOUT_FILENO, O_RDONLY);
  open_if_closed(STDERR_FILENO, O_WRONLY);
  // fmt::print throws where a write fails, in destructors too.
  if (FILE* const messages = fopencookie(
          nullptr, "w", {.read = nullptr, .write = write_message, .seek = nullptr, .close = nullptr})) {
    std::setvbuf(messages, nullptr, _IONBF, 0);
    stderr = messages;
  }
}

void finish_standard_output() {
  std::cout.flush();
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout) return;
  throw Error(fmt::format("standard output could not be written{}",
                          errno == 0 ? "" : std::string(": ") + std::strerror(errno)));
}

}  // namespace photon::app
