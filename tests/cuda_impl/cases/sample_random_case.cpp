// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/sample_case.h"

namespace photon::PHOTON_GPU {
namespace {

struct Parameters {
  SampleShape shape;
  float temperature = 1.0f;
  int32_t top_k = 0;
  float top_p = 1.0f;
  int64_t first_sequence = 0;
};

std::string name_with(const Parameters& p) {
  std::string name = name_of(p.shape) + fmt::format(" temperature={}", p.temperature);
  if (p.top_k > 0) name += fmt::format(" top_k={}", p.top_k);
  if (p.top_p < 1.0f) name += fmt::format(" top_p={}", p.top_p);
  if (p.first_sequence > 0) name += fmt::format(" first_sequence={}", p.first_sequence);
  return name;
}

/// Weights in float err by a few of its roundings, in proportion to what they sum up to.
constexpr double margin = 2e-6;

class SampleRandomCase : public SampleCase {
 public:
  SampleRandomCase(const Parameters& p, uint64_t seed)
      : SampleCase(p.shape, seed), how_{p.temperature, p.top_k, p.top_p, seed + 4, p.first_sequence} {}

  void launch(Stream& stream) override { sample_random(stream, op_, how_); }
  Work work() const override { return sample_random_work(op_); }

 private:
  bool restricted() const { return how_.top_k > 0 || how_.top_p < 1.0f; }

  /// Tokens in the order in which their probabilities are summed.
  std::vector<int32_t> order(int64_t state) const {
    std::vector<int32_t> out(static_cast<size_t>(p_.vocab));
    std::iota(out.begin(), out.end(), 0);
    if (restricted()) {
      std::stable_sort(out.begin(), out.end(),
                       [&](int32_t a, int32_t b) { return logit(state, a) > logit(state, b); });
    }
    if (how_.top_k > 0) out.resize(std::min(out.size(), static_cast<size_t>(how_.top_k)));
    return out;
  }

  std::optional<int32_t> expected(const Place& place) const override {
    const std::vector<int32_t> tokens = order(place.state);
    double high = -INFINITY;
    for (int32_t i = 0; i < p_.vocab; ++i) high = std::max(high, static_cast<double>(logit(place.state, i)));
    std::vector<double> sums;  // of the weights up to each token
    double total = 0.0;
    for (const int32_t token : tokens) {
      total += std::exp((static_cast<double>(logit(place.state, token)) - high) /
                        static_cast<double>(how_.temperature));
      sums.push_back(total);
    }
    const double near = margin * total;
    if (how_.top_p < 1.0f) {
      const double wanted = static_cast<double>(how_.top_p) * total;
      const auto last = std::lower_bound(sums.begin(), sums.end() - 1, wanted);
      const bool one_more = last != sums.begin() && wanted - *(last - 1) < near;
      if (one_more || (last != sums.end() - 1 && *last - wanted < near)) return std::nullopt;
      sums.erase(last + 1, sums.end());
    }
    const double threshold =
        sums.back() * Philox(how_.seed).uniform(static_cast<uint64_t>(how_.first_sequence + place.row),
                                                static_cast<uint64_t>(place.position));
    const auto found = std::upper_bound(sums.begin(), sums.end() - 1, threshold);
    if (found != sums.begin() && threshold - *(found - 1) < near) return std::nullopt;
    if (found != sums.end() - 1 && *found - threshold < near) return std::nullopt;
    return tokens[static_cast<size_t>(found - sums.begin())];
  }

  RandomSampling how_;
};

}  // namespace

void add_sample_random_cases(std::vector<NamedCase>& cases) {
  std::vector<Parameters> all = {
      {.shape = {.vocab = 1}},
      {.shape = {.states = 30, .vocab = 2}},
      {.shape = {.states = 40, .vocab = 13, .idle = true, .given = true},
       .temperature = 0.7f,
       .first_sequence = 5},
      {.shape = {.states = 30, .vocab = 52, .count = 3, .first = 2, .step = 2, .given = true}},
      {.shape = {.states = 10, .vocab = 300, .samples = 4, .mapped = true, .idle = true},
       .temperature = 1.7f},
      {.shape = {.states = 20, .vocab = 600, .samples = 2, .first_state = 3, .ties = true}},
      {.shape = {.states = 40, .vocab = 5000}},
      {.shape = {.states = 30, .vocab = 13}, .top_k = 1},
      {.shape = {.states = 30, .vocab = 13, .ties = true}, .temperature = 2.0f, .top_k = 1},
      {.shape = {.states = 30, .vocab = 40, .ties = true}, .top_k = 7},
      {.shape = {.states = 10, .vocab = 300, .samples = 3, .ties = true}, .temperature = 3.0f, .top_k = 50},
      {.shape = {.states = 30, .vocab = 13}, .top_k = 13},
      {.shape = {.states = 30, .vocab = 13}, .top_k = 40},
      {.shape = {.states = 40, .vocab = 40}, .top_p = 0.83f},
      {.shape = {.states = 30, .vocab = 100, .ties = true}, .temperature = 1.5f, .top_p = 0.97f},
      {.shape = {.states = 30, .vocab = 52, .idle = true, .given = true}, .top_p = 1e-6f},
      {.shape = {.states = 30, .vocab = 100, .ties = true}, .temperature = 2.0f, .top_k = 20, .top_p = 0.91f},
      {.shape = {.states = 4, .vocab = 3000}, .temperature = 0.8f, .top_k = 40, .top_p = 0.95f},
  };
  for (const int64_t states : {1, 8, 64, 512, 2048}) {
    const SampleShape shape{.states = states, .vocab = 32000, .large = true};
    all.push_back({.shape = shape});
    all.push_back({.shape = shape, .temperature = 0.8f, .top_k = 40, .top_p = 0.95f});
  }
  all.push_back({.shape = {.states = 64, .vocab = 32000, .samples = 16, .large = true}, .top_p = 0.95f});
  for (const Parameters& p : all) {
    cases.push_back({"sample_random", name_with(p), p.shape.large,
                     [p](uint64_t seed) { return std::make_unique<SampleRandomCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
