// How large everything is that a generation request needs, decided before any of it exists. Two requests with
// equal plans can use the same memory and the same graphs.
#pragma once

#include <vector>

#include "core/cost.h"
#include "core/generation.h"
#include "core/model_spec.h"
#include "cuda_impl/device.h"

namespace photon::PHOTON_GPU {

/// Limits that are the device's, not the model's.
struct EngineLimits {
  int multiprocessors = 1;
  int64_t gemv_rows = matrix_vector_rows;     ///< up to so many rows use the matrix-vector kernel
  int64_t prefill_tokens = 65536;             ///< of one prefill pass
  int64_t pass_rows = 131072;                 ///< of one pass of a decoder over all chunks of an answer
  int64_t logits_bytes = int64_t{512} << 20;  ///< of the head's output at a time
  bool operator==(const EngineLimits&) const = default;
};

/// The growing cache of one level's encoder (level 0: of vanilla's stack).
struct CachePlan {
  bool kept = true;          ///< false: recgen drops it
  int64_t shared_units = 0;  ///< room for each prompt, where samples share it
  int64_t own_units = 0;     ///< room for each row
  bool ring = false;
  int32_t step_units = 1;  ///< most units a row appends at once
  int32_t splits = 1;      ///< parts decode attention reads the own cache in
  int32_t shared_splits = 0;
  bool operator==(const CachePlan&) const = default;
};

struct GenerationPlan {
  int64_t prompts = 0;
  int64_t samples = 1;
  int64_t rows = 0;
  int64_t capacity = 0;                 ///< tokens of a row
  int64_t answer = 0;                   ///< most meta-contexts a row goes through
  int64_t pass_prompts = 0;             ///< prompts of the largest prefill pass
  int64_t pass_tokens = 0;              ///< tokens of the largest prefill pass
  int64_t slice_rows = 0;               ///< unrolled: rows whose chunks are made together
  int64_t head_rows = 0;                ///< states of one product with the head
  int64_t positions = 0;                ///< rotary positions needed
  std::vector<CachePlan> caches;        ///< by level
  std::vector<int64_t> prefill_chunks;  ///< by level: last chunks of the prompt that prefill decodes again
  bool operator==(const GenerationPlan&) const = default;
};

/// Which way of generating it is, in the words the loops need.
struct GenerationMode {
  Generation generation = Generation::hiergen;
  Schedule schedule = Schedule::streamed;
  bool observes_upward = true;         ///< chunker L takes X^(L-1): lower encoders run and cache
  bool keeps_reading_feedback = true;  ///< at levels >= 2
  bool operator==(const GenerationMode&) const = default;

  explicit GenerationMode(const GenerationRequest& request);
  GenerationMode() = default;
  /// Feedback at level l >= 2 is the encoder's.
  bool observed_feedback(const ModelSpec& spec, int l) const;
  /// Every chunk waits for the encoder states of the one before it.
  bool one_after_another(const ModelSpec& spec) const;
};

/// Throws Error on a request that cannot be served.
void check_request(const ModelSpec& spec, const GenerationRequest& request);
GenerationPlan plan_generation(const ModelSpec& spec, const GenerationRequest& request,
                               const EngineLimits& limits);

/// Chunks of decoder l that one row makes together in a pass.
int64_t chunks_a_row(const ModelSpec& spec, const GenerationMode& mode, int l);
/// Units of level l that prefill leaves in the cache, of a prompt of `units`: the first of them.
int64_t first_kept(const ModelSpec& spec, int l, bool kept, int64_t units);

}  // namespace photon::PHOTON_GPU
