// SPDX-License-Identifier: Apache-2.0
// What a training step launches, found without running it: the launches of a real step, and the cost model's
// FLOPs at any size.
#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/cost/cost.h"
#include "core/cost/training_floor.h"
#include "core/model/model_config.h"
#include "cuda_impl/training/trainable.h"
#include "tests/cuda_impl/device_models.h"

namespace photon::PHOTON_GPU {
namespace {

using photon::testing::device_spec;
using photon::testing::random_batch;
using photon::testing::rounded_parameters;
using photon::testing::test_seed;

constexpr Recompute every_recomputation[] = {Recompute::none, Recompute::inner, Recompute::layer};

double counted_flops(const std::vector<Launch>& launches) {
  Ceilings any;
  any.bandwidth = any.matrix_rate = 1.0;
  return training_floor(launches, any).flops;
}

TEST(TrainingLaunches, AreThoseOfARealStep) {
  for (const auto& [depth, reading] :
       {std::pair{0, Reading::causal}, {1, Reading::hatted}, {2, Reading::causal}, {2, Reading::literal}}) {
    const ModelSpec spec = device_spec(depth, reading);
    const TokenBatch batch = random_batch(spec, 2, 2 * spec.meta_context(), test_seed());
    const LossConfig loss{.alpha = depth >= 2 ? 0.3 : 0.0, .beta = depth >= 1 ? 0.2 : 0.0};
    for (const Recompute recompute : every_recomputation) {
      SCOPED_TRACE(fmt::format("depth {}, {}, {}", depth, to_string(reading), to_string(recompute)));
      const auto model = make_trainable(spec, rounded_parameters(spec), recompute);
      const auto real = model->profile(batch, loss, {.learning_rate = 1e-3}, "a step");
      const auto foreseen = training_launches(spec, batch, loss, recompute);
      ASSERT_EQ(foreseen.size(), real.size());
      for (size_t i = 0; i < real.size(); ++i) {
        ASSERT_EQ("a step/" + foreseen[i].scope, real[i].scope) << i;
        ASSERT_EQ(foreseen[i].op, real[i].op) << i;
        EXPECT_EQ(foreseen[i].file, real[i].file);
        EXPECT_EQ(foreseen[i].work.flops, real[i].work.flops) << real[i].op;
        EXPECT_EQ(foreseen[i].work.weight_bytes, real[i].work.weight_bytes) << real[i].op;
        EXPECT_EQ(foreseen[i].work.other_bytes, real[i].work.other_bytes) << real[i].op;
      }
    }
  }
}

TEST(TrainingLaunches, ComputeWhatTheCostModelSaysAtAnySize) {
  constexpr int64_t rows = 3;
  for (const char* name : {"vanilla-600m", "block-1.2b", "photon-600m", "photon-1.2b"}) {
    const ModelSpec spec =
        load_model_spec(share_folder() / "configs" / "models" / (std::string(name) + ".toml"), {});
    const int64_t length = 128 * spec.meta_context();
    const TokenBatch batch = random_batch(spec, rows, length, test_seed());
    const double expected = rows * training_flops(spec, length);
    size_t fewer = 0;
    for (const Recompute recompute : every_recomputation) {
      const auto launches = training_launches(spec, batch, {}, recompute);
      EXPECT_NEAR(counted_flops(launches), expected, 1e-12 * expected) << name;
      EXPECT_GT(launches.size(), fewer) << name;
      fewer = launches.size();
    }
  }
}

TEST(TrainingLaunches, AProfileTrainsByOneStep) {
  const ModelSpec spec = device_spec(1);
  const TokenBatch batch = random_batch(spec, 2, 2 * spec.meta_context(), test_seed());
  const auto start = rounded_parameters(spec);
  const auto model = make_trainable(spec, start, Recompute::none);
  model->profile(batch, {}, {.learning_rate = 0.0}, "a step");
  std::vector<float> after(start.size());
  model->read_parameters(after);
  EXPECT_EQ(after, start);
  // Its moments, too, are those of one step.
  const auto profiled = make_trainable(spec, start, Recompute::none);
  const auto stepped = make_trainable(spec, start, Recompute::none);
  const AdamWStep step{.learning_rate = 1e-3};
  profiled->profile(batch, {}, step, "a step");
  stepped->accumulate_gradients(batch, {}, 1.0);
  stepped->adamw_step(step);
  const auto state = [&](const TrainableModel& of) {
    std::vector<std::vector<float>> out(3, std::vector<float>(start.size()));
    of.read_parameters(out[0]);
    of.read_moments(out[1], out[2]);
    return out;
  };
  EXPECT_EQ(state(*profiled), state(*stepped));
  EXPECT_NE(state(*profiled)[0], start);
}

TEST(TrainingLaunches, RefusesALengthThatDoesNotDivide) {
  const ModelSpec spec = device_spec(2);
  TokenBatch odd = random_batch(spec, 1, spec.meta_context(), test_seed());
  odd.ids.pop_back();
  --odd.length;
  EXPECT_THROW(training_launches(spec, odd, {}, Recompute::none), photon::Error);
}

}  // namespace
}  // namespace photon::PHOTON_GPU
