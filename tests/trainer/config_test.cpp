// SPDX-License-Identifier: Apache-2.0
// Training configs: what is read is what is written, defaults, and errors that name the key.
#include "trainer/config.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/base/paths.h"

namespace photon::trainer {
namespace {

const std::string smallest = R"(
model = "m.toml"
data = "corpus"
out = "out"
batch = 8
context = 64
learning_rate = 1e-3
budget = {steps = 10}
)";

std::string fault(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_train_config(toml, "run.toml", overrides);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(TrainConfig, DefaultsAreThePapersWhereItHasThem) {
  const TrainConfig c = parse_train_config(smallest, "run.toml");
  EXPECT_EQ(c.micro_batch, 8);
  EXPECT_EQ(c.clip, 1.0);
  EXPECT_EQ(c.loss.alpha, 0.0);
  EXPECT_EQ(c.loss.distance, Distance::cosine);
  EXPECT_TRUE(c.loss.detach_targets);
  EXPECT_EQ(c.match, Match::none);
  EXPECT_EQ(c.schedule, RateShape::cosine);
  EXPECT_EQ(c.final_fraction, 0.1);
  EXPECT_EQ(c.adam_beta1, 0.9);
  EXPECT_EQ(c.adam_beta2, 0.95);
  EXPECT_EQ(c.adam_epsilon, 1e-8);
  EXPECT_EQ(c.weight_decay, 0.1);
  EXPECT_FALSE(c.extend);
}

TEST(TrainConfig, WrittenOutItReadsBackTheSame) {
  const std::vector<std::string> overrides{
      "seed=7",          "micro_batch=2",          "budget={flops=1.5e15}",
      "match=\"flops\"", "match_model=\"p.toml\"", "alpha=0.3",
      "beta=0.1",        "distance=squared",       "detach=false",
      "clip=0",          "checkpoint_minutes=2.5", "mfu=false",
      "schedule=linear", "final_fraction=0",       "adam_beta1=0.8",
      "adam_beta2=0.99", "adam_epsilon=1e-6",      "weight_decay=0.01",
      "extend=true",     "model.vocab=4096",       "model.name=\"a b\""};
  std::string toml = smallest;
  toml.erase(toml.find("budget"));
  const auto c = parse_train_config(toml, "run.toml", overrides);
  EXPECT_EQ(c.budget, (Budget{Budget::Kind::flops, 1.5e15}));
  EXPECT_EQ(c.match, Match::flops);
  EXPECT_EQ(c.loss.distance, Distance::squared);
  EXPECT_EQ(c.schedule, RateShape::linear);
  EXPECT_EQ(c.final_fraction, 0.0);
  EXPECT_EQ(c.adam_beta1, 0.8);
  EXPECT_EQ(c.adam_beta2, 0.99);
  EXPECT_EQ(c.adam_epsilon, 1e-6);
  EXPECT_EQ(c.weight_decay, 0.01);
  EXPECT_EQ(c.model_set, (std::vector<std::string>{"vocab=4096", "name=\"a b\""}));
  const TrainConfig again = parse_train_config(to_toml(c), "train.toml");
  EXPECT_EQ(to_toml(again), to_toml(c));
  EXPECT_EQ(again.model_set, c.model_set);
  EXPECT_EQ(again.adam_epsilon, c.adam_epsilon);
}

TEST(TrainConfig, OverridesOfTheModelFollowThoseOfTheFile) {
  const std::string toml = smallest + "model_set = [\"vocab=300\"]\n";
  const TrainConfig c = parse_train_config(toml, "run.toml", {"model.vocab=512", "model=other.toml"});
  EXPECT_EQ(c.model, "other.toml");
  EXPECT_EQ(c.model_set, (std::vector<std::string>{"vocab=300", "vocab=512"}));
}

TEST(TrainConfig, ARateThatStaysHasNoFinalFraction) {
  const TrainConfig c = parse_train_config(smallest, "run.toml", {"schedule=constant"});
  EXPECT_EQ(to_toml(parse_train_config(to_toml(c), "train.toml")), to_toml(c));
  EXPECT_NE(fault(smallest, {"schedule=constant", "final_fraction=0.1"}).find("final_fraction"),
            std::string::npos);
}

TEST(TrainConfig, ErrorsNameTheKey) {
  EXPECT_NE(fault(smallest + "warmpu = 3\n").find("warmup"), std::string::npos)
      << fault(smallest + "warmpu = 3\n");
  EXPECT_NE(fault(smallest + "micro_batch = 3\n").find("micro_batch"), std::string::npos);
  EXPECT_NE(fault(smallest + "match = \"flops\"\n").find("match_model"), std::string::npos);
  EXPECT_NE(fault(smallest + "match_model = \"x\"\n").find("match_model"), std::string::npos);
  EXPECT_NE(fault(smallest, {"budget.tokens=5"}).find("budget"), std::string::npos);
  EXPECT_NE(fault(smallest, {"learning_rate=nan"}).find("learning_rate"), std::string::npos);
  EXPECT_NE(fault(smallest, {"batch=0"}).find("batch"), std::string::npos);
  for (const char* wrong : {"adam_beta1=1", "adam_beta2=-0.1", "adam_epsilon=0", "weight_decay=nan",
                            "final_fraction=1.5", "schedule=cosin", "weight_decay=1000"}) {
    const std::string key = std::string(wrong).substr(0, std::string(wrong).find('='));
    EXPECT_NE(fault(smallest, {wrong}).find(key), std::string::npos) << wrong;
  }
  EXPECT_NE(fault(smallest, {"batch=1000000000000", "context=1000000000000"}).find("batch"),
            std::string::npos);
  EXPECT_NE(fault(smallest, {"schedule=cosin"}).find("did you mean \"cosine\"?"), std::string::npos);
  const std::string without = smallest.substr(0, smallest.find("budget"));
  EXPECT_NE(fault(without).find("budget"), std::string::npos);
}

TEST(TrainConfig, ExamplesAreValid) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(share_folder() / "configs" / "train")) {
    const TrainConfig c = load_train_config(entry.path());
    EXPECT_TRUE(std::filesystem::exists(share_folder() / c.model)) << entry.path();
    ++seen;
  }
  EXPECT_GE(seen, 3);
}

}  // namespace
}  // namespace photon::trainer
