// SPDX-License-Identifier: Apache-2.0
// Measures cases one after another on one back end: ceilings, bound, memory, timings, row. Ceilings are taken
// again between rows when they have grown old, for a shared machine is never the same for long.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/case.h"
#include "bench/kernels.h"
#include "bench/row.h"
#include "bench/sampling.h"
#include "bench/timings.h"
#include "core/base/error.h"
#include "core/results/results.h"

namespace photon::bench {

/// A case that is too large for this machine, as far as can be told without trying.
class DoesNotFit : public Error {
 public:
  using Error::Error;
};

struct RunnerOptions {
  std::string backend_name;
  std::vector<std::string> argv;  ///< the command, for the row's identity
  uint64_t seed = 0;
  SamplingRule rule;
  std::function<void(const std::string&)>
      tell;                            ///< the memory plan of each case before it runs; empty: nobody
  double ceilings_age_seconds = 20.0;  ///< older ones are measured again before a row, and after it
  /// Rates of kernels, from which rows are predicted; what is missing is timed and added. Unset: no
  /// predictions.
  std::optional<std::filesystem::path> rates = {};
};

/// A case that is being measured: what its rows have in common, and its runs. The model has to outlive it.
struct Measurement {
  Case c;
  InferenceModel& model;
  Ceilings ceilings;  ///< the most seen so far
  Measured measured;
  Sampler<PhaseTimes> sampler;
  bool memory_known = false;  ///< measured.bytes_per_sample is what could be found
};

class Runner {
 public:
  Runner(Backend& backend, RunnerOptions options, Interrupted interrupted);

  /// Throws DoesNotFit on a case whose weights and caches alone are too large, which is known before a model
  /// is loaded; of the largest batch (sweep_max) one prompt's rows count.
  void require_room(Case c) const;

  /// A row, of as many samples as the rule wants. Empty if interrupted. Throws DoesNotFit.
  std::optional<ResultRow> measure(const Case& c, InferenceModel& model);
  /// The same in steps, for rows whose samples are the caller's to count: what comes before the first sample,
  /// warm-up included, and the row of those that the sampler has. Memory is measured for the first row alone.
  std::optional<Measurement> begin(const Case& c, InferenceModel& model);
  std::optional<ResultRow> finish(Measurement& measurement, Stop stop);

  /// The largest batch that the model's plan finds room for; a multiple of the samples per prompt. Where the
  /// plan knows no workspace, two small batches are run and what a row of them takes counts as well, within
  /// 0.95 of the back end's memory. With Case::cache_bytes, the largest whose planned caches, growing and
  /// local, take no more. Empty if interrupted; throws DoesNotFit if not even one prompt fits.
  std::optional<int64_t> largest_batch(Case c, InferenceModel& model);

  const Ceilings& ceilings(DType dtype);  ///< measured now unless still fresh
  std::string device_name() const { return backend_.device_name(); }
  Stop last_stop() const { return last_stop_; }
  /// What held the device's clock back in one of the last samples; empty: nothing, or it cannot be told.
  const std::string& held_back_by() const { return held_back_by_; }

 private:
  struct Aged {
    Ceilings values;
    std::chrono::steady_clock::time_point time;
  };
  bool fresh(DType dtype) const;
  KernelBench& kernels(DType dtype);

  Backend& backend_;
  RunnerOptions options_;
  Interrupted interrupted_;
  std::map<DType, Aged> ceilings_;
  std::map<DType, KernelBench> kernels_;
  Stop last_stop_ = Stop::steady;
  std::string held_back_by_;
};

}  // namespace photon::bench
