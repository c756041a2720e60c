// SPDX-License-Identifier: Apache-2.0
// What a spec amounts to before anything runs: parameters by module (the paper's tables 4 to 12), key-value
// cache and FLOPs a token (docs/numbers.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/model/model_spec.h"

namespace photon {

struct ModuleCount {
  std::string name;        ///< "encoder.embedding", "encoder.2.chunker", "decoder.1.stack", "head"
  int64_t parameters = 0;  ///< a stack's include its final RMSNorm
  std::string what;        ///< its shape in words
};

/// Cached units of the growing caches when `context` tokens have passed.
struct KvUnits {
  int64_t hiergen = 0;            ///< sum of M_l over the encoders, fewer under a window; T for vanilla
  std::optional<int64_t> recgen;  ///< M_L; L >= 2
  /// Sum of M_l + M_{l-1} R_l: the paper's first version kept converter outputs, too
  int64_t first_version = 0;
};

struct Inspection {
  ModelSpec spec;
  std::vector<ModuleCount> modules;  ///< in parameter_list order; sums to parameters_total
  int64_t parameters_total = 0;      ///< without start latents, as the paper counts
  int64_t start_latents = 0;         ///< in the file, in no total
  int64_t context = 0;               ///< T, tokens
  double flops_per_token = 0.0;      ///< forward, mean over a sequence of `context` tokens
  KvUnits kv_units;
  double kv_bytes_per_token_hiergen = 0.0;  ///< bfloat16, ideal, after `context` tokens
  std::optional<double> kv_bytes_per_token_recgen;
};

/// `context` in tokens, a positive multiple of the meta-context. Throws UsageError if it is not.
Inspection inspect(const ModelSpec& spec, int64_t context);

std::string to_json(const Inspection& inspection);
std::string to_markdown(const Inspection& inspection);

}  // namespace photon
