// Lists and ranges of whole numbers on the command line: `1,8,64`, `4-16`, `4-16+4`, `1-64*2`, `max`.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace photon::bench {

inline constexpr int64_t sweep_max = -1;  ///< stands for the word `max`

/// Values in the order written, each once. Numbers are 1 .. 2^31. Throws UsageError naming `option` and the
/// item that is wrong; `max` is one unless allowed.
std::vector<int64_t> parse_sweep(std::string_view text, std::string_view option, bool allow_max = false);

}  // namespace photon::bench
