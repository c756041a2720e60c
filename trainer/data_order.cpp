// SPDX-License-Identifier: Apache-2.0
#include "trainer/data_order.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"

namespace photon::trainer {
namespace {

constexpr uint64_t shift_stream = uint64_t{1} << 63;
constexpr int feistel_rounds = 6;

}  // namespace

DataOrder::DataOrder(uint64_t seed, int64_t tokens, int64_t context)
    : philox_(seed ^ stable_hash("data order")), context_(context) {
  if (tokens < context) {
    throw Error(fmt::format("the training data hold {} tokens, less than one window of context = {}", tokens,
                            context));
  }
  // One window is given up to the shift, so that borders move even where the context divides the tokens.
  windows_ = std::max<int64_t>(1, tokens / context - 1);
  slack_ = std::min(context - 1, tokens - windows_ * context);
  while ((uint64_t{1} << (2 * half_bits_)) < static_cast<uint64_t>(windows_)) ++half_bits_;
}

int64_t DataOrder::start(int64_t sequence) const {
  const auto epoch = static_cast<uint64_t>(sequence / windows_);
  const auto index = static_cast<uint64_t>(sequence % windows_);
  const auto choices = static_cast<double>(slack_ + 1);
  const auto shift = static_cast<int64_t>(philox_.uniform(shift_stream | epoch, 0) * choices);
  return shift + static_cast<int64_t>(permute(epoch, index)) * context_;
}

// A Feistel network permutes 0 .. 4^half_bits - 1; walking its cycles until one lands among the windows
// permutes them.
uint64_t DataOrder::permute(uint64_t epoch, uint64_t index) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t x = index;
  do {
    uint64_t left = x >> half_bits_;
    uint64_t right = x & mask;
    for (uint64_t round = 0; round < feistel_rounds; ++round) {
      const uint64_t mixed = left ^ (philox_(epoch, round << 32 | right)[0] & mask);
      left = right;
      right = mixed;
    }
    x = left << half_bits_ | right;
  } while (x >= static_cast<uint64_t>(windows_));
  return x;
}

}  // namespace photon::trainer
