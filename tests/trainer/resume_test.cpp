// SPDX-License-Identifier: Apache-2.0
// A run that is killed at random moments and resumed is, bit for bit, the run that was never stopped. The
// killed runs are processes of their own: this test program again, which finds its job in the environment.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <random>
#include <sstream>
#include <thread>

#include "core/base/error.h"
#include "core/text/token_file.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"
#include "tests/trainer/bigram_backend.h"
#include "trainer/run_state.h"
#include "trainer/trainer.h"

namespace photon::trainer {
namespace {

namespace fs = std::filesystem;
using testing::read_text;
using testing::TempFolder;
using testing::write_text;
using testing_support::BigramBackend;

constexpr int64_t steps = 40;
constexpr int stopped_status = 3;
constexpr auto child_variable = "PHOTON_TEST_CHILD_OUT";

/// A corpus of random tokens with some structure, and a model to train on it.
void make_inputs(const TempFolder& folder) {
  std::mt19937 random(7);
  std::vector<int32_t> ids;
  for (int i = 0; i < 3000; ++i) {
    ids.push_back(i % 3 == 0 ? static_cast<int32_t>(random() % 16) : (ids.back() * 5 + 3) % 16);
  }
  fs::create_directories(folder / "corpus");
  write_token_file(folder / "corpus/train.tokens", 16, ids);
  write_token_file(folder / "corpus/validation.tokens", 16, std::span(ids).first(500));
  write_text(folder / "model.toml",
             "name = \"bigram\"\nvocab = 16\nwidth = 8\nffn = 8\nheads = 2\nlayers = 1\n");
}

TrainConfig config_for(const fs::path& folder, const std::string& out) {
  TrainConfig c;
  c.model = folder / "model.toml";
  c.data = folder / "corpus";
  c.out = folder / out;
  c.seed = 3;
  c.batch = 4;
  c.micro_batch = 2;
  c.context = 24;
  c.learning_rate = 0.02;
  c.warmup = 5;
  c.budget = {Budget::Kind::steps, static_cast<double>(steps)};
  c.validation_every = 7;
  c.validation_batches = 3;
  c.checkpoint_every = 6;
  return c;
}

/// metrics.csv without its last three columns, which are times.
std::string deterministic_metrics(const fs::path& out) {
  std::istringstream in(read_text(out / "metrics.csv"));
  std::string line, all;
  while (std::getline(in, line)) {
    for (int i = 0; i < 3; ++i) line.resize(line.rfind(','));
    all += line + "\n";
  }
  return all;
}

void expect_same_run(const fs::path& a, const fs::path& b) {
  for (const char* name :
       {"checkpoint/model.safetensors", "checkpoint/state.json", "checkpoint/config.toml"}) {
    EXPECT_EQ(read_text(a / name), read_text(b / name)) << name;
    EXPECT_FALSE(read_text(a / name).empty()) << name;
  }
  EXPECT_EQ(fs::exists(a / "checkpoint/optimizer.safetensors"),
            fs::exists(b / "checkpoint/optimizer.safetensors"));
  if (fs::exists(a / "checkpoint/optimizer.safetensors")) {
    EXPECT_EQ(read_text(a / "checkpoint/optimizer.safetensors"),
              read_text(b / "checkpoint/optimizer.safetensors"));
  }
  EXPECT_EQ(deterministic_metrics(a), deterministic_metrics(b));
}

/// What the killed processes run, in place of tests. Slowed down so that a signal finds it at work.
class ChildJob : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* out = std::getenv(child_variable);
    if (out == nullptr) return;
    const fs::path path = out;
    BigramBackend backend;
    backend.before_step = [](int64_t, float&) {
      std::this_thread::sleep_for(std::chrono::microseconds(400));
    };
    TrainConfig config = config_for(path.parent_path(), path.filename().string());
    config.checkpoint_every = 2;
    _exit(train(config, backend, true).finished ? 0 : stopped_status);
  }
};

const auto* const child_job = ::testing::AddGlobalTestEnvironment(new ChildJob);

/// Starts the child, sends `signal` after `delay` and returns its wait status.
int run_child(const fs::path& out, int signal, std::chrono::microseconds delay) {
  const pid_t child = fork();
  if (child == 0) {
    const int quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, STDOUT_FILENO);
    dup2(quiet, STDERR_FILENO);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv(child_variable, out.c_str(), 1);
    execl("/proc/self/exe", "trainer_tests", nullptr);
    _exit(127);
  }
  std::this_thread::sleep_for(delay);
  kill(child, signal);
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

class Resume : public ::testing::Test {
 protected:
  void SetUp() override { make_inputs(folder_); }
  TrainResult run(const std::string& out, bool resume = false) {
    return train(config_for(folder_.path(), out), backend_, resume);
  }
  TrainConfig longer_config(const std::string& out, int64_t new_steps) const {
    TrainConfig c = config_for(folder_.path(), out);
    c.budget.amount = static_cast<double>(new_steps);
    c.extend = true;
    return c;
  }
  /// Ctrl-C in the middle of `step` of this process.
  void interrupt_at(int64_t step) {
    // The two micro-batches of the step would raise it twice.
    backend_.before_step = [step, done = std::make_shared<bool>(false)](int64_t now, float&) {
      if (now == step && !*done) {
        *done = true;
        raise(SIGINT);
      }
    };
  }

  TempFolder folder_;
  BigramBackend backend_;
};

TEST_F(Resume, LearnsAndFinishes) {
  const TrainResult r = run("whole");
  EXPECT_TRUE(r.finished);
  EXPECT_EQ(r.step, steps);
  EXPECT_EQ(r.tokens, steps * 4 * 24);
  EXPECT_GT(r.flops, 0.0);
  ASSERT_TRUE(r.validation.has_value());
  EXPECT_LT(r.validation->token, 0.9 * std::log(16.0));
  EXPECT_TRUE(fs::exists(r.checkpoint / "optimizer.safetensors"))
      << "without moments it could not be made longer";
  EXPECT_TRUE(fs::exists(r.checkpoint / "DONE"));
  const std::string metrics = read_text(folder_ / "whole/metrics.csv");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), steps + 1);
}

TEST_F(Resume, InterruptsAtEveryPhaseChangeNothing) {
  run("whole");
  const std::string out = "stopped";
  int64_t done = 0;
  for (const int64_t more : {1, 5, 6, 7, 12}) {
    // The bigram model counts updates of its own life, so a step is counted from the resume.
    interrupt_at(done == 0 ? more : done + more);
    const TrainResult r = run(out, done > 0);
    EXPECT_FALSE(r.finished);
    done = r.step;
    EXPECT_EQ(load_run_state(r.checkpoint)->step, done);
  }
  backend_.before_step = [](int64_t, float&) {};
  EXPECT_TRUE(run(out, true).finished);
  expect_same_run(folder_ / "whole", folder_ / out);
}

TEST_F(Resume, MomentsAreThoseOfTheRunNeverStopped) {
  interrupt_at(20);
  EXPECT_EQ(run("straight").step, 20);
  interrupt_at(9);
  EXPECT_EQ(run("twice").step, 9);
  interrupt_at(20);
  EXPECT_EQ(run("twice", true).step, 20);
  ASSERT_TRUE(fs::exists(folder_ / "straight/checkpoint/optimizer.safetensors"));
  expect_same_run(folder_ / "straight", folder_ / "twice");
}

TEST_F(Resume, KillsAtRandomMomentsChangeNothing) {
  run("whole");
  const uint64_t seed = testing::test_seed();
  std::printf("PHOTON_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const fs::path out = folder_ / "killed";
  int kills = 0;
  for (int attempt = 0; attempt < 200; ++attempt) {
    const int signal = std::array{SIGKILL, SIGINT, SIGTERM}[random() % 3];
    const int status = run_child(out, signal, std::chrono::microseconds(random() % 40000));
    if (fs::exists(out / "checkpoint")) {
      ASSERT_NO_THROW(load_run(out / "checkpoint")) << "after signal " << signal;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == stopped_status) << "status " << status;
    ++kills;
  }
  EXPECT_GT(kills, 0);
  std::printf("%d processes killed on the way\n", kills);
  run("killed", true);
  expect_same_run(folder_ / "whole", out);
  EXPECT_FALSE(fs::exists(folder_ / "killed/metrics.csv.partial"));
}

TEST_F(Resume, WhatIsThereIsNotOverwritten) {
  interrupt_at(3);
  run("run");
  backend_.before_step = [](int64_t, float&) {};
  EXPECT_NE(testing::message_of<Error>([&] { run("run"); }).find("--resume"), std::string::npos);
  EXPECT_EQ(load_run_state(folder_ / "run/checkpoint")->step, 3);
}

TEST_F(Resume, AnotherConfigIsRefusedByItsKey) {
  interrupt_at(3);
  run("run");
  TrainConfig other = config_for(folder_.path(), "run");
  other.learning_rate = 0.03;
  EXPECT_NE(testing::message_of<Error>([&] { train(other, backend_, true); }).find("learning_rate = 0.02"),
            std::string::npos);
}

TEST_F(Resume, EverySettingOfTheOptimizerCountsAndIsRefusedByItsKey) {
  run("usual");
  interrupt_at(3);
  run("run");
  backend_.before_step = [](int64_t, float&) {};
  const std::vector<std::pair<std::string, std::function<void(TrainConfig&)>>> changes{
      {"schedule", [](TrainConfig& c) { c.schedule = RateShape::linear; }},
      {"final_fraction", [](TrainConfig& c) { c.final_fraction = 0.2; }},
      {"adam_beta1", [](TrainConfig& c) { c.adam_beta1 = 0.8; }},
      {"adam_beta2", [](TrainConfig& c) { c.adam_beta2 = 0.99; }},
      {"adam_epsilon", [](TrainConfig& c) { c.adam_epsilon = 1e-4; }},
      {"weight_decay", [](TrainConfig& c) { c.weight_decay = 0.5; }}};
  for (const auto& [key, change] : changes) {
    TrainConfig other = config_for(folder_.path(), "run");
    change(other);
    EXPECT_NE(testing::message_of<Error>([&] { train(other, backend_, true); }).find("began with " + key),
              std::string::npos)
        << key;
    other.out = folder_ / key;
    train(other, backend_, false);
    EXPECT_NE(read_text(other.out / "checkpoint/model.safetensors"),
              read_text(folder_ / "usual/checkpoint/model.safetensors"))
        << key << " changes nothing";
  }
}

TEST_F(Resume, ARunOfAVersionWithoutTheseKeysGoesOnUnderTheirDefaults) {
  run("usual");
  interrupt_at(9);
  const fs::path checkpoint = run("run").checkpoint;
  TrainingCheckpoint saved = load_run(checkpoint);
  for (const char* key :
       {"schedule", "final_fraction", "adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay"}) {
    ASSERT_EQ(saved.state.identity.erase(key), 1u) << key;
  }
  save_run(checkpoint, saved, {});
  backend_.before_step = [](int64_t, float&) {};
  TrainConfig other = config_for(folder_.path(), "run");
  other.weight_decay = 0.2;
  EXPECT_NE(testing::message_of<Error>([&] { train(other, backend_, true); }).find("weight_decay = 0.1"),
            std::string::npos);
  EXPECT_TRUE(run("run", true).finished);
  EXPECT_EQ(read_text(folder_ / "run/checkpoint/model.safetensors"),
            read_text(folder_ / "usual/checkpoint/model.safetensors"));
}

TEST_F(Resume, ALongerBudgetNeedsItsKey) {
  EXPECT_TRUE(run("run").finished);
  TrainConfig longer = longer_config("run", 60);
  longer.extend = false;
  EXPECT_NE(testing::message_of<Error>([&] { train(longer, backend_, true); }).find("--set extend=true"),
            std::string::npos);
  longer.extend = true;
  EXPECT_NE(testing::message_of<Error>([&] { train(longer, backend_, false); }).find("--resume"),
            std::string::npos);
  EXPECT_NE(
      testing::message_of<Error>([&] { train(longer_config("run", 20), backend_, true); }).find("steps = 40"),
      std::string::npos)
      << "nothing is made shorter";
  longer.learning_rate = 0.5;
  EXPECT_NE(testing::message_of<Error>([&] { train(longer, backend_, true); }).find("learning_rate"),
            std::string::npos)
      << "only the length may change";
  EXPECT_EQ(load_run_state(folder_ / "run/checkpoint")->steps, steps);
}

TEST_F(Resume, MadeLongerAtAConstantRateARunIsTheLongRunBitForBit) {
  const auto constant = [](TrainConfig c) {
    c.schedule = RateShape::constant;
    return c;
  };
  EXPECT_TRUE(train(constant(longer_config("straight", 56)), backend_, false).finished);
  const auto expect_straight = [&](const std::string& out) {
    for (const char* name : {"checkpoint/model.safetensors", "checkpoint/optimizer.safetensors"}) {
      EXPECT_EQ(read_text(folder_ / out / name), read_text(folder_ / "straight" / name))
          << out << " " << name;
    }
    EXPECT_EQ(deterministic_metrics(folder_ / out), deterministic_metrics(folder_ / "straight")) << out;
    EXPECT_NE(load_run_state(folder_ / out / "checkpoint")->identity.at("extended"), "");
  };
  // 28 and 56 steps end with a validation that the long run makes, too.
  EXPECT_TRUE(train(constant(longer_config("finished", 28)), backend_, false).finished);
  EXPECT_TRUE(train(constant(longer_config("finished", 56)), backend_, true).finished);
  expect_straight("finished");

  interrupt_at(10);
  EXPECT_FALSE(train(constant(longer_config("stopped", 28)), backend_, false).finished);
  interrupt_at(17);
  EXPECT_FALSE(train(constant(longer_config("stopped", 56)), backend_, true).finished);
  backend_.before_step = [](int64_t, float&) {};
  TrainConfig rest = load_train_config(folder_ / "stopped/train.toml");
  EXPECT_FALSE(rest.extend) << "what was asked for once is done";
  EXPECT_TRUE(train(rest, backend_, true).finished) << "the longer run resumes as any other";
  expect_straight("stopped");
}

TEST_F(Resume, MadeLongerARunFollowsTheScheduleOfItsNewLength) {
  run("run");
  train(longer_config("run", 60), backend_, true);
  std::istringstream in(read_text(folder_ / "run/metrics.csv"));
  std::string line;
  std::getline(in, line);
  for (int64_t step = 1; step <= 60; ++step) {
    ASSERT_TRUE(std::getline(in, line)) << step;
    std::istringstream cells(line);
    std::string cell;
    for (int i = 0; i < 8; ++i) std::getline(cells, cell, ',');
    const RateSchedule schedule{.peak = 0.02, .warmup = 5, .steps = step <= steps ? steps : 60};
    EXPECT_DOUBLE_EQ(std::stod(cell), schedule.rate(step)) << step;
  }
}

TEST_F(Resume, WithoutItsMomentsAFinishedRunIsNotMadeLonger) {
  const fs::path checkpoint = run("run").checkpoint;
  fs::remove(checkpoint / "optimizer.safetensors");
  EXPECT_TRUE(run("run", true).finished) << "it is whole without them";
  const std::string refusal =
      testing::message_of<Error>([&] { train(longer_config("run", 60), backend_, true); });
  EXPECT_NE(refusal.find("--set model=" + checkpoint.string()), std::string::npos) << refusal;

  TrainConfig onward = config_for(folder_.path(), "onward");
  onward.model = checkpoint;
  onward.learning_rate = 0.0;
  onward.weight_decay = 0.0;
  onward.budget.amount = 3;
  EXPECT_TRUE(train(onward, backend_, false).finished);
  EXPECT_EQ(read_text(folder_ / "onward/checkpoint/model.safetensors"),
            read_text(checkpoint / "model.safetensors"))
      << "a run starts with the weights that it is given";
}

TEST_F(Resume, WhatIsRefusedLeavesNoFolderAndWhatCouldNotBeSavedIsNotTrained) {
  TrainConfig other = config_for(folder_.path(), "none");
  other.context = 4000;
  EXPECT_NE(testing::message_of<Error>([&] { train(other, backend_, false); }), "");
  other = config_for(folder_.path(), "none");
  other.model = folder_ / "absent.toml";
  EXPECT_NE(testing::message_of<Error>([&] { train(other, backend_, false); }), "");
  EXPECT_FALSE(fs::exists(folder_ / "none"));

  interrupt_at(3);
  const fs::path checkpoint = run("run").checkpoint;
  write_text(checkpoint / "notes.txt", "mine");
  int64_t steps_made = 0;
  backend_.before_step = [&](int64_t, float&) { ++steps_made; };
  EXPECT_NE(testing::message_of<Error>([&] { run("run", true); }).find("notes.txt"), std::string::npos);
  EXPECT_EQ(steps_made, 0);
}

TEST_F(Resume, ZeroMatricesAreRefused) {
  interrupt_at(3);
  const fs::path checkpoint = run("run").checkpoint;
  std::string bytes = read_text(checkpoint / "model.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::fill(bytes.begin() + static_cast<int64_t>(8 + header), bytes.end(), '\0');
  write_text(checkpoint / "model.safetensors", bytes);
  EXPECT_NE(testing::message_of<Error>([&] { run("run", true); }).find("zero"), std::string::npos);
}

TEST_F(Resume, ANonFiniteGradientStopsAndKeepsTheLastCheckpoint) {
  for (const float poison :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::string out = std::isnan(poison) ? "nan" : "inf";
    backend_.before_step = [poison](int64_t step, float& gradient) {
      if (step == 15) gradient = poison;
    };
    EXPECT_NE(testing::message_of<Error>([&] { run(out); }).find("step 15"), std::string::npos);
    const fs::path checkpoint = folder_ / out / "checkpoint";
    EXPECT_EQ(load_run(checkpoint).state.step, 12);
    backend_.before_step = [](int64_t, float&) {};
    EXPECT_TRUE(run(out, true).finished) << "the checkpoint before it is good";
  }
}

TEST_F(Resume, AFolderInUseIsRefused) {
  backend_.before_step = [&](int64_t step, float&) {
    if (step != 2) return;
    BigramBackend second;
    EXPECT_NE(testing::message_of<Error>([&] {
                train(config_for(folder_.path(), "run"), second, true);
              }).find("another run"),
              std::string::npos);
  };
  run("run");
}

}  // namespace
}  // namespace photon::trainer
