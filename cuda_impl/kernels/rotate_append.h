// SPDX-License-Identifier: Apache-2.0
// Between the projection and the attention of a stack with a growing cache: rotary positions (Su et al. 2021,
// half-split) on q in place and on k on its way into the cache, v beside it.
#pragma once

#include <cstdint>

#include "cuda_impl/device/stream.h"
#include "cuda_impl/kernels/attention_shape.h"
#include "cuda_impl/kernels/cache_view.h"
#include "cuda_impl/kernels/unit_position.h"

namespace photon::PHOTON_GPU {

struct RotateAppend {
  AttentionShape shape;
  bf16* qkv = nullptr;               ///< (rows · units, packed width)
  const float* rotations = nullptr;  ///< (positions, head_size / 2, 2): cos, sin
  int64_t rows = 0;
  int32_t units = 0;           ///< new ones a row
  UnitPosition position;       ///< start null: every row begins at unit 0
  bool keys_in_place = false;  ///< k is rotated in the packed rows, too: what prefill's attention reads
  CacheView cache;             ///< k null: nothing is kept
  const int32_t* sequence = nullptr;    ///< (rows): the row's sequence in the cache; null: its own number
  const int32_t* first_unit = nullptr;  ///< (sequences): unit at slot 0 of a cache that is no ring; null: 0
  int32_t keep_from = 0;                ///< units before this one are not stored
};

/// stored: units that are kept, summed over the rows.
Work rotate_append_work(const RotateAppend& a, double stored);
void rotate_append(Stream& stream, const RotateAppend& a, double stored);

}  // namespace photon::PHOTON_GPU
