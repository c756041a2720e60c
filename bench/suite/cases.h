// SPDX-License-Identifier: Apache-2.0
// A benchmark for each case, named `decode/photon-tiny/hiergen/B=1/T=128` so that --benchmark_filter works.
// Every benchmark has the same counters, for the library's CSV reporter ends the program where they differ.
// Each is measured by the Runner behind `photon bench`: the same warm-up, samples and ceilings, and with
// --results the same rows, one a repetition.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "bench/regime.h"
#include "bench/suite/suite.h"
#include "core/model/model_spec.h"

namespace photon::bench {

/// Registers a benchmark for every model, generation it has, batch and context: `phase` is "prefill" or
/// "decode", its time that of the phase. `regime_of` gives the lengths for a context.
void register_cases(const std::string& phase, Suite& suite,
                    const std::function<Regime(const ModelSpec&, int64_t context)>& regime_of);

}  // namespace photon::bench
