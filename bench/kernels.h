// SPDX-License-Identifier: Apache-2.0
// Times single kernels of a back end and keeps their rates in a file, so that a case can be predicted before
// it is measured (docs/numbers.md, "Predicted times").
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/sampling.h"
#include "core/backend/backend.h"
#include "core/cost/kernel.h"
#include "core/cost/kernel_rates.h"

namespace photon::bench {

/// When a kernel's median is known well enough.
struct KernelRule {
  double sample_seconds = 2e-3;  ///< of runs in a sample, at least: clocks are coarse
  int64_t min_samples = 5;
  double max_seconds = 0.5;  ///< of samples
  double target_error = 0.01;
};

/// A kernel that is run again and again.
class KernelSampler {
 public:
  /// A sample is the mean of so many runs.
  KernelSampler(const KernelPlace& place, std::unique_ptr<TimedKernel> timed, int64_t runs)
      : place_(place), timed_(std::move(timed)), runs_(runs) {}

  /// Takes a sample: seconds of all of its runs. Throws Error on a time that is none.
  double take();
  void restart() { samples_.clear(); }

  const KernelPlace& place() const { return place_; }
  int64_t runs() const { return runs_; }
  std::span<const double> samples() const { return samples_; }  ///< seconds of one run

 private:
  KernelPlace place_;
  std::unique_ptr<TimedKernel> timed_;
  int64_t runs_;
  std::vector<double> samples_;
};

class KernelBench {
 public:
  using Tell = std::function<void(const std::string&)>;

  /// Rates in `file` that this program measured at this commit on this device and dtype are used, others left
  /// alone; new ones are added. An empty path: nothing is read or written. Throws Error on a file that is no
  /// list of rates.
  KernelBench(Backend& backend, std::string backend_name, DType dtype, std::filesystem::path file,
              KernelRule rule, Interrupted interrupted);

  /// Cold: with operands in turn from `footprint` bytes of them; hot (0): the same ones again and again. The
  /// rate is added to the file and to rates(). Empty if interrupted.
  std::optional<KernelRate> measure(const Kernel& kernel, int64_t footprint, const Ceilings& ceilings);
  /// The same in steps, for rates whose samples are the caller's to count: a sampler, which has run a few
  /// times; the rate by its samples; and adding that to the file and to rates().
  KernelSampler begin(const Kernel& kernel, int64_t footprint);
  KernelRate rate_of(const KernelSampler& sampler, const Ceilings& ceilings) const;
  void keep(const KernelRate& rate);
  /// Times what predicting this workload lacks; false if interrupted. `tell` hears how many that are.
  bool prepare(const ModelSpec& spec, const Workload& workload, const Ceilings& ceilings, const Tell& tell);

  const KernelRates& rates() const { return rates_; }

 private:
  Backend& backend_;
  std::string backend_name_;
  DType dtype_;
  std::filesystem::path file_;
  KernelRule rule_;
  Interrupted interrupted_;
  KernelRates rates_;
  std::map<KernelPlace, int64_t> runs_;  ///< in a sample: as many whenever it is begun
};

}  // namespace photon::bench
