// SPDX-License-Identifier: Apache-2.0
// The help of every command ends with an example, and each example works.
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

/// Exit code of the line in `folder`; 130 where it was still at work after so many seconds and interrupted.
int code_of(const std::string& line, int seconds, const std::filesystem::path& folder,
            std::string& messages) {
  write_text(folder / "line.sh", fmt::format("photon() {{ timeout -s INT {} '{}' \"$@\"; }}\n{}\n", seconds,
                                             photon_program(), line));
  const int status = std::system(
      fmt::format("cd '{}' && bash line.sh </dev/null >out.txt 2>messages.txt", folder.string()).c_str());
  messages = read_text(folder / "messages.txt");
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return code == 124 ? 130 : code;
}

/// What the examples take for granted: texts, a corpus, checkpoints, results, another program's LLaMA.
void prepare(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "texts");
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text += fmt::format("{:x}{}", (i * 7919) % 5003, i % 12 == 11 ? ".\n" : " ");
  write_text(folder / "book.txt", text);
  for (int i = 0; i < 100; ++i)
    write_text(folder / "texts" / fmt::format("{}.txt", i), text.substr(static_cast<size_t>(i), 2000));
  write_text(folder / "rows.json", "[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]]");
  for (const char* line :
       {"photon corpus build --source texts --vocab 512 --out out/corpus",
        "photon init photon-tiny --set vocab=512 --seed 1 --out out/train/photon-tiny/checkpoint",
        "cp out/corpus/tokenizer.model out/train/photon-tiny/checkpoint/",
        "photon init vanilla-tiny --seed 1 --out vanilla",
        "photon convert --to-llama llama --checkpoint vanilla",
        "photon bench photon-tiny --prompt 16 --new 16 --max-seconds 0.01 --out results.csv",
        "cp results.csv before.csv; cp results.csv after.csv"}) {
    std::string messages;
    ASSERT_EQ(code_of(line, 120, folder, messages), 0) << line << "\n" << messages;
  }
}

TEST(Help, EveryOneEndsWithAnExampleThatWorks) {
  std::vector<std::string> commands;
  find_commands("", commands);
  ASSERT_GE(commands.size(), 25u);
  const TempFolder folder;
  prepare(folder.path());
  for (const std::string& command : commands) {
    if (command == "corpus" || command == "tokenizer") continue;  // which have subcommands alone
    const auto help = lines_of(run_photon(command + " --help").out);
    ASSERT_FALSE(help.empty()) << command;
    // A family's bare words are one of its commands.
    ASSERT_TRUE(help.back().starts_with("  photon " + command.substr(0, command.find(' ')))) << help.back();
    const bool trains = command == "train";  // into a folder that holds no run yet
    if (trains) std::filesystem::rename(folder / "out/train", folder / "trained");
    std::string messages;
    const int code = code_of(help.back(), 2, folder.path(), messages);
    EXPECT_TRUE(code == 0 || code == 130) << help.back() << "\n" << code << "\n" << messages;
    if (trains) {
      std::filesystem::remove_all(folder / "out/train");
      std::filesystem::rename(folder / "trained", folder / "out/train");
    }
  }
}

}  // namespace
}  // namespace photon::testing
