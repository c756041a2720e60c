// SPDX-License-Identifier: Apache-2.0
// `photon bench --profile`: what a case or a training step launches, run once so that a profiler can watch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "bench/case.h"
#include "bench/runner.h"
#include "bench/training.h"
#include "core/cost/launch_sums.h"

namespace photon::app {

/// Profiles the cases of one loaded model, adds what they launched to `sums`; says what is too large.
void profile_cases(std::vector<bench::Case> cases, InferenceModel& model, bench::Runner& runner,
                   uint64_t seed, std::vector<LaunchSum>& sums);

/// Profiles one training step, adds what it launched to `sums`. Throws DoesNotFit by plan.
void profile_step(Backend& backend, const bench::TrainingCase& c, const std::vector<float>& parameters,
                  std::vector<LaunchSum>& sums);

/// A Markdown table on standard output, and the file that `photon report --launches` reads. Throws Error if
/// there is nothing.
void finish_profile(const std::vector<LaunchSum>& sums, const std::filesystem::path& file);

}  // namespace photon::app
