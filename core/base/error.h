// SPDX-License-Identifier: Apache-2.0
// What every failure in photon is: an exception that says what was wrong, where, and what would be right.
// The command line turns Error into exit code 1 and UsageError into exit code 2.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace photon {

/// A job that could not be done: a bad file, a bad config, a request that does not fit.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A command line that cannot be understood: an unknown option, a value out of its range.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Text read from a file as it may stand in a message: control bytes replaced, clipped to 100 bytes.
inline std::string clipped(std::string_view untrusted) {
  constexpr size_t limit = 100;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  size_t end = untrusted.size();
  if (end > limit) {
    end = limit;
    while (end > 0 && continues(untrusted[end])) --end;
  }
  std::string text;
  for (const char c : untrusted.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  if (end < untrusted.size()) text += "...";
  return text;
}

/// The same in quotes: a name.
inline std::string in_quotes(std::string_view untrusted) {
  std::string text(1, '\'');
  text += clipped(untrusted);
  text.push_back('\'');
  return text;
}

}  // namespace photon
