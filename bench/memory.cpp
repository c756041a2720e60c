// SPDX-License-Identifier: Apache-2.0
#include "bench/memory.h"

#include <algorithm>
#include <cmath>

namespace photon::bench {
namespace {

constexpr double visible_bytes = 4 << 20;  // a thousand pages

/// Memory held when the last token arrives; empty if interrupted.
std::optional<int64_t> use_at_end(const Backend& backend, InferenceModel& model, const Case& c, int64_t batch,
                                  uint64_t seed, const Interrupted& interrupted) {
  GenerationRequest request = request_of(c, batch, seed);
  int64_t made = 0;
  std::optional<int64_t> use;
  bool stopped = false;
  request.on_burst = [&](const Burst& burst) {
    stopped = stopped || (interrupted && interrupted());
    made += static_cast<int64_t>(burst.tokens.size());
    if (made == batch * c.regime.new_tokens) use = backend.memory_in_use();
    return !stopped;
  };
  model.generate(request);
  return stopped ? std::nullopt : use;
}

}  // namespace

std::optional<MemoryBatches> memory_batches(const Case& c, double planned, double run_seconds,
                                            double max_seconds) {
  const int64_t prompts = c.batch / c.samples_per_prompt;
  const int64_t half = prompts / 2;
  const auto bytes = [&](int64_t more_prompts) {
    return planned * static_cast<double>(more_prompts * c.samples_per_prompt);
  };
  if (half >= 1 && bytes(prompts - half) >= visible_bytes) {
    return run_seconds <= max_seconds ? std::optional(MemoryBatches{half * c.samples_per_prompt, c.batch})
                                      : std::nullopt;
  }
  constexpr int64_t most = 256;
  const int64_t more =
      std::clamp(static_cast<int64_t>(std::ceil(visible_bytes / bytes(1))), int64_t{1}, most);
  const double growth = static_cast<double>(prompts + more) / static_cast<double>(prompts);
  if (run_seconds * growth > max_seconds) return std::nullopt;
  return MemoryBatches{c.batch, (prompts + more) * c.samples_per_prompt};
}

std::optional<double> measure_bytes_per_sample(const Backend& backend, InferenceModel& model, const Case& c,
                                               const MemoryBatches& batches, uint64_t seed,
                                               const Interrupted& interrupted) {
  const auto small = use_at_end(backend, model, c, batches.small, seed, interrupted);
  if (!small) return std::nullopt;
  const auto large = use_at_end(backend, model, c, batches.large, seed, interrupted);
  if (!large || static_cast<double>(*large - *small) < 0.1 * visible_bytes) return std::nullopt;
  return static_cast<double>(*large - *small) / static_cast<double>(batches.large - batches.small);
}

}  // namespace photon::bench
