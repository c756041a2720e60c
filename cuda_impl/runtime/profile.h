// A generation as a profiler should see it. Ranges of the host do not replay inside graphs, so it is run
// launch by launch, after a check that these are the launches that the graphs replay.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/backend.h"
#include "cuda_impl/generation/generator.h"

namespace photon::PHOTON_GPU {

/// Runs the request twice: as always, recording the graphs, then launch by launch between cudaProfilerStart
/// and cudaProfilerStop, in a range `label`. Throws Error if the two differ in kernels or tokens.
std::vector<Launch> profile(Generator& generator, Stream& stream, const GenerationRequest& request,
                            const std::string& label);

/// Throws Error unless what was launched in each graph's scope, launch by launch, is that graph's kernels
/// over and over. A library's kernels, which are in neither list of records, are left out.
void check_launches(const std::map<std::string, std::vector<const void*>>& graphs,
                    const std::vector<LaunchRecord>& recorded, const std::vector<LaunchRecord>& launched);

}  // namespace photon::PHOTON_GPU
