// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/training/trainable.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "core/base/error.h"
#include "cuda_impl/device/device_memory.h"
#include "cuda_impl/device/profile.h"
#include "cuda_impl/model/forward_pass.h"
#include "cuda_impl/training/training_pass.h"

namespace photon::PHOTON_GPU {
namespace {

class Trainable final : public TrainableModel {
 public:
  Trainable(const ModelSpec& spec, std::span<const float> parameters, Recompute recompute)
      : spec_(spec), recompute_(recompute), parameters_(spec_, parameters, stream_) {}

  const ModelSpec& spec() const override { return spec_; }

  Losses accumulate_gradients(const TokenBatch& batch, const LossConfig& config, double weight) override {
    return run(batch, training_shape(config, weight));
  }
  Losses evaluate(const TokenBatch& batch, const LossConfig& config) override {
    return run(batch, {.loss = config});
  }
  double gradient_norm() override { return parameters_.gradient_norm(stream_); }
  void adamw_step(const AdamWStep& step) override { parameters_.adamw_step(stream_, step); }

  void wait() override { stream_.synchronize(); }

  void prefetch(const TokenBatch& batch) override {
    check_batch(spec_, batch);
    auto prepared = std::make_unique<PreparedBatch>(spec_, batch.ids, batch.length);
    const std::lock_guard lock(prefetching_);
    prefetched_ = std::move(prepared);
  }

  std::vector<Launch> profile(const TokenBatch& batch, const LossConfig& config, const AdamWStep& step,
                              const std::string& label) override {
    const PassShape shape = training_shape(config, 1.0);
    std::vector<LaunchRecord> recorded;
    Losses replayed;
    {
      const Recording recording(stream_, recorded);
      for (int i = 0; i < 2; ++i) {  // launch by launch, then recorded
        replayed = run(batch, shape);
        parameters_.clear_gradients(stream_);
      }
    }
    TrainingPass& pass = *active_;
    std::vector<LaunchRecord> launched;
    Losses losses;
    {
      const Eager eager(pass);
      const Recording recording(stream_, launched);
      const Profiler profiler;
      const Stream::Scope scope(stream_, label);
      losses = run(batch, shape);
      parameters_.gradient_norm(stream_);
      parameters_.adamw_step(stream_, step);
      stream_.synchronize();
    }
    check_launches({{TrainingPass::scope_name, pass.graph_kernels()}}, recorded, launched);
    if (losses.total(config) != replayed.total(config)) {
      throw Error("profile: launched one by one, the losses are not those of the graph");
    }
    return launches_of(std::move(launched));
  }

  using Array = TrainedParameters::Array;
  void read_parameters(std::span<float> out) const override {
    parameters_.read(stream_, Array::parameters, out);
  }
  void write_parameters(std::span<const float> in) override {
    parameters_.write(stream_, Array::parameters, in);
  }
  void read_moments(std::span<float> first, std::span<float> second) const override {
    parameters_.read(stream_, Array::first, first);
    parameters_.read(stream_, Array::second, second);
  }
  void write_moments(std::span<const float> first, std::span<const float> second) override {
    parameters_.write(stream_, Array::first, first);
    parameters_.write(stream_, Array::second, second);
  }

 private:
  PassShape training_shape(const LossConfig& config, double weight) const {
    return {.loss = config, .gradients = true, .weight = weight, .recompute = recompute_};
  }

  Losses run(const TokenBatch& batch, PassShape shape) {
    check_batch(spec_, batch);
    shape.sequences = batch.sequences;
    shape.length = batch.length;
    TrainingPass& pass = this->pass(shape);
    if (active_ != &pass) {
      // Its parts lie where they lay; the emulation is to know that others no longer do.
      Arena arena(memory_.data());
      TrainingPass(arena, spec_, shape);
      pass.take_over(stream_);
      active_ = &pass;
    }
    return pass.run(stream_, matmul_, parameters_, *prepared(batch));
  }

  std::unique_ptr<PreparedBatch> prepared(const TokenBatch& batch) {
    {
      const std::lock_guard lock(prefetching_);
      if (prefetched_ != nullptr && prefetched_->length == batch.length && prefetched_->ids == batch.ids) {
        return std::move(prefetched_);
      }
    }
    return std::make_unique<PreparedBatch>(spec_, batch.ids, batch.length);
  }

  TrainingPass& pass(const PassShape& shape) {
    std::unique_ptr<TrainingPass>& found = passes_[shape];
    if (found != nullptr) return *found;
    Arena measured;
    TrainingPass(measured, spec_, shape);
    if (measured.bytes() > memory_.bytes()) {
      // Graphs know where the memory lies.
      passes_.clear();
      active_ = nullptr;
      memory_ = DeviceBuffer();
      memory_ = DeviceBuffer(measured.bytes());
    }
    Arena arena(memory_.data());
    std::unique_ptr<TrainingPass>& made = passes_[shape];
    made = std::make_unique<TrainingPass>(arena, spec_, shape);
    active_ = nullptr;
    return *made;
  }

  ModelSpec spec_;
  Recompute recompute_;
  mutable Stream stream_;  // reading waits for what is under way
  Matmul matmul_;
  TrainedParameters parameters_;
  DeviceBuffer memory_;  // of whichever pass runs
  std::map<PassShape, std::unique_ptr<TrainingPass>> passes_;
  TrainingPass* active_ = nullptr;
  std::mutex prefetching_;
  std::unique_ptr<PreparedBatch> prefetched_;
};

}  // namespace

TrainingPlan plan_training(const ModelSpec& spec, int64_t sequences, int64_t length, const LossConfig& loss,
                           Recompute recompute) {
  Arena arena;
  TrainingPass(
      arena, spec,
      {.sequences = sequences, .length = length, .loss = loss, .gradients = true, .recompute = recompute});
  const TrainedParameters::Bytes of = TrainedParameters::bytes(spec);
  const int64_t activations = arena.bytes(Arena::Use::activations) + arena.bytes(Arena::Use::local_cache);
  return {.weights = of.weights,
          .gradients = of.gradients,
          .moments = of.moments,
          .activations = activations,
          .workspace = of.workspace + arena.bytes() - activations + Matmul::workspace_bytes,
          .available = usable_memory()};
}

std::vector<Launch> training_launches(const ModelSpec& spec, const TokenBatch& batch, const LossConfig& loss,
                                      Recompute recompute) {
  check_batch(spec, batch);
  std::vector<LaunchRecord> records;
  Stream stream(Stream::Mode::dry);
  stream.record(&records);
  Matmul matmul;
  const TrainedParameters parameters(spec, {}, stream);
  Arena measuring;
  TrainingPass pass(measuring, spec,
                    {.sequences = batch.sequences,
                     .length = batch.length,
                     .loss = loss,
                     .gradients = true,
                     .recompute = recompute});
  pass.set_eager(true);
  pass.run(stream, matmul, parameters, PreparedBatch(spec, batch.ids, batch.length));
  parameters.gradient_norm(stream);
  parameters.adamw_step(stream, {});
  return launches_of(std::move(records));
}

std::unique_ptr<TrainableModel> make_trainable(const ModelSpec& spec, std::span<const float> parameters,
                                               Recompute recompute) {
  const TrainedParameters::Bytes of = TrainedParameters::bytes(spec);
  const int64_t needed = of.weights + of.gradients + of.moments + of.workspace;
  if (needed > usable_memory()) {
    throw Error(
        fmt::format("model '{}': weights, gradients and moments take {:.2f} GiB; {:.2f} GiB of the "
                    "device are usable",
                    spec.name, gib(needed), gib(usable_memory())));
  }
  return std::make_unique<Trainable>(spec, parameters, recompute);
}

}  // namespace photon::PHOTON_GPU
