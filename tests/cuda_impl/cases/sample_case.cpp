// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda_impl/cases/sample_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tests/cuda_impl/cases/output.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int32_t latest_start = 9;
constexpr double logit_scale = 3.0;
constexpr float highest_tied = 4.0f;  // of normals times the scale many are
constexpr int64_t most_checked = 100;

std::vector<int32_t> random_tokens(int64_t count, int32_t vocab, uint64_t seed) {
  const Philox random(seed);
  std::vector<int32_t> out;
  for (int64_t i = 0; i < count; ++i) {
    out.push_back(static_cast<int32_t>(random.uniform(0, static_cast<uint64_t>(i)) * vocab));
  }
  return out;
}

}  // namespace

std::string name_of(const SampleShape& p) {
  std::string name = fmt::format("states={} vocab={}", p.states, p.vocab);
  if (p.samples > 1) name += fmt::format(" samples={}", p.samples);
  if (p.count > 1) name += fmt::format(" count={}", p.count);
  if (p.first_state > 0) name += fmt::format(" first_state={}", p.first_state);
  if (p.first > 0) name += fmt::format(" first={}", p.first);
  if (p.step > 1) name += fmt::format(" step={}", p.step);
  if (p.mapped) name += " mapped";
  if (p.idle) name += " idle";
  if (p.given) name += " given";
  if (p.ties) name += " ties";
  return name;
}

RepeatedArray<float> SampleCase::random_logits(const SampleShape& p, uint64_t seed) {
  const auto size = static_cast<size_t>(p.states * p.vocab);
  if (!p.ties) return {size, seed, logit_scale};
  std::vector<float> values = random_values<float>(size, seed, logit_scale);
  for (float& v : values) v = std::min(highest_tied, std::round(2.0f * v) / 2.0f);
  return RepeatedArray<float>(values);
}

SampleCase::SampleCase(const SampleShape& p, uint64_t seed)
    : p_(p),
      capacity_(latest_start + p.first + p.count * p.step + 1),
      logits_(random_logits(p, seed)),
      tokens_(random_tokens(rows() * capacity_, p.vocab, seed + 1)),
      log_probs_(tokens_.size(), seed + 2) {
  const Philox random(seed + 3);
  for (int64_t entry = 0; entry < entries(); ++entry) {
    row_of_.push_back(static_cast<int32_t>(p.mapped ? rows() - 1 - entry : entry));
  }
  for (int64_t row = 0; row < rows(); ++row) {
    const auto r = static_cast<uint64_t>(row);
    const auto start = static_cast<int32_t>(random.uniform(1, r) * (latest_start + 1));
    start_.push_back(p.idle && row % 3 == 1 ? -1 : start);
    const auto places = static_cast<int32_t>(random.uniform(2, r) * (p.count + 1));
    known_.push_back(p.given && row % 2 == 0 ? start + p.first + places * p.step : 0);
  }
  device_start_ = DeviceArray<int32_t>(start_);
  device_known_ = DeviceArray<int32_t>(known_);
  device_row_of_ = DeviceArray<int32_t>(row_of_);
  op_ = {.logits = logits_.data(),
         .vocab = p.vocab,
         .states = p.states,
         .first_state = p.first_state,
         .samples = p.samples,
         .count = p.count,
         .row_of = p.mapped ? device_row_of_.data() : nullptr,
         .rows = {.tokens = tokens_.data(),
                  .log_probs = log_probs_.data(),
                  .capacity = capacity_,
                  .start = device_start_.data(),
                  .known = device_known_.data()},
         .first = p.first,
         .step = p.step};
}

void SampleCase::add_log_prob(OpOutput& to, const Place& place, int32_t token, float fast) const {
  float high = -INFINITY;
  for (int32_t i = 0; i < p_.vocab; ++i) high = std::max(high, logit(place.state, i));
  float sum = 0.0f;
  double exact_sum = 0.0;
  for (int32_t i = 0; i < p_.vocab; ++i) {
    sum += std::exp(logit(place.state, i) - high);
    exact_sum += std::exp(number(logit(place.state, i)) - number(high));
  }
  const float chosen = logit(place.state, token);
  const double log_sum = std::log(exact_sum);
  to.fast.push_back(number(fast));
  to.naive.push_back(number(chosen - high - std::log(sum)));
  to.exact.push_back(number(chosen) - number(high) - log_sum);
  to.magnitude = std::max(to.magnitude, std::abs(number(chosen)) + std::abs(number(high)) + log_sum);
}

std::vector<OpOutput> SampleCase::outputs() {
  OpOutput tokens = copied_output("tokens");
  OpOutput log_probs{"log_probs", {}, {}, {}, Precision::float32, 1.0};
  Untouched<int32_t> other_tokens(tokens_);
  Untouched<float> other_log_probs(log_probs_);
  const std::vector<int32_t> tokens_now = tokens_.read();
  const std::vector<float> log_probs_now = log_probs_.read();
  int64_t open = 0;
  int64_t checked = 0;
  const int64_t all = p_.states * p_.samples;
  for (int64_t sample = 0; sample < all; ++sample) {
    const int64_t among_all = p_.first_state * p_.samples + sample;
    const int64_t row = row_of_[static_cast<size_t>(among_all / p_.count)];
    const auto r = static_cast<size_t>(row);
    if (start_[r] < 0) continue;
    const int64_t position = start_[r] + p_.first + among_all % p_.count * p_.step;
    const auto at = static_cast<size_t>(row * capacity_ + position);
    other_tokens.touch(at);
    other_log_probs.touch(at);
    if (sample % check_step(all, most_checked) != 0) continue;
    const Place place{sample / p_.samples, row, position};
    const int32_t token = tokens_now[at];
    const bool in_vocabulary = token >= 0 && token < p_.vocab;
    const std::optional<int32_t> wanted =
        position < known_[r] ? std::optional<int32_t>(tokens_[at]) : expected(place);
    ++checked;
    if (!wanted.has_value()) ++open;
    // What rounding decides is a token all the same.
    add_copied(tokens, token, wanted.value_or(in_vocabulary ? token : 0));
    if (in_vocabulary) add_log_prob(log_probs, place, token, log_probs_now[at]);
  }
  OpOutput decided = copied_output("nine of ten samples are decided");
  add_copied(decided, open <= std::max<int64_t>(1, checked / 10) ? 1 : 0, 1);
  tokens_.restore();
  log_probs_.restore();
  return {tokens, log_probs, other_tokens.output("other tokens", tokens_now),
          other_log_probs.output("other log_probs", log_probs_now), decided};
}

}  // namespace photon::PHOTON_GPU
