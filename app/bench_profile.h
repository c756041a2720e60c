// `photon bench --profile`: what a case launches, run once so that a profiler can watch.
#pragma once

#include <filesystem>
#include <vector>

#include "bench/case.h"
#include "bench/runner.h"
#include "core/launch_sums.h"

namespace photon {

/// Profiles the cases of one loaded model, adds what they launched to `sums`; says what is too large.
void profile_cases(std::vector<bench::Case> cases, InferenceModel& model, bench::Runner& runner,
                   uint64_t seed, std::vector<LaunchSum>& sums);

/// A Markdown table on standard output, and the file that `photon report --launches` reads. Throws Error if
/// there is nothing.
void finish_profile(const std::vector<LaunchSum>& sums, const std::filesystem::path& file);

}  // namespace photon
