// SPDX-License-Identifier: Apache-2.0
// An order-1 Markov chain over words, with its entropy rate in closed form: what a model that has learnt
// everything there is to learn reaches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

class MarkovWords {
 public:
  /// Each of `words` states goes on to 8 successors with unequal probabilities; all drawn from `seed`.
  /// `words` is 16 to the length of the built-in list, 192.
  MarkovWords(uint64_t seed, int64_t words = 192);

  /// States of document `index`, which begins in a state drawn from the stationary distribution.
  std::vector<int32_t> walk(uint64_t index, int64_t length) const;
  std::string_view word(int32_t state) const;
  double probability(int32_t state, int32_t next) const;
  int64_t states() const { return static_cast<int64_t>(rows_.size()); }

  /// sum over w of pi(w) · H(next | w), in bits.
  double entropy_per_word() const { return entropy_; }
  /// The same over bytes, each word followed by one separator.
  double entropy_per_byte() const;

 private:
  struct Next {
    int32_t state;
    double probability;
  };
  int32_t pick(int32_t state, double u) const;

  uint64_t seed_;
  std::vector<std::vector<Next>> rows_;
  std::vector<double> stationary_;
  double entropy_ = 0.0;
};

}  // namespace photon
