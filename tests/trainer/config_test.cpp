// Training configs: what is read is what is written, defaults, and errors that name the key.
#include "trainer/config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/paths.h"

namespace photon {
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
}

TEST(TrainConfig, WrittenOutItReadsBackTheSame) {
  const std::vector<std::string> overrides{
      "seed=7",          "micro_batch=2",          "budget={flops=1.5e15}",
      "match=\"flops\"", "match_model=\"p.toml\"", "alpha=0.3",
      "beta=0.1",        "distance=squared",       "detach=false",
      "clip=0",          "checkpoint_minutes=2.5", "mfu=false"};
  std::string toml = smallest;
  toml.erase(toml.find("budget"));
  const auto c = parse_train_config(toml, "run.toml", overrides);
  EXPECT_EQ(c.budget, (Budget{Budget::Kind::flops, 1.5e15}));
  EXPECT_EQ(c.match, Match::flops);
  EXPECT_EQ(c.loss.distance, Distance::squared);
  EXPECT_EQ(to_toml(parse_train_config(to_toml(c), "train.toml")), to_toml(c));
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
}  // namespace photon
