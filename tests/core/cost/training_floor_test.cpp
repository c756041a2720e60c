// SPDX-License-Identifier: Apache-2.0
#include "core/cost/training_floor.h"

#include <gtest/gtest.h>

#include "core/base/error.h"

namespace photon {
namespace {

Launch launch(std::string scope, std::string op, Work work) {
  return {.scope = std::move(scope), .op = std::move(op), .file = "a file", .work = work};
}

Ceilings ceilings() {
  Ceilings c;
  c.bandwidth = 100.0;
  c.matrix_rate = 1000.0;
  c.launch_seconds = 0.5;
  return c;
}

TEST(TrainingFloor, EachLaunchTakesItsOwnLimitAndItsStart) {
  const std::vector<Launch> launches{
      // 2 s of bytes, 1 s of FLOPs
      launch("pass/forward/encoder 1", "product", {.weight_bytes = 150, .other_bytes = 50, .flops = 1000}),
      // 1 s of bytes, 3 s of FLOPs: not hidden behind the other one
      launch("pass/forward/decoder 1", "product", {.kv_read_bytes = 100, .flops = 3000}),
      launch("pass/backward/decoder 1/again", "product", {.flops = 3000}),
      launch("case/pass/backward/decoder 1", "product", {.flops = 8000}), launch("backward", "embedding", {}),
      launch("optimizer", "update", {.other_bytes = 700})};
  const TrainingFloor floor = training_floor(launches, ceilings());
  ASSERT_EQ(floor.ops.size(), 5u);
  EXPECT_EQ(floor.ops[0].phase, "forward");
  EXPECT_EQ(floor.ops[0].launches, 2);
  EXPECT_DOUBLE_EQ(floor.ops[0].seconds, 2.0 + 3.0 + 2 * 0.5);
  EXPECT_DOUBLE_EQ(floor.ops[0].work.flops, 4000.0);
  EXPECT_EQ(floor.ops[1].phase, "again");
  EXPECT_EQ(floor.ops[2].phase, "backward");
  EXPECT_EQ(floor.ops[4].phase, "optimizer");
  EXPECT_EQ(floor.launches, 6);
  EXPECT_DOUBLE_EQ(floor.seconds, 6.0 + 3.5 + 8.5 + 0.5 + 7.5);
  EXPECT_DOUBLE_EQ(floor.flops, 12000.0);
  EXPECT_DOUBLE_EQ(floor.flops_again, 3000.0);
}

TEST(TrainingFloor, RefusesWhatItCannotPlace) {
  EXPECT_THROW(training_floor(std::vector{launch("decode/encoder 1", "product", {})}, ceilings()), Error);
  EXPECT_THROW(training_floor({}, Ceilings{}), Error);
}

}  // namespace
}  // namespace photon
