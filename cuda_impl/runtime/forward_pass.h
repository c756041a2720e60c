// The teacher-forced forward pass (PHOTON, section 2) on the device: every stream of the hierarchy, all
// chunks of a level at once.
#pragma once

#include <map>
#include <vector>

#include "core/backend.h"
#include "cuda_impl/runtime/stack.h"

namespace photon::PHOTON_GPU {

class ForwardPass {
 public:
  /// All must outlive it.
  ForwardPass(const ModelSpec& spec, const Weights& weights, Stream& stream, Linears& linear);

  /// "logits", "x.l" and "xhat.l" as InferenceModel::forward describes them.
  std::vector<photon::Stream> streams(const TokenBatch& batch);
  /// As InferenceModel::token_log_probs.
  std::vector<double> token_log_probs(const TokenBatch& batch);

 private:
  struct Buffers {
    StackScratch scratch;
    bf16* residual = nullptr;
    bf16* next = nullptr;              // the part of a window that comes next, or all its outputs
    int32_t* ids = nullptr;            // (sequences, T)
    bf16* token_embeddings = nullptr;  // (sequences · T, D_0)
    bf16* conditioning = nullptr;
    std::vector<bf16*> x;     // by level, (sequences · M_l, D_l)
    std::vector<bf16*> xhat;  // by level, (sequences · M_l, D_l); [L] is x[L]
    bf16* local_k = nullptr;  // of all layers of a decoder that is run unit by unit
    bf16* local_v = nullptr;
    std::map<int64_t, float*> rotations;
    float* logits = nullptr;  // (head_rows, V)
  };

  Buffers lay_out(Arena& arena, int64_t sequences, int64_t length) const;
  int64_t sequences_a_pass(const TokenBatch& batch) const;
  void run(const TokenBatch& batch, int64_t first, int64_t sequences);
  void encode(int64_t sequences, int64_t length);
  void decode_level(int l, int64_t sequences, int64_t length);
  void decode_in_one_part(int l, int64_t chunks);
  void decode_unit_by_unit(int l, int64_t chunks);
  void norm(const StackWeights& w, const bf16* x, int64_t x_stride, int64_t rows, bf16* to, int64_t to_stride,
            bf16* also = nullptr);
  void head(const bf16* states, int64_t rows);
  bool known_beforehand(int l) const { return spec_.feedback(l) != Feedback::reconstructed; }
  int64_t units(int l, int64_t length) const { return length / (l == 0 ? 1 : spec_.cumulative_chunk(l)); }

  const ModelSpec& spec_;
  const Weights& w_;
  Stream& stream_;
  Linears& linear_;
  DeviceBuffer memory_;
  Buffers b_;
};

}  // namespace photon::PHOTON_GPU
