// SPDX-License-Identifier: Apache-2.0
#include "core/backend/adamw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace photon {
namespace {

constexpr int64_t block_elements = 1 << 14;

struct Block {
  int64_t begin = 0;
  int64_t end = 0;
  bool decay = false;
};

std::vector<Block> trained_blocks(std::span<const ParameterInfo> list) {
  std::vector<Block> blocks;
  for (const auto& p : list) {
    if (!p.trained) continue;
    const int64_t end = p.offset + p.size();
    for (int64_t i = p.offset; i < end; i += block_elements) {
      blocks.push_back({i, std::min(i + block_elements, end), p.decay});
    }
  }
  return blocks;
}

/// Eight running sums in a fixed pattern: as fast as the vector unit, and always the same order.
double square_sum(const float* values, int64_t count) {
  std::array<double, 8> lanes{};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (size_t j = 0; j < 8; ++j) {
      const double v = values[i + static_cast<int64_t>(j)];
      lanes[j] += v * v;
    }
  }
  double tail = 0.0;
  for (; i < count; ++i) tail += static_cast<double>(values[i]) * values[i];
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])) +
         tail;
}

}  // namespace

AdamWFactors adamw_factors(const AdamWStep& step) {
  const auto t = static_cast<double>(step.step);
  return {.beta1 = static_cast<float>(step.beta1),
          .beta2 = static_cast<float>(step.beta2),
          .new1 = static_cast<float>(1.0 - step.beta1),
          .new2 = static_cast<float>(1.0 - step.beta2),
          .rate = static_cast<float>(step.learning_rate / (1.0 - std::pow(step.beta1, t))),
          .root_correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(step.beta2, t))),
          .epsilon = static_cast<float>(step.epsilon),
          .scale = static_cast<float>(step.gradient_scale),
          .shrink = static_cast<float>(1.0 - step.learning_rate * step.weight_decay)};
}

void adamw_update(std::span<const ParameterInfo> list, const AdamWStep& step, std::span<float> parameters,
                  std::span<const float> gradients, std::span<float> first, std::span<float> second) {
  const auto blocks = trained_blocks(list);
  const AdamWFactors factors = adamw_factors(step);
#pragma omp parallel for schedule(static)
  for (size_t b = 0; b < blocks.size(); ++b) {
    float* const p = parameters.data();
    const float* const gradient = gradients.data();
    float* const m = first.data();
    float* const v = second.data();
    const AdamWFactors f = factors;  // shared ones the compiler would read again for every element
    const float keep = blocks[b].decay ? f.shrink : 1.0f;
#pragma omp simd
    for (int64_t i = blocks[b].begin; i < blocks[b].end; ++i) {
      const float g = gradient[i] * f.scale;
      m[i] = f.beta1 * m[i] + f.new1 * g;
      v[i] = f.beta2 * v[i] + f.new2 * (g * g);
      p[i] = keep * p[i] - f.rate * m[i] / (std::sqrt(v[i]) * f.root_correction + f.epsilon);
    }
  }
}

double gradient_norm(std::span<const ParameterInfo> list, std::span<const float> gradients) {
  const auto blocks = trained_blocks(list);
  std::vector<double> sums(blocks.size());
#pragma omp parallel for schedule(static)
  for (size_t b = 0; b < blocks.size(); ++b) {
    sums[b] = square_sum(gradients.data() + blocks[b].begin, blocks[b].end - blocks[b].begin);
  }
  double total = 0.0;
  for (const double s : sums) total += s;
  return std::sqrt(total);
}

}  // namespace photon
