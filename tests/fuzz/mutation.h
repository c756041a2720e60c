// SPDX-License-Identifier: Apache-2.0
// One small change of a text, as the seeded mutators of the fuzz targets make them.
#pragma once

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace photon::testing {

/// `words` are what the format is made of: one of them is put somewhere now and then.
inline void mutate(std::string& text, std::span<const std::string_view> words, std::mt19937& rng) {
  const size_t at = text.empty() ? 0 : rng() % text.size();
  switch (rng() % 7) {
    case 0:
      if (!words.empty()) text.insert(at, words[rng() % words.size()]);
      break;
    case 1:
      text.erase(at, 1 + rng() % 8);
      break;
    case 2:
      if (!text.empty()) text[at] = static_cast<char>(rng());
      break;
    case 3:
      if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << rng() % 8));
      break;
    case 4:
      text.insert(at, text.substr(text.empty() ? 0 : rng() % text.size(), rng() % 64));
      break;
    case 5: {  // a number elsewhere
      const size_t digit = text.find_first_of("0123456789", at);
      if (digit == std::string::npos) break;
      const size_t end = std::min(text.find_first_not_of("0123456789", digit), text.size());
      text.replace(digit, end - digit, std::to_string(rng() % 64));
      break;
    }
    default:
      text.resize(rng() % (text.size() + 8), ' ');
      break;
  }
}

}  // namespace photon::testing
