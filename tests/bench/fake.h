// SPDX-License-Identifier: Apache-2.0
// A back end that computes nothing and says what it is told to say: times, memory, ceilings.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/case.h"
#include "core/backend/backend.h"
#include "core/cost/cost.h"

namespace photon::bench {

inline ModelSpec small_spec(int depth) {
  ModelSpec s;
  s.name = "fake-" + std::to_string(depth);
  s.vocab = 97;
  s.base = {.width = 24, .ffn = 40, .heads = 3, .kv_heads = 3};
  if (depth == 0) s.layers = 2;
  for (int l = 1; l <= depth; ++l) {
    LevelSpec level;
    level.chunk = 2;
    level.prefix = 2;
    level.encoder_layers = 1;
    level.decoder_layers = 1;
    level.shape = s.base;
    s.levels.push_back(level);
  }
  return s;
}

inline Case small_case(int depth, int64_t batch = 2) {
  Case c;
  c.spec = small_spec(depth);
  c.regime = {"custom", 9, 13};
  c.batch = batch;
  return c;
}

/// Device memory that the fake holds, by hand.
struct FakeDevice {
  int64_t weights = 1000000;
  int64_t bytes_per_row = 3 << 20;
  int64_t in_use = 0;
  int runs = 0;
  int measurements = 0;  ///< of ceilings
  int steps = 0;         ///< of training
  /// Clock and what holds it back, told the number of runs and steps so far.
  std::function<double(int)> clock_mhz = [](int) { return 1234.5; };
  std::function<std::string(int)> held_back_by = [](int) { return ""; };
};

class FakeModel final : public InferenceModel {
 public:
  FakeModel(ModelSpec spec, FakeDevice& device) : spec_(std::move(spec)), device_(device) {}
  const ModelSpec& spec() const override { return spec_; }
  std::vector<NamedTensor> forward(const TokenBatch&) override { return {}; }
  std::vector<double> token_log_probs(const TokenBatch&) override { return {}; }

  MemoryPlan memory_plan(const GenerationRequest& request) const override {
    const auto rows = static_cast<int64_t>(request.prompts.size()) * request.samples;
    return {.weights = device_.weights,
            .caches = rows * planned_row,
            .workspace = planned_workspace,
            .available = plan_limit};
  }
  GenerationResult generate(const GenerationRequest& request) override {
    ++device_.runs;
    const auto rows = static_cast<int64_t>(request.prompts.size()) * request.samples;
    device_.in_use = device_.weights + rows * device_.bytes_per_row;
    GenerationResult result;
    result.tokens.resize(static_cast<size_t>(rows));
    bool more = true;
    for (int64_t made = 0; made < request.new_tokens && more; made += burst) {
      const auto part = static_cast<size_t>(std::min(burst, request.new_tokens - made));
      for (int64_t r = 0; r < rows; ++r) {
        auto& tokens = result.tokens[static_cast<size_t>(r)];
        tokens.resize(tokens.size() + part);
        if (request.on_burst) more = request.on_burst({r, std::span(tokens).last(part)}) && more;
      }
      if (made > 0) result.burst_seconds.push_back(0.01);
    }
    if (drop_a_token) result.tokens[0].pop_back();
    result.prefill_seconds = prefill_seconds;
    result.decode_seconds = decode_seconds(device_.runs);
    result.ttft_seconds = prefill_seconds + 0.01;
    result.kv_bytes_planned = rows * 5000;
    result.local_bytes = rows * 700;
    return result;
  }

  /// Of the nth run: a little noise.
  double decode_seconds(int nth) const { return run_seconds + run_seconds * 0.001 * (nth % 3); }

  static constexpr int64_t burst = 4;
  int64_t planned_row = 5000;
  int64_t planned_workspace = 0;  ///< 0: not planned
  int64_t plan_limit = int64_t{1} << 40;
  double prefill_seconds = 0.25;
  double run_seconds = 0.5;
  bool drop_a_token = false;

 private:
  ModelSpec spec_;
  FakeDevice& device_;
};

class FakeTrainable final : public TrainableModel {
 public:
  FakeTrainable(ModelSpec spec, FakeDevice& device) : spec_(std::move(spec)), device_(device) {}
  const ModelSpec& spec() const override { return spec_; }
  Losses accumulate_gradients(const TokenBatch& batch, const LossConfig&, double) override {
    tokens += batch.sequences * batch.length;
    return {.token = loss};
  }
  Losses evaluate(const TokenBatch&, const LossConfig&) override { return {}; }
  double gradient_norm() override { return 2.0; }
  void adamw_step(const AdamWStep&) override {
    ++steps;
    ++device_.steps;
  }
  void wait() override { ++waits; }
  void read_parameters(std::span<float>) const override {}
  void write_parameters(std::span<const float>) override {}
  void read_moments(std::span<float>, std::span<float>) const override {}
  void write_moments(std::span<const float>, std::span<const float>) override {}

  double loss = 1.0;
  int64_t tokens = 0;
  int steps = 0;
  int waits = 0;

 private:
  ModelSpec spec_;
  FakeDevice& device_;
};

class FakeBackend : public Backend {
 public:
  std::string device_name() const override { return "fake, with a comma"; }
  int threads() const override { return 1; }
  int64_t memory_bytes() const override { return memory; }
  int64_t memory_in_use() const override { return device.in_use; }
  double clock_mhz() const override { return device.clock_mhz(device.runs + device.steps); }
  std::string held_back_by() const override { return device.held_back_by(device.runs + device.steps); }
  Ceilings measure_ceilings(DType) override {
    ++device.measurements;
    return ceilings;
  }
  std::optional<TrainingPlan> training_plan(const ModelSpec&, int64_t sequences, int64_t length,
                                            const LossConfig&, Recompute recompute) const override {
    if (bytes_per_token == 0) return std::nullopt;
    const int64_t kept = recompute == Recompute::none ? bytes_per_token : bytes_per_token / 2;
    return TrainingPlan{.weights = 1000, .activations = sequences * length * kept, .available = memory};
  }
  std::unique_ptr<TrainableModel> trainable(const ModelSpec& spec, std::span<const float>,
                                            Recompute) override {
    auto model = std::make_unique<FakeTrainable>(spec, device);
    model->loss = loss;
    return model;
  }
  std::unique_ptr<InferenceModel> inference(const ModelSpec& spec, std::span<const float>, DType) override {
    return std::make_unique<FakeModel>(spec, device);
  }

  FakeDevice device;
  int64_t memory = int64_t{1} << 30;
  int64_t bytes_per_token = 0;  ///< in training; 0: nobody knows
  double loss = 1.0;
  Ceilings ceilings{.read_bandwidth = 8e9,
                    .copy_bandwidth = 1e10,
                    .bandwidth = 1e10,
                    .matrix_rate = 1e11,
                    .cache_bandwidth = 3e10,
                    .cache_bytes = 1 << 20,
                    .launch_seconds = 0.0,
                    .spread = 0.01};
};

}  // namespace photon::bench
