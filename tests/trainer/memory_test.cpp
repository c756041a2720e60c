// SPDX-License-Identifier: Apache-2.0
// Micro-batches that are planned: the largest divisor of the batch that fits, and refusals that name it.
#include "trainer/memory.h"

#include <gtest/gtest.h>

#include <random>

#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "reference/backend.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"
#include "tests/trainer/bigram_backend.h"
#include "trainer/trainer.h"

namespace photon::trainer {
namespace {

using testing::holds;
using testing::message_of;

/// Room for a number of sequences.
class Roomy : public testing_support::BigramBackend {
 public:
  explicit Roomy(int64_t room) : room_(room) {}
  std::optional<TrainingPlan> training_plan(const ModelSpec&, int64_t sequences, int64_t, const LossConfig&,
                                            Recompute) const override {
    return TrainingPlan{.activations = sequences, .available = room_};
  }

 private:
  int64_t room_;
};

TrainConfig config(int64_t batch, int64_t micro_batch) {
  TrainConfig c;
  c.batch = batch;
  c.micro_batch = micro_batch;
  c.context = 64;
  return c;
}

ModelSpec spec() {
  return load_model_spec(share_folder() / "configs/models/photon-tiny.toml");
}

TEST(PlannedMemory, IsTheLargestDivisorThatFits) {
  std::mt19937_64 random(testing::test_seed());
  for (int i = 0; i < 300; ++i) {
    const auto batch = static_cast<int64_t>(1 + random() % 3000);
    const auto room = static_cast<int64_t>(1 + random() % 3000);
    int64_t expected = 1;
    for (int64_t n = 1; n <= std::min(batch, room); ++n) {
      if (batch % n == 0) expected = n;
    }
    EXPECT_EQ(with_planned_memory(config(batch, 0), spec(), Roomy(room)).micro_batch, expected)
        << batch << " in " << room;
  }
}

TEST(PlannedMemory, ABatchBeyondAllMemoryIsRefusedAtOnceWithWhatFits) {
  constexpr int64_t prime = 1'000'000'007;
  EXPECT_TRUE(holds(message_of<Error>([&] { with_planned_memory(config(prime, prime), spec(), Roomy(20)); }),
                    {"micro_batch = 1 would fit"}));
  constexpr int64_t largest = int64_t{1} << 34;
  EXPECT_TRUE(
      holds(message_of<Error>([&] { with_planned_memory(config(largest, largest), spec(), Roomy(20)); }),
            {"micro_batch = 16 would fit"}));
  EXPECT_TRUE(holds(message_of<Error>([&] { with_planned_memory(config(8, 8), spec(), Roomy(0)); }),
                    {"not even one sequence"}));
}

TEST(PlannedMemory, TheCpuForeseesItsOwn) {
  BackendRegistry registry;
  reference::add_backend(registry);
  const auto cpu = registry.make("cpu");
  EXPECT_EQ(with_planned_memory(config(8, 0), spec(), *cpu).micro_batch, 8);
  EXPECT_TRUE(
      holds(message_of<Error>([&] { with_planned_memory(config(100'000'000, 100'000'000), spec(), *cpu); }),
            {"GiB", "would fit"}));
  TrainConfig again = config(8, 8);
  again.recompute = Recompute::layer;
  EXPECT_TRUE(
      holds(message_of<UsageError>([&] { with_planned_memory(again, spec(), *cpu); }), {"recompute"}));
}

}  // namespace
}  // namespace photon::trainer
