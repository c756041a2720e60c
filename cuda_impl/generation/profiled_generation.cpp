// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/profiled_generation.h"

#include "core/base/error.h"
#include "cuda_impl/device/profile.h"

namespace photon::PHOTON_GPU {

std::vector<Launch> profile(Generator& generator, Stream& stream, const GenerationRequest& request,
                            const std::string& label) {
  std::vector<LaunchRecord> recorded;
  GenerationResult replayed;
  {
    generator.set_eager(false);
    const Recording recording(stream, recorded);
    generator.run(request);
    replayed = generator.run(request);
  }
  const auto graphs = generator.graph_kernels();
  std::vector<LaunchRecord> launched;
  GenerationResult result;
  {
    const Eager eager(generator);
    const Recording recording(stream, launched);
    const Profiler profiler;
    const Stream::Scope scope(stream, label);
    result = generator.run(request);
    stream.synchronize();
  }
  check_launches(graphs, recorded, launched);
  if (result.tokens != replayed.tokens || result.log_probs != replayed.log_probs)
    throw Error("profile: launched one by one, the tokens are not those of the graphs");
  return launches_of(std::move(launched));
}

}  // namespace photon::PHOTON_GPU
