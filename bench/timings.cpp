// SPDX-License-Identifier: Apache-2.0
#include "bench/timings.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "core/base/error.h"

namespace photon::bench {
namespace {

void check(const GenerationRequest& request, const GenerationResult& result) {
  const auto rows = request.prompts.size() * static_cast<size_t>(request.samples);
  if (result.tokens.size() != rows) {
    throw Error(fmt::format("benchmark: asked for {} rows, the model made {}", rows, result.tokens.size()));
  }
  for (size_t r = 0; r < rows; ++r) {
    if (static_cast<int64_t>(result.tokens[r].size()) != request.new_tokens) {
      throw Error(fmt::format("benchmark: row {} has {} tokens where {} were asked for", r,
                              result.tokens[r].size(), request.new_tokens));
    }
  }
  for (const double s : {result.prefill_seconds, result.ttft_seconds, result.decode_seconds}) {
    if (!std::isfinite(s) || s < 0.0)
      throw Error(fmt::format("benchmark: the model reports a time of {} s", s));
  }
}

PhaseTimes times_of(const GenerationResult& result) {
  return {.prefill = {result.prefill_seconds},
          .decode = {result.decode_seconds},
          .ttft = {result.ttft_seconds},
          .total = {result.prefill_seconds + result.decode_seconds},
          .burst_gaps = result.burst_seconds,
          .kv_bytes_planned = result.kv_bytes_planned,
          .local_bytes = result.local_bytes};
}

}  // namespace

void PhaseTimes::append(const PhaseTimes& more) {
  const auto add = [](std::vector<double>& a, const std::vector<double>& b) {
    a.insert(a.end(), b.begin(), b.end());
  };
  add(prefill, more.prefill);
  add(decode, more.decode);
  add(ttft, more.ttft);
  add(total, more.total);
  add(burst_gaps, more.burst_gaps);
  kv_bytes_planned = more.kv_bytes_planned;
  local_bytes = more.local_bytes;
}

Sampler<PhaseTimes> request_sampler(const Backend& backend, InferenceModel& model, GenerationRequest request,
                                    const SamplingRule& rule, const Interrupted& interrupted) {
  using Clock = std::chrono::steady_clock;
  const auto ask = [interrupted] { return interrupted && interrupted(); };
  // The same request, cut short where it is long: caches, page tables and clocks are then as they will be.
  const double most_seconds = 0.2 * rule.max_seconds;
  const auto start = Clock::now();
  GenerationRequest cut = request;
  cut.on_burst = [&](const Burst&) {
    const std::chrono::duration<double> spent = Clock::now() - start;
    return !ask() && spent.count() < most_seconds;
  };
  warm_up(
      backend, most_seconds, [&] { model.generate(cut); }, interrupted);

  request.on_burst = [ask](const Burst&) { return !ask(); };
  return {backend, rule, [&model, request = std::move(request), ask]() -> std::optional<PhaseTimes> {
            if (ask()) return std::nullopt;
            const GenerationResult result = model.generate(request);
            if (ask()) return std::nullopt;
            check(request, result);
            return times_of(result);
          }};
}

}  // namespace photon::bench
