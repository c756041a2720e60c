// SPDX-License-Identifier: Apache-2.0
// A request to generate and what comes back: the words shared by the back ends, the command line, the
// benchmark and the tests (PHOTON, appendix A: HierGen and RecGen).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace photon {

/// hiergen re-encodes what was emitted and keeps every encoder cache; recgen (L >= 2) keeps the top cache
/// only and feeds reconstructions upward.
enum class Generation { hiergen, recgen };

/// Of recgen: one meta-context at a time, or all latents first and then every chunk of the answer together.
enum class Schedule { streamed, unrolled };

std::string_view to_string(Generation generation);
std::string_view to_string(Schedule schedule);
/// Both throw UsageError with the names there are.
Generation parse_generation(std::string_view name);
Schedule parse_schedule(std::string_view name);

struct Sampling {
  double temperature = 0.0;  ///< 0 is greedy
  int64_t top_k = 0;         ///< 0 is no limit
  double top_p = 1.0;
  uint64_t seed = 0;
  bool operator==(const Sampling&) const = default;
};

/// New tokens of one sequence, in order, as soon as the host can read them.
struct Burst {
  int64_t sequence = 0;
  std::span<const int32_t> tokens;
};

struct GenerationRequest {
  std::vector<std::vector<int32_t>> prompts;
  /// Sequences of one prompt share its prefill; sequence r continues prompts[r / samples]
  int64_t samples = 1;
  int64_t new_tokens = 0;  ///< of each sequence
  Generation generation = Generation::hiergen;
  Schedule schedule = Schedule::streamed;
  /// What parts recgen from hiergen, each taken back by itself; both taken back, recgen is hiergen. Streamed
  /// only.
  bool recgen_observes_upward = false;  ///< chunker L takes X^(L-1), so the lower encoders run and cache
  bool recgen_keeps_reading_feedback = false;  ///< feedback at levels >= 2 is the reading's
  Sampling sampling;
  /// Random numbers of sequence r are those of first_sequence + r: a batch can be cut anywhere.
  int64_t first_sequence = 0;
  std::optional<int32_t> end_of_text;  ///< ends a sequence when sampled; unset: never
  /// Tokens that overwrite what would be sampled, from a sequence's first new token on (teacher forcing a
  /// text under a generation). Empty, or one entry a sequence.
  std::vector<std::vector<int32_t>> forced;
  std::function<bool(const Burst&)> on_burst;  ///< false ends the generation early
};

/// Rows of K and V (one of each counts as one row) that one level's encoder cache moved, summed over its
/// layers and over sequences; a shared prefix counts once for all its samples. Level 0 is vanilla's only
/// stack.
struct CacheRows {
  int64_t read = 0;
  int64_t written = 0;
  bool operator==(const CacheRows&) const = default;
};

struct GenerationResult {
  std::vector<std::vector<int32_t>> tokens;  ///< of each sequence the new ones, end of text included
  std::vector<std::vector<double>>
      log_probs;  ///< of those tokens under the unmodified (temperature 1) distribution
  double prefill_seconds = 0.0;
  double ttft_seconds = 0.0;  ///< from the request to the first token readable on the host
  double decode_seconds = 0.0;
  std::vector<double> burst_seconds;    ///< between consecutive bursts of the batch
  std::vector<CacheRows> prefill_rows;  ///< by level; index 0 for vanilla, 1 .. L else
  std::vector<CacheRows> decode_rows;
  int64_t kv_bytes_planned = 0;  ///< reserved for the growing caches, all sequences
  int64_t kv_bytes_held = 0;     ///< of it in use at the end
  int64_t local_bytes = 0;       ///< reserved for local decoder caches, all sequences
};

}  // namespace photon
