// SPDX-License-Identifier: Apache-2.0
// The memory plan of a training step against what the allocator holds after one.
#include "reference/training_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <memory>

#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "reference/trainable.h"

namespace photon::reference {
namespace {

constexpr int64_t rows = 4;
constexpr int64_t length = 64;

ModelSpec model(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_model_spec(share_folder() / "configs" / "models" / (name + ".toml"), overrides);
}

int64_t allocated_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

/// Of the model after a step, which is what it goes on holding.
int64_t bytes_of_a_step(const ModelSpec& spec) {
  const std::vector<float> parameters = initial_parameters(spec, 1);
  const TokenBatch batch{rows, length, std::vector<int32_t>(static_cast<size_t>(rows * length), 3)};
  const int64_t before = allocated_bytes();
  const auto trained = make_trainable(spec, parameters);
  trained->accumulate_gradients(batch, {.alpha = 0.1, .beta = 0.1}, 1.0);
  trained->adamw_step({.learning_rate = 1e-3});
  return allocated_bytes() - before;
}

TEST(TrainingMemory, IsPlannedFromAboveAndNearly) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's allocator does not count";
#endif
  const std::vector<ModelSpec> specs{model("vanilla-tiny"),
                                     model("block-tiny"),
                                     model("photon-tiny"),
                                     model("photon-tiny", {"reading=parallel"}),
                                     model("photon-tiny", {"reading=literal", "level.1.converter_context=3"}),
                                     model("photon-tiny", {"reading=hatted"}),
                                     model("vanilla-tiny", {"vocab=20000", "layers=1"})};
  for (const ModelSpec& spec : specs) {
    const TrainingPlan plan = plan_training(spec, rows, length);
    // Weights and moments on their way to a checkpoint are the trainer's.
    const int64_t of_the_model =
        plan.total() - 3 * static_cast<int64_t>(sizeof(float)) * parameter_elements(spec);
    const int64_t held = bytes_of_a_step(spec);
    EXPECT_LE(held, of_the_model) << spec.name << " " << to_string(spec.reading);
    EXPECT_GE(held, of_the_model * 8 / 10) << spec.name << " " << to_string(spec.reading);
  }
}

TEST(TrainingMemory, GrowsWithTheSequencesAndDoesNotOverflow) {
  const ModelSpec spec = model("photon-tiny");
  int64_t last = 0;
  for (int64_t sequences = 1; sequences <= int64_t{1} << 36; sequences *= 4) {
    const int64_t total = plan_training(spec, sequences, 512).total();
    EXPECT_GT(total, last) << sequences;
    last = total;
  }
  EXPECT_GT(plan_training(spec, int64_t{1} << 40, int64_t{1} << 40).total(), int64_t{1} << 50);
}

}  // namespace
}  // namespace photon::reference
