// SPDX-License-Identifier: Apache-2.0
// Times of single kernels on disk and in memory, and the time of a request that follows from them. A row is
// one kernel on one machine; what a request needs between two timed contexts or numbers of rows is
// interpolated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/cost/kernel.h"

namespace photon {

struct KernelRate {
  std::string run_id = {}, time = {}, commit = {};
  std::string backend = {}, device = {}, dtype = {};
  Kernel kernel = {};
  bool cold = true;       ///< operands taken in turn from `footprint` bytes of them; else the same ones again
  int64_t footprint = 0;  ///< bytes, as of a KernelVisit; hot: 0
  double seconds = 0.0;   ///< of one run, median
  int64_t samples = 0;
  double spread = 0.0;  ///< (max - min) / median
  double bytes = 0.0;   ///< model, of one run: weights, caches and windows
  double flops = 0.0;
  double floor_seconds = 0.0;  ///< the larger of bytes / bandwidth and FLOPs / matrix rate, as measured then
};

inline constexpr int kernel_rates_schema_version = 1;
std::string kernel_rates_header();
std::string to_csv(const KernelRate& rate);  ///< a line
/// Throws Error with file, line and column on another schema version, other columns, or cells that do not
/// fit.
std::vector<KernelRate> read_kernel_rates(const std::filesystem::path& file);
/// Appends a line; a new file gets the header first.
void append_kernel_rate(const std::filesystem::path& file, const KernelRate& rate);

/// The rates of one machine, back end and dtype.
class KernelRates {
 public:
  void add(const KernelRate& rate);
  /// Whether exactly this was timed.
  bool has(const Kernel& kernel, int64_t footprint) const;
  /// Seconds of one run, cold. Between timed contexts linear, between timed numbers of rows (of products and
  /// windows) on a log-log scale. Empty where it would have to be guessed: no other of its shape was timed at
  /// this footprint, or it lies outside of what was.
  std::optional<double> seconds(const Kernel& kernel, int64_t footprint) const;

 private:
  using Family = std::pair<Kernel, int64_t>;  // rows and keys 0; footprint
  using Place = std::pair<int64_t, int64_t>;  // rows, keys
  std::map<Family, std::map<Place, double>> times_;
  static std::pair<Family, Place> place_of(const Kernel& kernel, int64_t footprint);
};

struct PredictedTime {
  double prefill = 0.0;  ///< seconds
  double decode = 0.0;
};

/// The sum over the kernels of a request. Empty where one has no rate, or samples share a prompt, whose
/// caches are read by other rules. Throws as check_workload.
std::optional<PredictedTime> predict(const ModelSpec& spec, const Workload& workload,
                                     const KernelRates& rates);

}  // namespace photon
