// SPDX-License-Identifier: Apache-2.0
#include "core/cost/kernel_rates.h"

#include <cmath>
#include <utility>

namespace photon {

std::pair<KernelRates::Family, KernelRates::Place> KernelRates::place_of(const Kernel& kernel,
                                                                         int64_t footprint) {
  Kernel family = kernel;
  const Place place{std::exchange(family.rows, 0), std::exchange(family.keys, 0)};
  return {{family, footprint}, place};
}

void KernelRates::add(const KernelRate& rate) {
  if (!rate.cold) return;
  const auto [family, place] = place_of(rate.kernel, rate.footprint);
  times_[family][place] = rate.seconds;
}

bool KernelRates::has(const Kernel& kernel, int64_t footprint) const {
  const auto [family, place] = place_of(kernel, footprint);
  const auto at = times_.find(family);
  return at != times_.end() && at->second.contains(place);
}

namespace {

struct Point {
  int64_t x = 0;
  double y = 0.0;
};

/// Timed ones on both sides of a place, or at it.
struct Neighbours {
  std::optional<Point> below, above;

  void add(int64_t at, const Point& p) {
    if (p.x <= at && (!below || p.x > below->x)) below = p;
    if (p.x >= at && (!above || p.x < above->x)) above = p;
  }
};

}  // namespace

std::optional<double> KernelRates::seconds(const Kernel& kernel, int64_t footprint) const {
  const auto [family, place] = place_of(kernel, footprint);
  const auto found = times_.find(family);
  if (found == times_.end()) return std::nullopt;
  const auto [rows, keys] = place;

  std::map<int64_t, Neighbours> contexts;  // by rows
  for (const auto& [at, time] : found->second) contexts[at.first].add(keys, {at.second, time});
  Neighbours around;
  for (const auto& [r, n] : contexts) {
    if (!n.below || !n.above) continue;
    const auto gap = static_cast<double>(n.above->x - n.below->x);
    const double share = gap > 0.0 ? static_cast<double>(keys - n.below->x) / gap : 0.0;
    around.add(rows, {r, std::lerp(n.below->y, n.above->y, share)});
  }
  if (!around.below || !around.above) return std::nullopt;
  if (around.below->x == around.above->x) return around.below->y;
  const auto log_of = [](auto x) { return std::log(static_cast<double>(x)); };
  const double share =
      (log_of(rows) - log_of(around.below->x)) / (log_of(around.above->x) - log_of(around.below->x));
  return std::exp(std::lerp(log_of(around.below->y), log_of(around.above->y), share));
}

std::optional<PredictedTime> predict(const ModelSpec& spec, const Workload& workload,
                                     const KernelRates& rates) {
  if (workload.samples > 1) return std::nullopt;
  bool known = true;
  std::map<KernelPlace, std::optional<double>> seen;  // a request asks for the same ones again and again
  const auto time_of = [&](const KernelVisit& visit) {
    const auto [at, fresh] = seen.try_emplace({visit.kernel, visit.footprint});
    if (fresh) at->second = rates.seconds(visit.kernel, visit.footprint);
    known = known && at->second.has_value();
    return visit.times * at->second.value_or(0.0);
  };
  PredictedTime time;
  visit_kernels(
      spec, workload, [&](const KernelVisit& visit) { time.prefill += time_of(visit); },
      [&](const KernelVisit& visit) { time.decode += time_of(visit); });
  return known ? std::optional(time) : std::nullopt;
}

}  // namespace photon
