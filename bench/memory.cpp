#include "bench/memory.h"

#include <algorithm>

namespace photon::bench {
namespace {

/// Memory held at the end of a run that it did not hold before; empty if interrupted.
std::optional<int64_t> growth(const Backend& backend, InferenceModel& model, const Case& c, int64_t batch,
                              uint64_t seed, const Interrupted& interrupted) {
  GenerationRequest request = request_of(c, batch, seed);
  int64_t made = 0;
  int64_t peak = 0;
  bool stopped = false;
  request.on_burst = [&](const Burst& burst) {
    stopped = interrupted && interrupted();
    made += static_cast<int64_t>(burst.tokens.size());
    if (made >= batch * c.regime.new_tokens) peak = backend.memory_in_use();
    return !stopped;
  };
  const int64_t before = backend.memory_in_use();
  model.generate(request);
  if (stopped || peak == 0) return std::nullopt;
  return peak - before;
}

}  // namespace

std::optional<double> measure_bytes_per_sample(const Backend& backend, InferenceModel& model, const Case& c,
                                               uint64_t seed, const Interrupted& interrupted) {
  const int64_t prompts = c.batch / c.samples_per_prompt;
  const int64_t other = (prompts > 1 ? prompts / 2 : 2) * c.samples_per_prompt;
  const auto here = growth(backend, model, c, c.batch, seed, interrupted);
  if (!here) return std::nullopt;
  const auto there = growth(backend, model, c, other, seed, interrupted);
  if (!there) return std::nullopt;
  constexpr int64_t resolution = 64 << 10;  // a page or two for each of a dozen allocations
  if (std::abs(*here - *there) < resolution) return std::nullopt;
  const double slope = static_cast<double>(*here - *there) / static_cast<double>(c.batch - other);
  return slope > 0.0 ? std::optional(slope) : std::nullopt;
}

}  // namespace photon::bench
