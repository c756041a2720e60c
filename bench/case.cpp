// SPDX-License-Identifier: Apache-2.0
#include "bench/case.h"

#include <fmt/format.h>

#include "core/base/error.h"
#include "core/base/random.h"

namespace photon::bench {

std::string describe(const Case& c) {
  std::string out = fmt::format("{} {}", c.spec.name, c.regime.name);
  if (c.regime.name == "custom") out += fmt::format(" {}/{}", c.regime.prompt, c.regime.new_tokens);
  if (c.spec.depth() > 0) out += fmt::format(" {}", to_string(c.generation));
  if (c.generation == Generation::recgen) out += fmt::format(" {}", to_string(c.schedule));
  out += fmt::format(" B={}", c.batch);
  if (c.samples_per_prompt > 1) out += fmt::format(" N={}", c.samples_per_prompt);
  return out;
}

GenerationRequest request_of(const Case& c, int64_t batch, uint64_t seed) {
  if (batch < 1 || batch % c.samples_per_prompt != 0) {
    throw UsageError(fmt::format("a batch of {} rows does not divide into {} samples per prompt", batch,
                                 c.samples_per_prompt));
  }
  const Philox philox(seed ^ stable_hash("bench prompt"));
  GenerationRequest request;
  request.samples = c.samples_per_prompt;
  request.new_tokens = c.regime.new_tokens;
  request.generation = c.generation;
  request.schedule = c.schedule;
  request.sampling.seed = seed;
  for (int64_t b = 0; b < batch / c.samples_per_prompt; ++b) {
    auto& prompt = request.prompts.emplace_back(static_cast<size_t>(c.regime.prompt));
    for (int64_t i = 0; i < c.regime.prompt; ++i) {
      const double u = philox.uniform(static_cast<uint64_t>(b), static_cast<uint64_t>(i));
      prompt[i] = static_cast<int32_t>(u * static_cast<double>(c.spec.vocab));
    }
  }
  return request;
}

}  // namespace photon::bench
