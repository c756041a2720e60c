// SPDX-License-Identifier: Apache-2.0
// The simulator beside a real engine: the same requests, one at a time, through a back end; what the queue
// makes of their measured times is the row that the simulated one is compared with.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "analysis/simulation/study.h"

namespace photon::app {

/// Generates every request of `study` on `device` with fresh weights and random prompts, then lets them queue
/// for one server as they arrive. The row's band is "engine". Throws UsageError unless the study is one
/// replica with one row and one sample and no shared prefix, Error when interrupted.
analysis::simulation::Row run_engine(const analysis::simulation::Study& study,
                                     const analysis::simulation::Trace* trace, const std::string& device,
                                     const std::function<bool()>& interrupted);

}  // namespace photon::app
