// SPDX-License-Identifier: Apache-2.0
// One shape of pass through a model in training: forward, losses and gradients of a batch as one graph
// (device/graph), with the memory that they take.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda_impl/device/graph.h"
#include "cuda_impl/training/model_backward.h"
#include "cuda_impl/training/prepared_batch.h"
#include "cuda_impl/training/trained_parameters.h"

namespace photon::PHOTON_GPU {

struct PassShape {
  int64_t sequences = 0;
  int64_t length = 0;
  LossConfig loss = {};
  bool gradients = false;
  double weight = 1.0;  ///< of the gradients
  Recompute recompute = Recompute::none;

  auto operator<=>(const PassShape&) const = default;
};

class TrainingPass {
 public:
  TrainingPass(Arena& arena, const ModelSpec& spec, const PassShape& shape);

  /// Fills what the shape alone decides: whenever other passes have used the memory.
  void take_over(Stream& stream) const;
  /// The batch's losses; with gradients, those are added to the parameters'. Waits for the device.
  Losses run(Stream& stream, Matmul& matmul, const TrainedParameters& parameters, const PreparedBatch& batch);

  /// Launches one by one instead of replaying a graph.
  void set_eager(bool eager) { eager_ = eager; }
  /// The scope of what a graph replays.
  static constexpr const char* scope_name = "pass";
  /// As Graph::kernels, once recorded: by the second run.
  std::vector<const void*> graph_kernels() const { return graph_.kernels(); }

 private:
  /// Where the tokens of an embedding's gradient stand, on the device.
  struct Places {
    int64_t most = 0;
    int32_t* positions = nullptr;
    TokenSegment* segments = nullptr;
    TokenPartials* partials = nullptr;
  };
  Places lay_out_places(Arena& arena, int64_t tokens) const;
  void upload(Stream& stream, const PreparedBatch& batch);
  void embedding_gradient(Stream& stream, const Places& at, const TokenPlaces& places, const bf16* d,
                          int64_t width, float* table) const;
  void launch(Stream& stream, Matmul& matmul, const TrainedParameters& parameters) const;

  const ModelSpec& spec_;
  PassShape shape_;
  ModelTape tape_;
  ModelBackward backward_;
  Places encoder_places_;
  Places decoder_places_;
  float* embedding_partial_ = nullptr;
  PinnedBuffer staging_;  // what the device copies a batch from
  int64_t staging_bytes_ = 0;
  Graph graph_;
  bool eager_ = false;
};

}  // namespace photon::PHOTON_GPU
