// SPDX-License-Identifier: Apache-2.0
#include "bench/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "bench/statistics.h"
#include "core/base/build_info.h"
#include "core/base/error.h"
#include "core/results/results.h"

namespace photon::bench {
namespace {

/// Who measured, as the results schema tells it.
struct Identity {
  std::string run_id, time, commit;
};

Identity identity() {
  ResultRow row;
  set_identity(row, {});
  return {row.text("run_id"), row.text("time"), row.text("commit")};
}

double checked(double seconds, const Kernel& kernel) {
  if (!std::isfinite(seconds) || seconds <= 0.0) {
    throw Error(fmt::format("{}: the back end reports a time of {} s", describe(kernel), seconds));
  }
  return seconds;
}

}  // namespace

KernelBench::KernelBench(Backend& backend, std::string backend_name, DType dtype, std::filesystem::path file,
                         KernelRule rule, Interrupted interrupted)
    : backend_(backend),
      backend_name_(std::move(backend_name)),
      dtype_(dtype),
      file_(std::move(file)),
      rule_(rule),
      interrupted_(std::move(interrupted)) {
  if (file_.empty() || !std::filesystem::exists(file_)) return;
  const std::string commit = identity().commit;
  for (const KernelRate& r : read_kernel_rates(file_)) {
    if (r.commit == commit && r.backend == backend_name_ && r.device == backend_.device_name() &&
        r.dtype == to_string(dtype_)) {
      rates_.add(r);
    }
  }
}

double KernelSampler::take() {
  const double seconds = checked(timed_->seconds(runs_), place_.kernel);
  samples_.push_back(seconds / static_cast<double>(runs_));
  return seconds;
}

KernelSampler KernelBench::begin(const Kernel& kernel, int64_t footprint) {
  auto timed = backend_.timed_kernel(kernel, dtype_, footprint);
  // Twice, as the first run may load code; then as many runs in a sample as a clock can tell.
  timed->seconds(1);
  const double once = checked(timed->seconds(1), kernel);
  const auto wanted = static_cast<int64_t>(std::ceil(std::clamp(rule_.sample_seconds / once, 1.0, 1e6)));
  const KernelPlace place{kernel, footprint};
  const int64_t runs = runs_.try_emplace(place, wanted).first->second;
  timed->seconds(runs);
  return {place, std::move(timed), runs};
}

KernelRate KernelBench::rate_of(const KernelSampler& sampler, const Ceilings& ceilings) const {
  const auto& [kernel, footprint] = sampler.place();
  const Work work = kernel_work(kernel, element_bytes(dtype_));
  const Identity who = identity();
  return {
      .run_id = who.run_id,
      .time = who.time,
      .commit = who.commit,
      .backend = backend_name_,
      .device = backend_.device_name(),
      .dtype = std::string(to_string(dtype_)),
      .kernel = kernel,
      .cold = footprint > 0,
      .footprint = footprint,
      .seconds = median(sampler.samples()),
      .samples = std::ssize(sampler.samples()),
      .spread = relative_spread(sampler.samples()),
      .bytes = work.floor_bytes() + work.other_bytes,
      .flops = work.flops,
      .floor_seconds = std::max(work.floor_bytes() / ceilings.bandwidth, work.flops / ceilings.matrix_rate)};
}

void KernelBench::keep(const KernelRate& rate) {
  if (!file_.empty()) append_kernel_rate(file_, rate);
  rates_.add(rate);
}

std::optional<KernelRate> KernelBench::measure(const Kernel& kernel, int64_t footprint,
                                               const Ceilings& ceilings) {
  const auto stopped = [&] { return interrupted_ && interrupted_(); };
  if (stopped()) return std::nullopt;
  KernelSampler sampler = begin(kernel, footprint);
  double all = 0.0;
  do {
    if (stopped()) return std::nullopt;
    all += sampler.take();
  } while (std::ssize(sampler.samples()) < rule_.min_samples ||
           (all < rule_.max_seconds && relative_error(sampler.samples()) > rule_.target_error));
  const KernelRate rate = rate_of(sampler, ceilings);
  keep(rate);
  return rate;
}

bool KernelBench::prepare(const ModelSpec& spec, const Workload& workload, const Ceilings& ceilings,
                          const Tell& tell) {
  std::vector<KernelPlace> missing;
  for (const KernelPlace& place : kernels_of(spec, workload)) {
    if (!rates_.has(place.kernel, place.footprint)) missing.push_back(place);
  }
  if (!missing.empty() && tell) tell(fmt::format("timing {} kernels for the prediction", missing.size()));
  return std::all_of(missing.begin(), missing.end(), [&](const KernelPlace& place) {
    return measure(place.kernel, place.footprint, ceilings).has_value();
  });
}

}  // namespace photon::bench
