// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/backend/inference.h"

#include <fmt/format.h>

#include "core/base/error.h"
#include "cuda_impl/device/device_memory.h"
#include "cuda_impl/generation/generator.h"
#include "cuda_impl/generation/profiled_generation.h"
#include "cuda_impl/model/forward_pass.h"

namespace photon::PHOTON_GPU {
namespace {

class Inference final : public InferenceModel {
 public:
  Inference(const ModelSpec& spec, std::span<const float> parameters, const EngineLimits& limits)
      : spec_(spec),
        weights_(spec_, parameters),
        linear_(static_cast<float>(spec.norm_eps), limits.gemv_rows),
        forward_(spec_, weights_.view(), stream_, linear_.matmul()),
        generator_(spec_, weights_.view(), stream_, linear_, limits) {}

  const ModelSpec& spec() const override { return spec_; }
  std::vector<NamedTensor> forward(const TokenBatch& batch) override { return forward_.streams(batch); }
  std::vector<double> token_log_probs(const TokenBatch& batch) override {
    return forward_.token_log_probs(batch);
  }
  GenerationResult generate(const GenerationRequest& request) override {
    check_memory(request);
    return generator_.run(request);
  }
  std::vector<Launch> profile(const GenerationRequest& request, const std::string& label) override {
    check_memory(request);
    return PHOTON_GPU::profile(generator_, stream_, request, label);
  }
  MemoryPlan memory_plan(const GenerationRequest& request) const override {
    const Arena arena = generator_.measure(request);
    return {.weights = weights_.bytes(),
            .caches = arena.bytes(Arena::Use::cache),
            .local_caches = arena.bytes(Arena::Use::local_cache),
            .workspace = arena.bytes(Arena::Use::workspace) + Matmul::workspace_bytes,
            .available = usable_memory()};
  }

 private:
  void check_memory(const GenerationRequest& request) const {
    const MemoryPlan plan = memory_plan(request);
    if (!plan.fits()) {
      throw Error(fmt::format(
          "model '{}': {} rows of up to {} tokens need {:.2f} GiB beside {:.2f} GiB of weights; "
          "{:.2f} GiB of the device are usable. {}",
          spec_.name, std::ssize(request.prompts) * request.samples, longest(request),
          gib(plan.total() - plan.weights), gib(plan.weights), gib(plan.available), what_fits(request)));
    }
  }
  static int64_t longest(const GenerationRequest& request) {
    size_t tokens = 0;
    for (const auto& prompt : request.prompts) tokens = std::max(tokens, prompt.size());
    return static_cast<int64_t>(tokens) + request.new_tokens;
  }

  /// "12 of the 40 prompts would fit."
  std::string what_fits(const GenerationRequest& request) const {
    size_t low = 0;
    size_t high = request.prompts.size();
    while (low + 1 < high) {
      const size_t middle = (low + high) / 2;
      GenerationRequest some = request;
      some.prompts.resize(middle);
      if (!some.forced.empty()) some.forced.resize(middle * static_cast<size_t>(request.samples));
      (memory_plan(some).fits() ? low : high) = middle;
    }
    return low == 0 ? std::string("Not even one prompt would fit.")
                    : fmt::format("The first {} of the {} prompts would fit.", low, request.prompts.size());
  }

  ModelSpec spec_;
  Stream stream_;
  Weights weights_;
  Linears linear_;
  ForwardPass forward_;
  Generator generator_;
};

}  // namespace

std::unique_ptr<InferenceModel> make_inference(const ModelSpec& spec, std::span<const float> parameters,
                                               DType dtype, const EngineLimits& limits) {
  if (dtype != DType::bfloat16) {
    throw UsageError(fmt::format("the kernels of cuda_impl compute in bfloat16, not {}: --dtype bfloat16",
                                 to_string(dtype)));
  }
  const int64_t needed = Weights::bytes(spec);
  if (needed > usable_memory()) {
    throw Error(fmt::format(
        "model '{}': its weights take {:.2f} GiB in bfloat16; {:.2f} GiB of the device are usable", spec.name,
        gib(needed), gib(usable_memory())));
  }
  return std::make_unique<Inference>(spec, parameters, limits);
}

}  // namespace photon::PHOTON_GPU
