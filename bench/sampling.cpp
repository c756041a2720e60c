// SPDX-License-Identifier: Apache-2.0
#include "bench/sampling.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace photon::bench {

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
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double before = backend.clock_mhz();
  for (int i = 0; i < most_runs; ++i) {
    run();
    const double now = backend.clock_mhz();
    if (now <= 0.0 || std::abs(now - before) <= steady * now) return;
    const std::chrono::duration<double> spent = Clock::now() - start;
    if (spent.count() >= most_seconds || (interrupted && interrupted())) return;
    before = now;
  }
}

}  // namespace photon::bench
