// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "core/base/error.h"

namespace photon::analysis {
namespace {

constexpr int cannot_start = 127;

[[noreturn]] void become_gnuplot(const char* folder, const char* script, int errors) {
  const int nothing = ::open("/dev/null", O_RDWR);
  if (nothing >= 0) {
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(nothing, STDOUT_FILENO);
  }
  ::dup2(errors, STDERR_FILENO);
  if (::chdir(folder) == 0) ::execlp("gnuplot", "gnuplot", script, static_cast<char*>(nullptr));
  ::_exit(cannot_start);
}

std::string drain(int descriptor) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(descriptor, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

void run_gnuplot(const std::filesystem::path& folder, const std::filesystem::path& script) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw Error(fmt::format("no pipe to gnuplot: {}", std::strerror(errno)));
  const std::string where = folder.string();
  const std::string what = script.string();
  const pid_t child = ::fork();
  if (child == 0) become_gnuplot(where.c_str(), what.c_str(), pipe[1]);
  const int reason = errno;
  ::close(pipe[1]);
  const std::string said = child > 0 ? drain(pipe[0]) : "";
  ::close(pipe[0]);
  if (child < 0) throw Error(fmt::format("gnuplot cannot be started: {}", std::strerror(reason)));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == cannot_start) {
    throw Error("gnuplot draws the figures and is not installed: apt-get install gnuplot-nox");
  }
  const std::string how = WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                                              : fmt::format("failed with status {}", WEXITSTATUS(status));
  throw Error(fmt::format("gnuplot {} on {}:\n{}", how, (folder / script).string(), said));
}

}  // namespace photon::analysis
