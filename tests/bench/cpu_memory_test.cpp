// SPDX-License-Identifier: Apache-2.0
// What the CPU reserves for caches against its plan, by which batches are made.
#include <gtest/gtest.h>

#include <random>

#include "core/model/parameters.h"
#include "reference/backend.h"
#include "tests/bench/fake.h"
#include "tests/support.h"

namespace photon::bench {
namespace {

TEST(CpuMemory, IsReservedAsPlanned) {
  BackendRegistry registry;
  reference::add_backend(registry);
  const auto backend = registry.make("cpu");
  std::mt19937_64 random(photon::testing::test_seed());
  for (int round = 0; round < 40; ++round) {
    Case c = small_case(round % 4);
    for (LevelSpec& level : c.spec.levels) {
      level.prefix = 1 + static_cast<int>(random() % 3);
      level.decoder_layers = 1 + static_cast<int>(random() % 2);
    }
    c.samples_per_prompt = 1 + static_cast<int64_t>(random() % 3);
    c.batch = c.samples_per_prompt * (1 + static_cast<int64_t>(random() % 3));
    c.regime = {"custom", 1 + static_cast<int64_t>(random() % 40), 1 + static_cast<int64_t>(random() % 40)};
    if (c.spec.depth() >= 2 && random() % 3 > 0) {
      c.generation = Generation::recgen;
      if (random() % 2 == 0) c.schedule = Schedule::unrolled;
    }
    const auto model = backend->inference(c.spec, initial_parameters(c.spec, 1), DType::float32);
    const GenerationRequest request = request_of(c, c.batch, 1);
    const MemoryPlan plan = model->memory_plan(request);
    const GenerationResult result = model->generate(request);
    EXPECT_EQ(result.local_bytes, plan.local_caches) << describe(c);
    EXPECT_EQ(result.kv_bytes_planned, plan.caches) << describe(c);
  }
}

}  // namespace
}  // namespace photon::bench
