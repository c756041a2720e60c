// SPDX-License-Identifier: Apache-2.0
// Lists on the command line and in presets: words, and whole numbers with ranges, `1,8,64`, `4-16`, `4-16+4`,
// `1-64*2`, `max`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace photon::bench {

inline constexpr int64_t sweep_max = -1;  ///< stands for the word `max`

/// Values in the order written, each once. Numbers are 1 .. 2^31. Throws UsageError naming `option` and the
/// item that is wrong; `max` is one unless allowed.
std::vector<int64_t> parse_sweep(std::string_view text, std::string_view option, bool allow_max = false);

/// The words of a list, separated by commas, each through `parse`, which throws on what it does not know.
template <class T>
std::vector<T> parse_list(std::string_view text, T (*parse)(std::string_view)) {
  std::vector<T> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(parse(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

}  // namespace photon::bench
