// SPDX-License-Identifier: Apache-2.0
// One answer from N samples of a prompt: what test-time scaling does with the cache that hierarchy saves.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace photon {

/// Index of the answer that occurs most often, surrounding white space aside; among equally frequent ones the
/// first to occur. Throws Error on no answers.
size_t majority_vote(std::span<const std::string> answers);

/// Index of the answer with the highest mean log-probability a token (the sum would favour short ones); the
/// first of equals. Throws Error on no answers.
size_t best_by_likelihood(std::span<const std::vector<double>> log_probs);

}  // namespace photon
