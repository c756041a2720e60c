// SPDX-License-Identifier: Apache-2.0
// The help of every command ends with an example, and each example is a command line that photon takes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/app/run_photon.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

/// Those that a help text lists, each with the words in front.
void find_commands(const std::string& words, std::vector<std::string>& commands) {
  bool listing = false;
  for (const std::string& line : lines_of(run_photon(words + " --help").out)) {
    if (line.starts_with("Subcommands:")) {
      listing = true;
    } else if (listing && line.starts_with("  ") && line[2] != ' ' && !line.starts_with("  photon ")) {
      const std::string command = words + (words.empty() ? "" : " ") + line.substr(2, line.find(' ', 2) - 2);
      commands.push_back(command);
      find_commands(command, commands);
    } else if (!line.starts_with(" ")) {
      listing = false;
    }
  }
}

/// Exit code of the line in an empty folder; 130 where it was still at work after some seconds.
int code_of(const std::string& line, const std::filesystem::path& folder, std::string& messages) {
  const std::string shell =
      fmt::format("cd '{}' && photon() {{ timeout -s INT 3 '{}' \"$@\"; }}; {} </dev/null >out 2>messages",
                  folder.string(), photon_program(), line);
  const int status = std::system(fmt::format("bash -c '{}'",
                                             [&] {
                                               std::string quoted;
                                               for (const char c : shell)
                                                 quoted += c == '\'' ? "'\\''" : std::string(1, c);
                                               return quoted;
                                             }())
                                     .c_str());
  messages = read_text(folder / "messages");
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return code == 124 ? 130 : code;
}

TEST(Help, EveryOneEndsWithAnExampleThatIsTaken) {
  std::vector<std::string> commands;
  find_commands("", commands);
  ASSERT_GE(commands.size(), 25u);
  int64_t done = 0;
  for (const std::string& command : commands) {
    const auto help = lines_of(run_photon(command + " --help").out);
    const bool parent = command == "corpus" || command == "tokenizer";  // which have subcommands alone
    if (parent) continue;
    ASSERT_FALSE(help.empty()) << command;
    ASSERT_TRUE(help.back().starts_with("  photon ")) << command << ": " << help.back();
    // A family's bare words are one of its commands.
    EXPECT_TRUE(help.back().starts_with("  photon " + command.substr(0, command.find(' ')))) << help.back();
    const TempFolder folder;
    std::string messages;
    const int code = code_of(help.back(), folder.path(), messages);
    EXPECT_TRUE(code == 0 || code == 1 || code == 130) << help.back() << "\n" << code << messages;
    // What fails lacks a file of the user's, which this folder does not hold.
    if (code == 1) {
      EXPECT_NE(messages.find("no such file"), std::string::npos) << help.back() << "\n" << messages;
    }
    done += code == 0 ? 1 : 0;
  }
  EXPECT_GE(done, 10) << "those that need no file of the user's";
}

}  // namespace
}  // namespace photon::testing
