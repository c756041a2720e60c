// SPDX-License-Identifier: Apache-2.0
// In which order the lanes of a block run, drawn from a seed. A warp is chosen, then those of its lanes that
// can run do so in a shuffled order, all or half of them; how readily the same warp goes on differs from
// block to block, from none ahead of the others to one that runs to the next barrier before any other starts.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace photon::emulation {

/// splitmix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint64_t below(uint64_t bound) { return next() % bound; }

 private:
  uint64_t state_;
};

class LaneOrder {
 public:
  explicit LaneOrder(uint64_t seed = 0) : random_(seed) {
    const uint64_t draw = random_.next();
    constexpr std::array<unsigned, 4> stay = {0, 128, 240, 256};
    stay_ = stay[draw & 3];
    halves_ = draw & 4;
  }

  void make_ready(unsigned warp, unsigned lanes) {
    ready_[warp] |= lanes;
    if (ready_[warp] != 0) warps_ |= 1u << warp;
  }

  /// Index in the block of the lane to run, no longer ready; -1 if none is.
  int next() {
    if (at_ == queued_) {
      if (warps_ == 0) return -1;
      fill_queue();
    }
    return static_cast<int>(warp_ * 32 + queue_[at_++]);
  }

  /// The lane that runs after it, if that is known already; else -1.
  int peek() const { return at_ == queued_ ? -1 : static_cast<int>(warp_ * 32 + queue_[at_]); }

 private:
  void fill_queue() {
    const uint64_t draw = random_.next();
    if ((warps_ >> warp_ & 1u) == 0 || (draw & 255) >= stay_) {
      const auto turn = static_cast<int>(draw >> 8 & 31);
      warp_ = (std::countr_zero(std::rotr(warps_, turn)) + turn) & 31;
    }
    unsigned lanes = ready_[warp_];
    if (halves_ && (lanes & draw >> 32) != 0) lanes &= static_cast<unsigned>(draw >> 32);
    ready_[warp_] &= ~lanes;
    if (ready_[warp_] == 0) warps_ &= ~(1u << warp_);
    // i -> (odd · i + shift) ^ flip is a permutation of 0 .. 31.
    const unsigned odd = (draw >> 13 & 31) | 1u;
    const unsigned shift = draw >> 18 & 31;
    const unsigned flip = draw >> 23 & 31;
    unsigned queued = 0;  // a local: bytes of the queue may alias a member
    for (unsigned i = 0; i < 32; ++i) {
      const unsigned lane = ((odd * i + shift) & 31) ^ flip;
      queue_[queued] = static_cast<uint8_t>(lane);
      queued += lanes >> lane & 1u;
    }
    at_ = 0;
    queued_ = queued;
  }

  Random random_;
  std::array<unsigned, 32> ready_{};  ///< lanes, by warp
  unsigned warps_ = 0;                ///< those with a ready lane
  unsigned warp_ = 0;
  unsigned stay_ = 0;  ///< of 256: how often the warp goes on that ran last
  bool halves_ = false;
  std::array<uint8_t, 33> queue_{};
  unsigned at_ = 0;
  unsigned queued_ = 0;
};

}  // namespace photon::emulation
