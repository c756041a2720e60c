// SPDX-License-Identifier: Apache-2.0
// A back end small enough to read: whatever the spec says, logits = head · embedding[token]. It trains
// through the same interface as the real ones, in the same bits every time, and can be told to misbehave at a
// step.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/backend/adamw.h"
#include "core/backend/backend.h"
#include "core/base/error.h"
#include "core/model/parameters.h"

namespace photon::testing_support {

class BigramModel : public TrainableModel {
 public:
  BigramModel(const ModelSpec& spec, std::span<const float> parameters,
              std::function<void(int64_t, float&)> before_step)
      : spec_(spec),
        list_(parameter_list(spec)),
        parameters_(parameters.begin(), parameters.end()),
        gradients_(parameters.size()),
        first_(parameters.size()),
        second_(parameters.size()),
        before_step_(std::move(before_step)) {
    for (const auto& p : list_) {
      if (p.name == "decoder.1.embedding.weight") embedding_ = p.offset;
      if (p.name == "head.weight") head_ = p.offset;
    }
  }

  const ModelSpec& spec() const override { return spec_; }

  Losses accumulate_gradients(const TokenBatch& batch, const LossConfig& config, double weight) override {
    const Losses losses = run(batch, weight);
    float poison = 0.0f;
    before_step_(updates_ + 1, poison);
    if (poison != 0.0f) gradients_[static_cast<size_t>(head_)] = poison;
    (void)config;
    return losses;
  }
  Losses evaluate(const TokenBatch& batch, const LossConfig&) override { return run(batch, 0.0); }
  double gradient_norm() override { return photon::gradient_norm(list_, gradients_); }
  void adamw_step(const AdamWStep& step) override {
    adamw_update(list_, step, parameters_, gradients_, first_, second_);
    std::fill(gradients_.begin(), gradients_.end(), 0.0f);
    updates_ = step.step;
  }

  void read_parameters(std::span<float> out) const override { copy(parameters_, out); }
  void write_parameters(std::span<const float> in) override { copy(in, parameters_); }
  void read_moments(std::span<float> first, std::span<float> second) const override {
    copy(first_, first);
    copy(second_, second);
  }
  void write_moments(std::span<const float> first, std::span<const float> second) override {
    copy(first, first_);
    copy(second, second_);
  }

 private:
  static void copy(std::span<const float> from, std::span<float> to) {
    if (from.size() != to.size()) throw std::logic_error("flat arrays of different length");
    std::copy(from.begin(), from.end(), to.begin());
  }

  Losses run(const TokenBatch& batch, double weight) {
    const auto width = static_cast<size_t>(spec_.base.width);
    const auto vocab = static_cast<size_t>(spec_.vocab);
    const double per_target = 1.0 / static_cast<double>(batch.sequences * (batch.length - 1));
    double sum = 0.0;
    std::vector<double> p(vocab);
    for (int64_t b = 0; b < batch.sequences; ++b) {
      const auto row = batch.sequence(b);
      for (size_t t = 0; t + 1 < row.size(); ++t) {
        const size_t e = static_cast<size_t>(embedding_) + static_cast<size_t>(row[t]) * width;
        double total = 0.0;
        for (size_t v = 0; v < vocab; ++v) {
          double logit = 0.0;
          for (size_t d = 0; d < width; ++d) {
            logit += static_cast<double>(parameters_[e + d]) *
                     parameters_[static_cast<size_t>(head_) + v * width + d];
          }
          p[v] = std::exp(logit);
          total += p[v];
        }
        const auto target = static_cast<size_t>(row[t + 1]);
        sum -= std::log(p[target] / total);
        if (weight == 0.0) continue;
        for (size_t v = 0; v < vocab; ++v) {
          const double g = (p[v] / total - (v == target ? 1.0 : 0.0)) * per_target * weight;
          const size_t h = static_cast<size_t>(head_) + v * width;
          for (size_t d = 0; d < width; ++d) {
            gradients_[h + d] += static_cast<float>(g * parameters_[e + d]);
            gradients_[e + d] += static_cast<float>(g * parameters_[h + d]);
          }
        }
      }
    }
    return {.token = sum * per_target};
  }

  ModelSpec spec_;
  std::vector<ParameterInfo> list_;
  std::vector<float> parameters_, gradients_, first_, second_;
  std::function<void(int64_t, float&)> before_step_;
  int64_t embedding_ = 0, head_ = 0, updates_ = 0;
};

class BigramBackend : public Backend {
 public:
  /// Called in every accumulation with the step (from 1, of this process) and a gradient to poison.
  std::function<void(int64_t, float&)> before_step = [](int64_t, float&) {};

  std::string device_name() const override { return "bigram"; }
  int threads() const override { return 1; }
  int64_t memory_bytes() const override { return int64_t{1} << 30; }
  int64_t memory_in_use() const override { return 0; }
  Ceilings measure_ceilings(DType) override {
    Ceilings c;
    c.matrix_rate = 1e9;
    return c;
  }
  std::unique_ptr<TrainableModel> trainable(const ModelSpec& spec, std::span<const float> parameters,
                                            Recompute) override {
    return std::make_unique<BigramModel>(spec, parameters, before_step);
  }
  std::unique_ptr<InferenceModel> inference(const ModelSpec&, std::span<const float>, DType) override {
    throw Error("the bigram back end only trains");
  }
};

}  // namespace photon::testing_support
