#include "bench/sampling.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "bench/statistics.h"
#include "core/error.h"

namespace photon::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

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

}  // namespace

std::string_view to_string(Stop stop) {
  switch (stop) {
    case Stop::steady:
      return "steady";
    case Stop::samples:
      return "sample limit";
    case Stop::time:
      return "time limit";
  }
  return "";
}

std::optional<Timings> sample(InferenceModel& model, const GenerationRequest& request,
                              const SamplingRule& rule, const Interrupted& interrupted) {
  const auto ask = [&] { return interrupted && interrupted(); };
  auto start = Clock::now();

  // The same request once, cut short where it is long: caches, page tables and clocks are then as they will
  // be.
  GenerationRequest warm_up = request;
  warm_up.on_burst = [&](const Burst&) { return !ask() && seconds_since(start) < 0.2 * rule.max_seconds; };
  model.generate(warm_up);

  GenerationRequest timed = request;
  timed.on_burst = [&](const Burst&) { return !ask(); };
  Timings out;
  start = Clock::now();
  while (true) {
    if (ask()) return std::nullopt;
    const GenerationResult result = model.generate(timed);
    if (ask()) return std::nullopt;
    check(request, result);
    out.prefill.push_back(result.prefill_seconds);
    out.decode.push_back(result.decode_seconds);
    out.ttft.push_back(result.ttft_seconds);
    out.total.push_back(result.prefill_seconds + result.decode_seconds);
    out.burst_gaps.insert(out.burst_gaps.end(), result.burst_seconds.begin(), result.burst_seconds.end());
    out.kv_bytes_planned = result.kv_bytes_planned;
    out.local_bytes = result.local_bytes;

    const auto count = static_cast<int64_t>(out.total.size());
    if (count >= rule.min_samples && relative_error(out.total) <= rule.target_error) {
      out.stop = Stop::steady;
      return out;
    }
    if (count >= rule.max_samples) {
      out.stop = Stop::samples;
      return out;
    }
    // A sample that would end far past the limit is not begun.
    if (seconds_since(start) + 0.5 * median(out.total) > rule.max_seconds) {
      out.stop = Stop::time;
      return out;
    }
  }
}

}  // namespace photon::bench
