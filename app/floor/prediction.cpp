// SPDX-License-Identifier: Apache-2.0
#include "app/floor/prediction.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <vector>

#include "core/base/error.h"

namespace photon::app {
namespace {

using Column = std::string KernelRate::*;

std::set<std::string> values_of(const std::vector<KernelRate>& rates, Column column) {
  std::set<std::string> values;
  for (const KernelRate& rate : rates) values.insert(rate.*column);
  return values;
}

/// The one value that all rates have.
std::string only(const std::filesystem::path& file, const std::vector<KernelRate>& rates, Column column,
                 const char* what) {
  const auto values = values_of(rates, column);
  if (values.size() == 1) return *values.begin();
  throw Error(
      fmt::format("{}: rates of {} {} ({}); a prediction needs those of one: keep each in its own file",
                  file.string(), values.size(), what, fmt::join(values, "; ")));
}

std::string why_missing(const ModelSpec& spec, const Workload& workload, const KernelRates& rates,
                        const std::filesystem::path& file) {
  if (workload.samples > 1) return "rows whose samples share a prompt are not predicted";
  const std::vector<KernelPlace> needed = kernels_of(spec, workload);
  std::vector<std::string> lacking;
  for (const KernelPlace& place : needed) {
    if (rates.seconds(place.kernel, place.footprint)) continue;
    lacking.push_back(fmt::format("{} at {:.4g} MiB", describe(place.kernel),
                                  static_cast<double>(place.footprint) / 0x1p20));
  }
  return fmt::format(
      "{} of the {} kernels that are needed are not in {}{}: photon bench --rates times what a row lacks, "
      "bench_kernels --rates=FILE.csv kernels alone",
      lacking.size(), needed.size(), file.string(),
      lacking.empty() ? "" : fmt::format(" (the first: {})", lacking.front()));
}

}  // namespace

FloorPrediction floor_prediction(const ModelSpec& spec, const Workload& workload, DType dtype,
                                 const std::filesystem::path& file) {
  const std::vector<KernelRate> all = read_kernel_rates(file);
  if (all.empty()) throw Error(fmt::format("{}: no rates in it", file.string()));
  const std::string device = only(file, all, &KernelRate::device, "devices");
  const std::string backend = only(file, all, &KernelRate::backend, "back ends");
  const std::string measured_in = only(file, all, &KernelRate::dtype, "element types");
  if (measured_in != to_string(dtype)) {
    throw UsageError(fmt::format("--rates {}: its kernels ran in {}, the request is in {}; --dtype {} agrees",
                                 file.string(), measured_in, to_string(dtype), measured_in));
  }
  const auto commits = values_of(all, &KernelRate::commit);
  FloorPrediction out;
  out.machine = fmt::format("{} ({}, {}), {}", device, backend, measured_in,
                            commits.size() == 1 ? fmt::format("commit {:.12}", *commits.begin())
                                                : fmt::format("{} commits", commits.size()));
  KernelRates rates;
  for (const KernelRate& rate : all) rates.add(rate);
  out.time = predict(spec, workload, rates);
  if (!out.time) out.missing = why_missing(spec, workload, rates, file);
  return out;
}

}  // namespace photon::app
