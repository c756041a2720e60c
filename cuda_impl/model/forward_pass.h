// SPDX-License-Identifier: Apache-2.0
// What the teacher-forced forward pass says: every stream of the hierarchy, and the log-probabilities of a
// text.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/backend/inference_model.h"
#include "cuda_impl/model/model_tape.h"

namespace photon::PHOTON_GPU {

/// Throws Error unless the batch's length divides by the meta-context and its tokens are below vocab.
void check_batch(const ModelSpec& spec, const TokenBatch& batch);

class ForwardPass {
 public:
  /// All must outlive it.
  ForwardPass(const ModelSpec& spec, const ModelWeights& weights, Stream& stream, Matmul& matmul);

  /// "logits", "x.l" and "xhat.l" as InferenceModel::forward describes them.
  std::vector<NamedTensor> streams(const TokenBatch& batch);
  /// As InferenceModel::token_log_probs.
  std::vector<double> token_log_probs(const TokenBatch& batch);

 private:
  /// For some sequences at a time, in memory for so many: runs them, then use(tape, head, first, sequences).
  struct Head {
    float* logits = nullptr;     // (head_rows, V)
    int32_t* targets = nullptr;  // (head_rows)
    float* losses = nullptr;     // (head_rows)
  };
  using Use = std::function<void(const ModelTape& tape, const Head& head, int64_t first, int64_t sequences)>;
  void for_each_pass(const TokenBatch& batch, const Use& use);
  void logits(const bf16* states, int64_t rows, float* to);

  const ModelSpec& spec_;
  const ModelWeights& w_;
  Stream& stream_;
  Matmul& matmul_;
  DeviceBuffer memory_;
};

}  // namespace photon::PHOTON_GPU
