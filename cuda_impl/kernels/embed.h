// SPDX-License-Identifier: Apache-2.0
// Rows of an embedding table for tokens that lie on the device (PHOTON, section 2: the encoder's and the
// decoder's token embeddings).
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// Token i of row r is tokens[r · capacity + max(start[r], 0) + first + i · step].
struct TokenSlots {
  int32_t* tokens = nullptr;  ///< (rows, capacity)
  int64_t capacity = 0;
  const int32_t* start = nullptr;  ///< (rows), null: 0; < 0: row is idle and its tokens do not matter
  int32_t first = 0;
  int32_t step = 1;

  __host__ __device__ int64_t at(int64_t row, int64_t i) const {
    const int64_t begin = start == nullptr || start[row] < 0 ? 0 : start[row];
    return row * capacity + begin + first + i * step;
  }
};

struct Embed {
  const bf16* table = nullptr;  ///< (vocab, width)
  int32_t width = 0;
  TokenSlots slots;
  int64_t rows = 0;
  int32_t count = 1;    ///< tokens a row
  bf16* out = nullptr;  ///< token i of row r: out + (r · count + i) · out_stride
  int64_t out_stride = 0;
};

Work embed_work(const Embed& a);
void embed(Stream& stream, const Embed& a);

}  // namespace photon::PHOTON_GPU
