// SPDX-License-Identifier: Apache-2.0
#include "reference/trainable.h"

#include <algorithm>
#include <vector>

#include "core/backend/adamw.h"
#include "core/model/parameters.h"
#include "reference/model.h"

namespace photon::reference {
namespace {

class Trainable final : public TrainableModel {
 public:
  Trainable(const ModelSpec& spec, std::span<const float> parameters)
      : list_(parameter_list(spec)),
        parameters_(parameters.begin(), parameters.end()),
        gradients_(parameters.size(), 0.0f),
        first_(parameters.size(), 0.0f),
        second_(parameters.size(), 0.0f),
        model_(spec, parameters_.data()) {}

  const ModelSpec& spec() const override { return model_.spec(); }

  Losses accumulate_gradients(const TokenBatch& batch, const LossConfig& config, double weight) override {
    return losses(model_.losses(batch, config, weight, gradients_.data()));
  }
  Losses evaluate(const TokenBatch& batch, const LossConfig& config) override {
    return losses(model_.losses(batch, config));
  }
  double gradient_norm() override { return photon::gradient_norm(list_, gradients_); }
  void adamw_step(const AdamWStep& step) override {
    adamw_update(list_, step, parameters_, gradients_, first_, second_);
    std::fill(gradients_.begin(), gradients_.end(), 0.0f);
  }

  void read_parameters(std::span<float> out) const override { std::ranges::copy(parameters_, out.begin()); }
  void write_parameters(std::span<const float> in) override { std::ranges::copy(in, parameters_.begin()); }
  void read_moments(std::span<float> first, std::span<float> second) const override {
    std::ranges::copy(first_, first.begin());
    std::ranges::copy(second_, second.begin());
  }
  void write_moments(std::span<const float> first, std::span<const float> second) override {
    std::ranges::copy(first, first_.begin());
    std::ranges::copy(second, second_.begin());
  }

 private:
  static Losses losses(const LossValues<float>& v) { return {v.token, v.rec, v.context}; }

  std::vector<ParameterInfo> list_;
  AlignedVector<float> parameters_;
  AlignedVector<float> gradients_;
  AlignedVector<float> first_;
  AlignedVector<float> second_;
  Model<float> model_;
};

}  // namespace

std::unique_ptr<TrainableModel> make_trainable(const ModelSpec& spec, std::span<const float> parameters) {
  return std::make_unique<Trainable>(spec, parameters);
}

}  // namespace photon::reference
