// SPDX-License-Identifier: Apache-2.0
// Where everything of a generation lies on the device, laid out from its plan.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "cuda_impl/device/arena.h"
#include "cuda_impl/generation/generation_plan.h"
#include "cuda_impl/kernels/cache_view.h"
#include "cuda_impl/kernels/sample.h"
#include "cuda_impl/kernels/token_rows.h"
#include "cuda_impl/model/stack.h"

namespace photon::PHOTON_GPU {

/// Keys and values of one decoder layer's windows, (chunks, kv_heads, R + C - 1, head_size) each.
struct LocalCache {
  bf16* k = nullptr;
  bf16* v = nullptr;
};

/// Of level l: encoder l and decoder l.
struct LevelBuffers {
  std::vector<CacheView> own;       ///< by encoder layer
  std::vector<CacheView> shared;    ///< by encoder layer, empty if nothing is shared
  int32_t* shared_first = nullptr;  ///< (prompts)
  int32_t* shared_count = nullptr;  ///< (prompts)
  int32_t* own_first = nullptr;     ///< (rows), null if nothing is shared
  std::vector<LocalCache> local;    ///< by decoder layer
  bf16* history = nullptr;          ///< (rows, K, D_l)
  bf16* conditioning = nullptr;     ///< (chunks, K · D_l)
  bf16* xhat = nullptr;             ///< (chunks · C_l, D_{l-1}): Xhat^(l-1)
  bf16* units = nullptr;      ///< (rows · units of a step · C_l, D_{l-1}, or D_1 / C_1): into chunker l
  bf16* prefilled = nullptr;  ///< (units of a prefill pass, D_l): X^(l)
};

struct GenerationBuffers {
  std::vector<LevelBuffers> levels;  ///< 0 (vanilla's cache alone) .. L
  StackScratch scratch;
  bf16* x[2] = {nullptr, nullptr};  ///< residual rows, and where the next part of a window is put together
  bf16* answer_latents = nullptr;   ///< unrolled: (rows, answer · C_L, D_{L-1})
  float* logits = nullptr;          ///< (head rows, V)
  GreedyPart* parts = nullptr;      ///< (head rows, greedy_parts(V))
  float* attention = nullptr;       ///< workspace of decode attention
  std::map<int64_t, float*> rotations;  ///< by head size: (positions, head_size / 2, 2)
  TokenRows tokens;
  int32_t* begin = nullptr;          ///< (rows): where a row's first meta-context starts
  int32_t* order = nullptr;          ///< (prompts), and behind them (rows): as prefill passes take them
  int32_t* prompt_ids = nullptr;     ///< (tokens of a prefill pass)
  int32_t* burst = nullptr;          ///< (rows, B_m)
  float* burst_log_probs = nullptr;  ///< (rows, B_m)

  static GenerationBuffers lay_out(Arena& arena, const DecodePlan& decode, const GenerationPlan& plan);
};

}  // namespace photon::PHOTON_GPU
