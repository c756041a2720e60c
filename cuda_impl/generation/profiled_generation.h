// SPDX-License-Identifier: Apache-2.0
// A generation as a profiler should see it (device/profile).
#pragma once

#include <string>
#include <vector>

#include "core/cost/launch.h"
#include "cuda_impl/generation/generator.h"

namespace photon::PHOTON_GPU {

/// Runs the request as always, twice, so that every graph is recorded, then launch by launch between
/// cudaProfilerStart and cudaProfilerStop, in a range `label`. Throws Error if they differ in kernels or
/// tokens.
std::vector<Launch> profile(Generator& generator, Stream& stream, const GenerationRequest& request,
                            const std::string& label);

}  // namespace photon::PHOTON_GPU
