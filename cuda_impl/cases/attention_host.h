// What the attention cases compute on the host: the softmax over a query's visible keys, in float and in
// double.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace photon::PHOTON_GPU {

/// (positions, head_size / 2, 2): cos and sin of rotary positions, theta 10,000.
inline std::vector<float> rotation_table(int64_t positions, int head_size) {
  std::vector<float> table;
  for (int64_t p = 0; p < positions; ++p) {
    for (int i = 0; i < head_size / 2; ++i) {
      const double angle = static_cast<double>(p) * std::pow(10000.0, -2.0 * i / head_size);
      table.push_back(static_cast<float>(std::cos(angle)));
      table.push_back(static_cast<float>(std::sin(angle)));
    }
  }
  return table;
}

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
