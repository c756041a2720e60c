// SPDX-License-Identifier: Apache-2.0
// From what was predicted and what was measured to a row of the results schema: rates, fractions,
// utilisations, TPM. Pure arithmetic (docs/numbers.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bench/case.h"
#include "bench/timings.h"
#include "core/cost/floor.h"
#include "core/cost/kernel_rates.h"
#include "core/results/results.h"

namespace photon::bench {

struct Machine {
  std::string backend;
  std::string device;
  std::string driver;             ///< version; empty where there is none
  double clock_before_mhz = 0.0;  ///< 0 where it cannot be told
  double clock_after_mhz = 0.0;
};

struct Measured {
  Timings timings;
  std::optional<double> bytes_per_sample;
  Bound prefill_bound = Bound::bandwidth;  ///< these and the prediction: from before the timings were taken
  Bound decode_bound = Bound::bandwidth;
  std::optional<PredictedTime> predicted = {};
};

void set_machine(ResultRow& row, const Machine& machine);
void set_ceilings(ResultRow& row, const Ceilings& ceilings);
/// A ceiling is the most that was seen.
Ceilings larger(const Ceilings& a, const Ceilings& b);

/// The columns that say what is measured: kind, model and workload.
void set_case(ResultRow& row, const Case& c);

/// What the cost model is asked about a case.
Workload workload_of(const Case& c);

/// Sets every column but those of set_identity. A prompt shorter than a meta-context has no prefill: its
/// rate, fractions and bound stay empty, as do the spread of one sample and TPM over memory that was not
/// measured.
void fill_row(ResultRow& row, const Case& c, uint64_t seed, const Machine& machine, const Ceilings& ceilings,
              const Measured& measured);

/// Throughput in tokens/s and memory a sample in bytes to K tok/s/GiB.
double tpm(double tokens_per_second, double bytes_per_sample);

}  // namespace photon::bench
