#include "core/kernel_rates.h"

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

std::optional<double> KernelRates::seconds(const Kernel& kernel, int64_t footprint) const {
  const auto [family, place] = place_of(kernel, footprint);
  const auto found = times_.find(family);
  if (found == times_.end()) return std::nullopt;
  const std::map<Place, double>& times = found->second;
  if (const auto exact = times.find(place); exact != times.end()) return exact->second;

  // The same rows at the contexts around.
  std::optional<std::pair<int64_t, double>> below, above;
  for (auto at = times.lower_bound({place.first, 0}); at != times.end() && at->first.first == place.first;
       ++at) {
    auto& side = at->first.second < place.second ? below : above;
    if (&side == &below || !above) side = {at->first.second, at->second};
  }
  if (below && above) {
    const double share =
        static_cast<double>(place.second - below->first) / static_cast<double>(above->first - below->first);
    return std::lerp(below->second, above->second, share);
  }
  // The same context at the numbers of rows around.
  below = above = std::nullopt;
  for (const auto& [at, time] : times) {
    if (at.second != place.second) continue;
    auto& side = at.first < place.first ? below : above;
    if (&side == &below || !above) side = {at.first, time};
  }
  if (!below || !above) return std::nullopt;
  const double share = std::log(static_cast<double>(place.first) / static_cast<double>(below->first)) /
                       std::log(static_cast<double>(above->first) / static_cast<double>(below->first));
  return std::exp(std::lerp(std::log(below->second), std::log(above->second), share));
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
