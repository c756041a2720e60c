// SPDX-License-Identifier: Apache-2.0
// Presets: what they may say, how outcomes are judged, and how a back end is compared with the reference.
#include "bench/acceptance.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "bench/agreement.h"
#include "bench/sweep.h"
#include "core/base/error.h"
#include "core/base/known_configs.h"
#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "tests/bench/fake.h"

namespace photon::bench {
namespace {

class PresetTest : public testing::Test {
 protected:
  Acceptance load(const std::string& change_from = "", const std::string& change_to = "") {
    std::string text = R"(device = "fake"
dtype = "bfloat16"
max_seconds = 2.5
min_samples = 3
[models]
vanilla = "configs/models/vanilla-tiny.toml"
[check]
models = ["configs/models/vanilla-tiny.toml"]
rows = 2
prompt = 5
new = 7
largest_error = 0.02
[[target]]
what = "decode"
model = "vanilla"
regime = "de/2"
batch = "max"
measured = "decode_serial_fraction"
at_least = 0.8
expected_ktok_per_s = 27
[[target]]
what = "prefill"
model = "vanilla"
prompt = 30
new = 20
batch = 32
measured = "prefill_mfu"
at_least = 0.65
)";
    if (!change_from.empty()) text.replace(text.find(change_from), change_from.size(), change_to);
    const auto file =
        std::filesystem::temp_directory_path() / ("preset_" + std::to_string(getpid()) + ".toml");
    std::ofstream(file) << text;
    struct Removed {
      std::filesystem::path file;
      ~Removed() { std::filesystem::remove(file); }
    } removed{file};
    return load_acceptance(file.string());
  }
  std::string error_of(const std::string& change_from, const std::string& change_to) {
    try {
      load(change_from, change_to);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
};

TEST_F(PresetTest, SaysWhatIsMeasured) {
  const Acceptance a = load();
  EXPECT_EQ(a.device, "fake");
  EXPECT_EQ(a.dtype, DType::bfloat16);
  EXPECT_EQ(a.rule.max_seconds, 2.5);
  ASSERT_EQ(a.targets.size(), 2u);
  EXPECT_EQ(a.targets[0].batch, sweep_max);
  EXPECT_EQ(a.targets[0].regime, (Regime{"de/2", 64, 1024}));
  EXPECT_EQ(a.targets[0].expected_tokens_per_s, 27000.0);
  EXPECT_EQ(a.targets[1].regime, (Regime{"custom", 30, 20}));
  EXPECT_EQ(a.targets[1].batch, 32);
  EXPECT_FALSE(a.targets[1].expected_tokens_per_s);
}

TEST_F(PresetTest, RefusesWhatItDoesNotKnow) {
  const auto refused = [&](const std::string& from, const std::string& to, const std::string& because) {
    const std::string said = error_of(from, to);
    EXPECT_NE(said.find(because), std::string::npos) << to << ": " << said;
  };
  refused("at_least = 0.8", "at_least = 80.0", "at_least");
  refused("\"decode_serial_fraction\"", "\"decode_seconds\"", "measured");
  refused("model = \"vanilla\"", "model = \"photon\"", "model");
  refused("\"max\"", "\"most\"", "batch");
  refused("\"de/2\"", "\"de,pf\"", "names several");
  refused("what = ", "waht = ", "what");
  refused("[check]", "[chekc]", "[check]");
  refused("\"prefill_mfu\"", "\"step_mfu\"", "length");
  refused("new = 7", "steps = 3", "length");
}

// The table of targets is the contract: which cases, and how much of the floor.
TEST(Preset, H200AcceptanceHoldsEveryTarget) {
  const Acceptance a = load_acceptance(find_config(ConfigKind::preset, "h200-acceptance"));
  EXPECT_EQ(a.device, "cuda");
  EXPECT_EQ(a.dtype, DType::bfloat16);
  std::map<std::string, int> largest, single, prefill;
  for (const Target& t : a.targets) {
    const ModelSpec spec = load_model_spec(a.models.at(t.model));
    EXPECT_EQ(spec.architecture(), t.model);
    EXPECT_NE(spec.name.find("600m"), std::string::npos);
    if (t.measured == "prefill_mfu") {
      ++prefill[t.model];
      EXPECT_EQ(t.regime.prompt, 2048);
      EXPECT_GE(t.batch, 32);
      EXPECT_EQ(t.at_least, 0.65);
      continue;
    }
    EXPECT_EQ(t.measured, "decode_serial_fraction");
    EXPECT_EQ(t.regime.name, "de");
    if (t.batch == 1) {
      ++single[t.model];
      EXPECT_EQ(t.at_least, 0.60);
    } else {
      ++largest[t.model];
      EXPECT_EQ(t.batch, sweep_max);
      EXPECT_EQ(t.at_least, t.model == "vanilla" ? 0.80 : 0.65);
      EXPECT_TRUE(t.expected_tokens_per_s);
    }
  }
  using Counts = std::map<std::string, int>;
  EXPECT_EQ(largest, (Counts{{"vanilla", 1}, {"block", 1}, {"photon", 2}}));
  EXPECT_EQ(single, (Counts{{"vanilla", 1}, {"block", 1}, {"photon", 2}}));
  EXPECT_EQ(prefill, (Counts{{"vanilla", 1}, {"block", 1}, {"photon", 1}}));
}

TEST(Preset, H200TrainingHoldsEveryTarget) {
  const Acceptance a = load_acceptance(find_config(ConfigKind::preset, "h200-training"));
  EXPECT_EQ(a.device, "cuda");
  EXPECT_GT(a.check.steps, 0);
  EXPECT_EQ(a.check.models.size(), 3u);
  std::map<std::string, int> large, small;
  for (const Target& t : a.targets) {
    const ModelSpec spec = load_model_spec(a.models.at(t.model));
    EXPECT_EQ(t.measured, "step_mfu");
    EXPECT_EQ(t.length, 2048);
    EXPECT_EQ(t.recompute, Recompute::none);
    const bool is_large = spec.name.ends_with("600m");
    const auto parameters = static_cast<double>(parameters_total(spec));
    EXPECT_NEAR(parameters, is_large ? 0.62e9 : 21e6, is_large ? 0.04e9 : 2e6) << spec.name;
    EXPECT_EQ(t.at_least, is_large ? 0.45 : 0.25);
    ++(is_large ? large : small)[std::string(spec.architecture())];
  }
  const std::map<std::string, int> each{{"vanilla", 1}, {"block", 1}, {"photon", 1}};
  EXPECT_EQ(large, each);
  EXPECT_EQ(small, each);
}

TEST(Outcome, IsReachedMissedOrNotMeasured) {
  Target t;
  t.what = "decode";
  t.measured = "decode_serial_fraction";
  t.at_least = 0.65;
  ResultRow row;
  row.set("batch", 512);
  row.set("decode_tokens_per_s", 530000.0);
  row.set("decode_serial_fraction", 0.65);
  std::vector<Outcome> outcomes{{t, row, ""}};
  EXPECT_TRUE(outcomes[0].reached());
  row.set("decode_serial_fraction", 0.6);
  outcomes.push_back({t, row, ""});
  EXPECT_FALSE(outcomes[1].reached());
  outcomes.push_back({t, {}, "too large"});
  EXPECT_FALSE(outcomes[2].reached());
  outcomes.push_back({t, ResultRow(), ""});
  EXPECT_FALSE(outcomes[3].reached()) << "a share that was not measured";
  const std::string text = table(outcomes);
  for (const char* part : {"| 512 | 65.0 % | serial floor | 65.0 % | 530 |", "| reached |",
                           "| missed by 5.0 points |", "not measured: too large", "has no decode_serial"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

/// Log-probabilities made up from the tokens, with an error that can be set.
class MadeUpModel final : public InferenceModel {
 public:
  MadeUpModel() : spec_(small_spec(0)) {}
  const ModelSpec& spec() const override { return spec_; }
  std::vector<NamedTensor> forward(const TokenBatch&) override { return {}; }
  std::vector<double> token_log_probs(const TokenBatch&) override { return {}; }
  MemoryPlan memory_plan(const GenerationRequest&) const override { return {}; }
  GenerationResult generate(const GenerationRequest& request) override {
    GenerationResult out;
    ++runs;
    for (const auto& row : request.forced) {
      auto& log_probs = out.log_probs.emplace_back();
      for (const int32_t token : row)
        log_probs.push_back(flat ? -3.0 : -3.0 + std::sin(token) + error * (token % 2 == 0 ? 1.0 : -1.0));
      log_probs[0] += drift * runs;
    }
    out.tokens = request.forced;
    if (short_by_one) out.log_probs[0].pop_back();
    return out;
  }

  double error = 0.0;
  double drift = 0.0;
  bool flat = false;
  bool short_by_one = false;
  int runs = 0;

 private:
  ModelSpec spec_;
};

TEST(Agreement, MeasuresAgainstTheSpread) {
  const AgreementCase c{.rows = 4, .prompt = 3, .new_tokens = 200, .seed = 7};
  MadeUpModel reference, tested;
  EXPECT_EQ(compare(tested, reference, c).relative_error, 0.0);
  EXPECT_TRUE(compare(tested, reference, c).repeatable);
  tested.error = 0.1;  // of a sine's standard deviation, 1 / sqrt(2)
  EXPECT_NEAR(compare(tested, reference, c).relative_error, 0.1 * std::sqrt(2.0), 0.01);
  tested.error = NAN;
  EXPECT_FALSE(compare(tested, reference, c).relative_error <= 1e9) << "NaN never passes";
  tested.error = 0.0;
  tested.drift = 1e-12;
  EXPECT_FALSE(compare(tested, reference, c).repeatable);
  tested.drift = 0.0;
  reference.flat = tested.flat = true;
  EXPECT_TRUE(std::isinf(compare(tested, reference, c).relative_error))
      << "nothing to compare is no agreement";
  tested.short_by_one = true;
  EXPECT_THROW(compare(tested, reference, c), Error);
}

/// Learns by a rule of its own, with an error that can be set.
class MadeUpTraining final : public Backend {
 public:
  std::string device_name() const override { return "made up"; }
  int threads() const override { return 1; }
  int64_t memory_bytes() const override { return 0; }
  int64_t memory_in_use() const override { return 0; }
  Ceilings measure_ceilings(DType) override { return {}; }
  std::unique_ptr<InferenceModel> inference(const ModelSpec&, std::span<const float>, DType) override {
    return nullptr;
  }
  std::unique_ptr<TrainableModel> trainable(const ModelSpec& spec, std::span<const float>,
                                            Recompute) override {
    struct Model final : TrainableModel {
      Model(ModelSpec s, const MadeUpTraining& o) : spec_(std::move(s)), of(o) {}
      const ModelSpec& spec() const override { return spec_; }
      Losses accumulate_gradients(const TokenBatch& batch, const LossConfig&, double) override {
        sum += batch.ids[0];
        return {.token = (1.0 + of.loss_error) * (5.0 + std::sin(sum))};
      }
      Losses evaluate(const TokenBatch&, const LossConfig&) override { return {}; }
      double gradient_norm() override { return 1.0; }
      void adamw_step(const AdamWStep&) override {}
      void read_parameters(std::span<float>) const override {}
      void write_parameters(std::span<const float>) override {}
      void read_moments(std::span<float> first, std::span<float>) const override {
        for (size_t i = 0; i < first.size(); ++i) {
          const double sign = i % 2 == 0 ? 1.0 : -1.0;
          first[i] = static_cast<float>(std::cos(sum + static_cast<double>(i)) + of.gradient_error * sign);
        }
        for (const ParameterInfo& p : parameter_list(spec_)) {
          if (p.name != "decoder.1.norm.weight") continue;
          for (int64_t i = p.offset; i < p.offset + p.size(); ++i)
            first[static_cast<size_t>(i)] += static_cast<float>(of.small_tensor_error);
        }
        first[0] += static_cast<float>(of.drift * ++of.runs);
      }
      void write_moments(std::span<const float>, std::span<const float>) override {}
      ModelSpec spec_;
      const MadeUpTraining& of;
      double sum = 0.0;
    };
    return std::make_unique<Model>(spec, *this);
  }

  double loss_error = 0.0;
  double gradient_error = 0.0;
  double small_tensor_error = 0.0;
  double drift = 0.0;
  mutable int runs = 0;
};

TEST(Agreement, OfTrainingIsTheWorseOfLossesAndGradients) {
  MadeUpTraining reference, tested;
  const ModelSpec spec = small_spec(2);
  const std::vector<float> parameters(static_cast<size_t>(parameter_elements(spec)));
  const TrainingAgreementCase c{.rows = 2, .length = 8, .steps = 3, .seed = 7};
  const auto compared = [&] { return compare_training(tested, reference, spec, parameters, c); };
  EXPECT_EQ(compared().relative_error, 0.0);
  EXPECT_TRUE(compared().repeatable);
  tested.gradient_error = 0.01;  // of a cosine's root mean square, 1 / sqrt(2)
  EXPECT_NEAR(compared().relative_error, 0.01 * std::sqrt(2.0), 2e-3);
  tested.loss_error = 0.1;
  EXPECT_NEAR(compared().relative_error, 0.1, 1e-6);
  tested.loss_error = NAN;
  EXPECT_FALSE(compared().relative_error <= 1e9) << "NaN never passes";
  tested.loss_error = 0.0;
  tested.gradient_error = NAN;
  EXPECT_FALSE(compared().relative_error <= 1e9) << "NaN never passes";
  tested.gradient_error = 0.0;
  tested.small_tensor_error = 0.5;
  EXPECT_GT(compared().relative_error, 0.3) << "a small tensor is not lost among large ones";
  tested.small_tensor_error = 0.0;
  tested.drift = 1e-3;
  EXPECT_FALSE(compared().repeatable);
}

}  // namespace
}  // namespace photon::bench
