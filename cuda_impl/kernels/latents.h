// SPDX-License-Identifier: Apache-2.0
// What the converters read (PHOTON, section 2: U = Conv(latents)): for every chunk the K latents ending at
// the one that conditions it, and each row's memory of the last K, which carries them from one step to the
// next.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Latents of one level: `count` new ones a row, and the K before them.
struct Latents {
  bf16* history = nullptr;       ///< (rows, context, width), oldest first; null: `start` before the first one
  const bf16* start = nullptr;   ///< (width)
  const bf16* latest = nullptr;  ///< (rows, count, width); row r at latest + r · latest_stride
  int64_t latest_stride = 0;     ///< of a row
  int64_t rows = 0;
  int32_t count = 0;
  int32_t context = 1;  ///< K
  int32_t width = 0;    ///< even
  /// Prefill: the new ones are those of prompt row_of[r], for all its samples' histories; null: row r's own.
  const int32_t* row_of = nullptr;
  int32_t samples = 1;
};

/// Of a launch that moves so many latents.
Work latents_work(const Latents& a, int64_t moved);
/// out (rows · chunks, K · width): chunk c of a row takes the K latents that end at new one first_chunk + c,
/// or, with `previous`, at the one before that.
void gather_conditioning(Stream& stream, const Latents& a, bool previous, int32_t first_chunk, int32_t chunks,
                         bf16* out);
/// The history's last K become those of history and new ones together.
void push_latents(Stream& stream, const Latents& a);
/// Latents of one meta-context, (rows, count, width), behind those of the meta-contexts before it:
/// `all` (rows, capacity, width), where a row has come from begin[r] to start[r] (negative: idle) in steps of
/// `meta_context` tokens.
struct KeptLatents {
  bf16* all = nullptr;
  int64_t capacity = 0;
  const int32_t* begin = nullptr;
  const int32_t* start = nullptr;
  int32_t meta_context = 1;
};
void keep_latents(Stream& stream, const Latents& a, const KeptLatents& to);
/// Every entry of `history` (rows, context, width) becomes `start` (width).
void reset_latents(Stream& stream, const Latents& a, const bf16* start);

}  // namespace photon::PHOTON_GPU
