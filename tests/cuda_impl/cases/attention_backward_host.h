// SPDX-License-Identifier: Apache-2.0
// What the cases of attention's backward passes compute on the host, in float and in double: the gradients
// that one query gives. Templated so that the gradient test can differentiate what it stands beside.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

template <class S>
S inner(std::span<const S> a, const S* b) {
  S sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Scaled scores of a query with each of `keys`, (rows, head_size).
template <class S>
std::vector<S> attention_scores(std::span<const S> query, std::span<const S> keys) {
  const size_t size = query.size();
  std::vector<S> scores(keys.size() / size);
  for (size_t j = 0; j < scores.size(); ++j) {
    scores[j] = inner<S>(query, keys.data() + j * size) / std::sqrt(static_cast<S>(size));
  }
  return scores;
}

/// Natural logarithm of the sum of exponentials.
template <class S>
S log_sum(std::span<const S> scores) {
  const S most = *std::max_element(scores.begin(), scores.end());
  S sum = 0;
  for (const S score : scores) sum += std::exp(score - most);
  return most + std::log(sum);
}

/// What one query adds to the gradients of itself and of the keys and values that it sees; null: not wanted.
/// `mean` is the inner product of the gradient of its result with the result.
template <class S>
void add_attention_gradients(std::span<const S> query, std::span<const S> keys, std::span<const S> values,
                             std::span<const S> d_out, std::span<const S> weights, S mean, S* d_query,
                             S* d_keys, S* d_values) {
  const size_t size = query.size();
  for (size_t j = 0; j < weights.size(); ++j) {
    const S d_weight = inner<S>(d_out, values.data() + j * size);
    const S d_score = weights[j] * (d_weight - mean) / std::sqrt(static_cast<S>(size));
    for (size_t i = 0; i < size; ++i) {
      if (d_query != nullptr) d_query[i] += d_score * keys[j * size + i];
      if (d_keys != nullptr) d_keys[j * size + i] += d_score * query[i];
      if (d_values != nullptr) d_values[j * size + i] += weights[j] * d_out[i];
    }
  }
}

/// The same where nothing is known of the forward pass.
template <class S>
void add_attention_gradients(std::span<const S> query, std::span<const S> keys, std::span<const S> values,
                             std::span<const S> d_out, S* d_query, S* d_keys, S* d_values) {
  std::vector<S> weights = attention_scores(query, keys);
  const S most = *std::max_element(weights.begin(), weights.end());
  S sum = 0;
  for (S& w : weights) sum += w = std::exp(w - most);
  S mean = 0;
  for (size_t j = 0; j < weights.size(); ++j) {
    weights[j] /= sum;
    mean += weights[j] * inner<S>(d_out, values.data() + j * query.size());
  }
  add_attention_gradients<S>(query, keys, values, d_out, weights, mean, d_query, d_keys, d_values);
}

/// Turns the head that begins at x by the angles (head_size / 2, 2) of its position, or back.
template <class S>
void turn_head(S* x, size_t size, const float* angles, bool back = false) {
  const size_t half = size / 2;
  for (size_t j = 0; j < half; ++j) {
    const auto c = static_cast<S>(angles[2 * j]);
    const auto s = back ? -static_cast<S>(angles[2 * j + 1]) : static_cast<S>(angles[2 * j + 1]);
    const S first = x[j];
    const S second = x[j + half];
    x[j] = first * c - second * s;
    x[j + half] = second * c + first * s;
  }
}

}  // namespace photon::PHOTON_GPU
