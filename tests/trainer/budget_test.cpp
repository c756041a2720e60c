// SPDX-License-Identifier: Apache-2.0
// How long a run is, under every budget and match.
#include "trainer/budget.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/cost/cost.h"
#include "core/model/model_config.h"

namespace photon::trainer {
namespace {

ModelSpec tiny(const char* name) {
  return load_model_spec(share_folder().string() + "/configs/models/" + name + ".toml");
}

TrainConfig config(Budget budget, Match match = Match::none) {
  TrainConfig c;
  c.batch = 8;
  c.context = 256;
  c.budget = budget;
  c.match = match;
  return c;
}

TEST(Budget, StepsTokensAndFlopsAreTheSameRun) {
  const ModelSpec spec = tiny("photon-tiny");
  const double a_step = 8.0 * training_flops(spec, 256);
  for (const Budget budget : {Budget{Budget::Kind::steps, 70}, Budget{Budget::Kind::tokens, 70 * 8 * 256},
                              Budget{Budget::Kind::flops, 70 * a_step}}) {
    const RunLength r = run_length(config(budget), spec, nullptr);
    EXPECT_EQ(r.steps, 70);
    EXPECT_EQ(r.tokens(70), 70 * 8 * 256);
    EXPECT_DOUBLE_EQ(r.flops(70), 70 * a_step);
  }
}

TEST(Budget, AMatchGivesTheOtherModelsFlopsOrTokens) {
  const ModelSpec photon = tiny("photon-tiny");
  for (const char* name : {"block-tiny", "vanilla-tiny"}) {
    const ModelSpec spec = tiny(name);
    const double given = 1000.0 * 8.0 * training_flops(photon, 256);
    for (const Budget budget : {Budget{Budget::Kind::steps, 1000}, Budget{Budget::Kind::flops, given}}) {
      const RunLength flops = run_length(config(budget, Match::flops), spec, &photon);
      EXPECT_NEAR(flops.flops(flops.steps), given, 0.5 * flops.flops_per_step) << name;
      EXPECT_NE(flops.steps, 1000) << name;
      EXPECT_EQ(run_length(config(budget, Match::tokens), spec, &photon).steps, 1000) << name;
    }
  }
}

TEST(Budget, WhatGivesNoStepOrDoesNotDivideIsRefused) {
  const ModelSpec spec = tiny("photon-tiny");
  EXPECT_THROW(run_length(config({Budget::Kind::flops, 1000.0}), spec, nullptr), Error);
  EXPECT_THROW(run_length(config({Budget::Kind::steps, 1e20}), spec, nullptr), Error);
  TrainConfig odd = config({Budget::Kind::steps, 10});
  odd.context = 24;
  EXPECT_THROW(run_length(odd, spec, nullptr), Error);
  EXPECT_EQ(run_length(odd, tiny("vanilla-tiny"), nullptr).steps, 10);
}

}  // namespace
}  // namespace photon::trainer
