// SPDX-License-Identifier: Apache-2.0
#include "reference/inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "core/cost/cost.h"
#include "core/model/decode_plan.h"
#include "reference/generator.h"
#include "reference/memory.h"
#include "reference/scoring.h"

namespace photon::reference {
namespace {

float rounded_to_bfloat16(float x) {
  if (!std::isfinite(x)) return x;
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);  // nearest, ties to even
}

template <class S>
class Inference final : public InferenceModel {
 public:
  Inference(const ModelSpec& spec, AlignedVector<S> parameters)
      : spec_(spec),
        parameters_(std::move(parameters)),
        weights_(view_weights(spec_, parameters_.data())),
        model_(spec_, parameters_.data()),
        generator_(spec_, weights_) {}

  const ModelSpec& spec() const override { return spec_; }

  std::vector<NamedTensor> forward(const TokenBatch& batch) override {
    model_.forward(batch);
    std::vector<NamedTensor> out;
    out.push_back(stream("logits", logits(model_), batch.sequences));
    for (int l = 1; l <= spec_.depth(); ++l)
      out.push_back(stream(fmt::format("x.{}", l), model_.x(l), batch.sequences));
    for (int l = 0; l <= spec_.depth(); ++l) {
      out.push_back(stream(fmt::format("xhat.{}", l), model_.xhat(l), batch.sequences));
    }
    return out;
  }
  std::vector<double> token_log_probs(const TokenBatch& batch) override {
    return reference::token_log_probs(model_, batch);
  }
  GenerationResult generate(const GenerationRequest& request) override {
    const MemoryPlan plan = memory_plan(request);
    if (!plan.fits()) {
      throw Error(
          fmt::format("model '{}': the caches of {} rows of up to {} new tokens need {:.2f} GiB, {} of "
                      "{:.2f} GiB are usable",
                      spec_.name, std::ssize(request.prompts) * request.samples, request.new_tokens,
                      static_cast<double>(plan.total() - plan.weights) / 0x1p30, usable_share,
                      static_cast<double>(usable_memory_bytes()) / 0x1p30));
    }
    return generator_.run(request);
  }
  /// The weights are in memory already, so the caches alone are held against what is left.
  MemoryPlan memory_plan(const GenerationRequest& request) const override {
    check_request(spec_, request);
    MemoryPlan plan;
    plan.weights = static_cast<int64_t>(parameters_.size() * sizeof(S));
    plan.available =
        plan.weights + static_cast<int64_t>(usable_share * static_cast<double>(usable_memory_bytes()));
    Workload w{.new_tokens = request.new_tokens,
               .batch = std::ssize(request.prompts),
               .samples = request.samples,
               .generation = request.generation,
               .schedule = request.schedule,
               .weight_bytes = sizeof(S),
               .kv_bytes = sizeof(S)};
    for (const auto& prompt : request.prompts) w.prompt = std::max(w.prompt, std::ssize(prompt));
    // Caches reach to the end of the last meta-context.
    const int64_t meta = spec_.meta_context();
    w.new_tokens = (w.prompt + w.new_tokens + meta - 1) / meta * meta - w.prompt;
    const auto rows = static_cast<double>(w.sequences());
    // A request beyond all memory must not overflow what counts it; a third of a shared cache, three times,
    // is the cache.
    const auto bytes = [](double b) { return static_cast<int64_t>(std::round(std::min(b, 0x1p60))); };
    plan.caches = bytes(rows * kv_bytes_ideal(spec_, w));
    plan.local_caches = bytes(rows * local_bytes(spec_, w));
    return plan;
  }

 private:
  static NamedTensor stream(std::string name, const Matrix<S>& m, int64_t rows) {
    NamedTensor s{std::move(name), {rows, m.rows() / rows, m.cols()}, {}};
    s.values.assign(m.data(), m.data() + m.size());
    return s;
  }

  ModelSpec spec_;
  AlignedVector<S> parameters_;
  Weights<S> weights_;
  Model<S> model_;
  Generator<S> generator_;
};

}  // namespace

std::unique_ptr<InferenceModel> make_inference(const ModelSpec& spec, std::span<const float> parameters,
                                               DType dtype) {
  if (dtype == DType::float64) {
    return std::make_unique<Inference<double>>(spec,
                                               AlignedVector<double>(parameters.begin(), parameters.end()));
  }
  AlignedVector<float> values(parameters.begin(), parameters.end());
  if (dtype == DType::bfloat16) {
    for (float& v : values) v = rounded_to_bfloat16(v);
  }
  return std::make_unique<Inference<float>>(spec, std::move(values));
}

}  // namespace photon::reference
