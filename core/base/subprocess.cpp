// SPDX-License-Identifier: Apache-2.0
#include "core/base/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/base/error.h"

namespace photon {
namespace {

constexpr int not_found = 127;
constexpr size_t messages_kept = 4096;

struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Error(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_end(size_t i) {
    if (ends[i] >= 0) ::close(ends[i]);
    ends[i] = -1;
  }
  std::array<int, 2> ends{-1, -1};
};

/// In the child: only calls that are safe after fork.
[[noreturn]] void become(char* const* argv, const char* folder, int out, int err) {
  const int none = ::open("/dev/null", O_RDONLY);
  if (none >= 0) ::dup2(none, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  if (*folder != '\0' && ::chdir(folder) != 0) ::_exit(126);
  ::execvp(argv[0], argv);
  ::_exit(errno == ENOENT ? not_found : 126);
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& argv, const std::filesystem::path& folder,
                          const std::function<void(std::string_view)>& output) {
  std::vector<std::string> words = {"env", "LC_ALL=C"};
  words.insert(words.end(), argv.begin(), argv.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  Pipe out;
  Pipe err;
  const pid_t child = ::fork();
  if (child < 0) throw Error(fmt::format("{}: cannot be started: {}", argv[0], std::strerror(errno)));
  if (child == 0) become(pointers.data(), folder.c_str(), out.ends[1], err.ends[1]);
  out.close_end(1);
  err.close_end(1);

  CommandResult result;
  std::array<char, 65536> buffer;
  while (out.ends[0] >= 0 || err.ends[0] >= 0) {
    std::array<pollfd, 2> waits{{{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) break;
    for (size_t i = 0; i < waits.size(); ++i) {
      if (waits[i].revents == 0) continue;
      const ssize_t n = ::read(waits[i].fd, buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        (i == 0 ? out : err).close_end(0);
      } else if (i == 0) {
        if (output) output({buffer.data(), static_cast<size_t>(n)});
      } else {
        result.messages.append(buffer.data(), static_cast<size_t>(n));
        if (result.messages.size() > messages_kept)
          result.messages.erase(0, result.messages.size() - messages_kept);
      }
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.found = result.status != not_found;
  return result;
}

}  // namespace photon
