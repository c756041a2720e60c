// SPDX-License-Identifier: Apache-2.0
// The cases of a sweep: the product of everything asked for, less what makes no sense, in an order that loads
// every model once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/case.h"
#include "core/results/results.h"

namespace photon::bench {

struct Sweep {
  std::vector<Regime> regimes;
  std::vector<Generation> generations;
  std::vector<Schedule> schedules;  ///< of recgen
  std::vector<int64_t> batches;     ///< sweep_max stays: it is planned when the model is there
  std::vector<int64_t> samples_per_prompt;
};

/// Tells why something that was asked for is not measured.
using Say = std::function<void(const std::string&)>;

/// The cases of one model. `like` gives spec, checkpoint and dtype. Left out, and said: recgen below two
/// levels, batches that do not divide into the samples per prompt.
std::vector<Case> cases_of(const Case& like, const Sweep& sweep, const Say& say);

/// The row of `rows` that measured this case already: the same model, workload, dtype, back end, device,
/// threads and commit. Null if none did.
const ResultRow* measured_before(std::span<const ResultRow> rows, const Case& c, const ResultRow& identity);

}  // namespace photon::bench
