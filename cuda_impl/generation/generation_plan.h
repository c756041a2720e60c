// SPDX-License-Identifier: Apache-2.0
// How large everything is that a generation request needs, decided before any of it exists. Two requests with
// equal plans can use the same memory and the same graphs.
#pragma once

#include <cstdint>
#include <vector>

#include "core/cost/cost.h"
#include "core/model/decode_plan.h"
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
  int64_t capacity = 0;           ///< tokens of a row
  int64_t answer = 0;             ///< most meta-contexts a row goes through
  int64_t pass_prompts = 0;       ///< prompts of the largest prefill pass
  int64_t pass_tokens = 0;        ///< tokens of the largest prefill pass
  int64_t slice_rows = 0;         ///< unrolled: rows whose chunks are made together
  int64_t head_rows = 0;          ///< states of one product with the head
  int64_t positions = 0;          ///< rotary positions needed
  std::vector<CachePlan> caches;  ///< by level
  bool operator==(const GenerationPlan&) const = default;
};

/// `request` is one that the model can serve (core/model/decode_plan.h, check_request).
GenerationPlan plan_generation(const DecodePlan& decode, const GenerationRequest& request,
                               const EngineLimits& limits);

}  // namespace photon::PHOTON_GPU
