// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.h"

#include <fstream>

namespace photon::app {

std::vector<std::string> command_line() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(in, word, '\0');) words.push_back(word);
  return words;
}

}  // namespace photon::app
