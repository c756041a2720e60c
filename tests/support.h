// SPDX-License-Identifier: Apache-2.0
// What tests of every folder share: printed seeds, and messages of errors.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace photon::testing {

/// Random unless given; printed, so that a failure can be repeated: PHOTON_TEST_SEED=n.
inline uint64_t test_seed() {
  static const uint64_t seed = [] {
    const char* text = std::getenv("PHOTON_TEST_SEED");
    const uint64_t s = text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device{}();
    std::cout << "PHOTON_TEST_SEED=" << s << '\n';
    return s;
  }();
  return seed;
}

/// The message of the E that `action` throws; empty, and a failure, if it throws none.
template <class E, class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const E& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

/// `text` holds each of `parts`.
inline ::testing::AssertionResult holds(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (text.find(part) == std::string::npos) {
      return ::testing::AssertionFailure() << "no '" << part << "' in '" << text << "'";
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace photon::testing
