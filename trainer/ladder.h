// SPDX-License-Identifier: Apache-2.0
// The choice of batch and learning rate. Architectures compared at one setting are compared at the setting
// that suits one of them; so each gets the best rung of one ladder, the same for all, and a best rung at an
// edge of the ladder says only that the ladder is too short.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace photon::trainer {

/// What a model is trained with.
struct Rung {
  int64_t batch = 0;           ///< sequences a step
  double learning_rate = 0.0;  ///< peak
  bool operator==(const Rung&) const = default;
};

/// "4 x 2e-3"
std::string to_string(const Rung& rung);

/// Every batch with every rate, both ascending.
struct Ladder {
  std::vector<int64_t> batches;
  std::vector<double> learning_rates;

  std::vector<Rung> rungs() const;
};

/// A rung that was trained on, and how well.
struct Tried {
  Rung rung;
  double loss = 0.0;  ///< of held-out tokens, nats a token; infinite where the training diverged
};

/// The ladder of all the rungs that were tried; it has holes where not every batch met every rate.
Ladder ladder_of(std::span<const Tried> tried);

/// The rung with the least loss; of equal ones the first. Throws std::logic_error on none, Error on a loss
/// that is not a number and where every training diverged.
const Tried& best_of(std::span<const Tried> tried);

/// Lengthens the ladder by one step beyond each edge that `best` stands on: half or twice the batch, and the
/// rate that goes on in the ratio of the two before. False, and nothing changed, if it stands on none. There
/// is no batch below one sequence, so that edge is none.
bool extend(Ladder& ladder, const Rung& best);

}  // namespace photon::trainer
