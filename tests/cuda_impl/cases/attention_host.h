// SPDX-License-Identifier: Apache-2.0
// What the attention cases compute on the host: the softmax over a query's visible keys, in float and in
// double.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// One query over `keys` and `values`, (rows, head_size) each; the result is as long as the query.
template <class S>
std::vector<S> attend(std::span<const S> query, std::span<const S> keys, std::span<const S> values) {
  const size_t size = query.size();
  const size_t rows = keys.size() / size;
  std::vector<S> weights(rows);
  S most = -INFINITY;
  for (size_t j = 0; j < rows; ++j) {
    S dot = 0;
    for (size_t i = 0; i < size; ++i) dot += query[i] * keys[j * size + i];
    weights[j] = dot / std::sqrt(static_cast<S>(size));
    most = std::max(most, weights[j]);
  }
  S sum = 0;
  for (S& w : weights) sum += w = std::exp(w - most);
  std::vector<S> out(size, S{0});
  for (size_t j = 0; j < rows; ++j) {
    for (size_t i = 0; i < size; ++i) out[i] += weights[j] / sum * values[j * size + i];
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
