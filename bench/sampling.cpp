// SPDX-License-Identifier: Apache-2.0
#include "bench/sampling.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "bench/statistics.h"
#include "core/base/error.h"

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

/// Adds the runs of `from` to those of `into`.
void append(Timings& into, const Timings& from) {
  const auto add = [](std::vector<double>& a, const std::vector<double>& b) {
    a.insert(a.end(), b.begin(), b.end());
  };
  add(into.prefill, from.prefill);
  add(into.decode, from.decode);
  add(into.ttft, from.ttft);
  add(into.total, from.total);
  add(into.burst_gaps, from.burst_gaps);
}

Timings timings_of(const GenerationResult& result) {
  Timings out;
  out.prefill = {result.prefill_seconds};
  out.decode = {result.decode_seconds};
  out.ttft = {result.ttft_seconds};
  out.total = {result.prefill_seconds + result.decode_seconds};
  out.burst_gaps = result.burst_seconds;
  return out;
}

}  // namespace

std::string_view to_string(Stop stop) {
  switch (stop) {
    case Stop::steady:
      return "steady";
    case Stop::samples:
      return "samples";
    case Stop::time:
      return "time";
  }
  return "";
}

std::string stop_text(Stop stop, const HeldBack& held_back) {
  std::string out(to_string(stop));
  if (held_back.kept_some()) out += "; held back by " + held_back.by();
  return out;
}

std::string dropped_text(int64_t dropped, const std::string& held_back_by) {
  return dropped == 0 ? "" : fmt::format(", {} dropped: {}", dropped, held_back_by);
}

HeldBack::Answer HeldBack::judge(const std::string& by) {
  if (by.empty()) {
    ++kept_;
    return Answer::keep;
  }
  by_ = by;
  if (keeps_all_) {
    ++kept_;
    return Answer::keep;
  }
  ++dropped_;
  if (dropped_ < min_samples_ || dropped_ <= kept_) return Answer::drop;
  keep_all();
  return Answer::keep_all_so_far;
}

void HeldBack::keep_all() {
  kept_held_back_ = kept_held_back_ || dropped_ > 0;
  keeps_all_ = true;
  kept_ += dropped_;
  dropped_ = 0;
}

void warm_up(const Backend& backend, double most_seconds, const std::function<void()>& run,
             const Interrupted& interrupted) {
  constexpr int most_runs = 20;
  constexpr double steady = 0.01;
  const auto start = Clock::now();
  double before = backend.clock_mhz();
  for (int i = 0; i < most_runs; ++i) {
    run();
    const double now = backend.clock_mhz();
    if (now <= 0.0 || std::abs(now - before) <= steady * now) return;
    if (seconds_since(start) >= most_seconds || (interrupted && interrupted())) return;
    before = now;
  }
}

std::optional<Timings> sample(const Backend& backend, InferenceModel& model, const GenerationRequest& request,
                              const SamplingRule& rule, const Interrupted& interrupted) {
  const auto ask = [&] { return interrupted && interrupted(); };
  auto start = Clock::now();

  // The same request, cut short where it is long: caches, page tables and clocks are then as they will be.
  const double most_seconds = 0.2 * rule.max_seconds;
  GenerationRequest cut = request;
  cut.on_burst = [&](const Burst&) { return !ask() && seconds_since(start) < most_seconds; };
  warm_up(
      backend, most_seconds, [&] { model.generate(cut); }, interrupted);

  GenerationRequest timed = request;
  timed.on_burst = [&](const Burst&) { return !ask(); };
  Timings out;
  Timings left_out;
  HeldBack held_back(rule.min_samples);
  const auto end = [&](Stop stop) {
    if (held_back.nothing_kept()) {
      held_back.keep_all();
      append(out, left_out);
    }
    out.stop = stop;
    out.stop_text = stop_text(stop, held_back);
    out.dropped = held_back.dropped();
    out.held_back_by = held_back.by();
    out.clock_after_mhz = backend.clock_mhz();
    return out;
  };
  out.clock_before_mhz = backend.clock_mhz();
  start = Clock::now();
  while (true) {
    if (ask()) return std::nullopt;
    const GenerationResult result = model.generate(timed);
    const std::string by = backend.held_back_by();
    if (ask()) return std::nullopt;
    check(request, result);
    const Timings run = timings_of(result);
    const HeldBack::Answer answer = held_back.judge(by);
    append(answer == HeldBack::Answer::keep ? out : left_out, run);
    if (answer == HeldBack::Answer::keep_all_so_far) append(out, left_out);
    out.kv_bytes_planned = result.kv_bytes_planned;
    out.local_bytes = result.local_bytes;

    const auto count = static_cast<int64_t>(out.total.size());
    if (count >= rule.min_samples && relative_error(out.total) <= rule.target_error) return end(Stop::steady);
    if (held_back.runs() >= rule.max_samples) return end(Stop::samples);
    if (rule.enough && rule.enough()) return end(Stop::time);
    // A sample that would end far past the limit is not begun.
    const double usual = median(out.total.empty() ? left_out.total : out.total);
    if (seconds_since(start) + 0.5 * usual > rule.max_seconds) return end(Stop::time);
  }
}

}  // namespace photon::bench
