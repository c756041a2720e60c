// SPDX-License-Identifier: Apache-2.0
// From logits to tokens: log softmax and a choice, greedy or sampled. A given token stays what it is and gets
// its log probability. Random numbers are counted by (seed, row, position): the same whatever the batch.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/token_rows.h"

namespace photon::PHOTON_GPU {

struct Sample {
  const float* logits = nullptr;  ///< (states, vocab)
  int32_t vocab = 0;
  int64_t states = 0;
  int64_t first_state = 0;  ///< of these among all that are sampled from
  int32_t samples = 1;      ///< tokens sampled from each state, all for the same place in different rows
  int32_t count = 1;        ///< sample p (state · samples + sample) is for token p % count of row p / count
  const int32_t* row_of = nullptr;  ///< that row's number; null: itself
  TokenRows rows;
  int32_t first = 0;  ///< token i of a row stands at start + first + i · step
  int32_t step = 1;
};

/// What a part of a state's logits comes to.
struct GreedyPart {
  float high;    ///< largest logit
  float sum;     ///< of exp(logit - high)
  int32_t best;  ///< where `high` is first met
};

/// Parts that a state's logits are cut into.
int32_t greedy_parts(int32_t vocab);
/// Of both launches.
Work sample_greedy_work(const Sample& a);
/// Two launches: the parts (states, greedy_parts(vocab)), then their merging.
void sample_greedy(Stream& stream, const Sample& a, GreedyPart* parts);

struct RandomSampling {
  float temperature = 1.0f;
  int32_t top_k = 0;  ///< 0: no limit
  float top_p = 1.0f;
  uint64_t seed = 0;
  int64_t first_sequence = 0;  ///< random numbers of row r are those of first_sequence + r
};

Work sample_random_work(const Sample& a);
/// The inverse of the cumulative distribution at one uniform number: over the tokens in their order, or,
/// where top_k or top_p restricts them, from the likeliest down.
void sample_random(Stream& stream, const Sample& a, const RandomSampling& sampling);

}  // namespace photon::PHOTON_GPU
