// SPDX-License-Identifier: Apache-2.0
// Twins of ldmatrix and mma.sync: warp collectives that move 8x8 tiles into fragments and multiply them.
#pragma once

#include <cstdint>
#include <source_location>

namespace photon::emulated {

/// Four 8x8 tiles of 16-bit elements from shared memory; lane i points at row i % 8 of tile i / 8 (16 bytes,
/// aligned). Lane i receives elements 2 (i % 4) and 2 (i % 4) + 1 of row i / 4 of each tile.
void load_matrix_x4(uint32_t (&r)[4], const void* shared_row,
                    std::source_location where = std::source_location::current());
/// The same, each tile transposed.
void load_matrix_x4_transposed(uint32_t (&r)[4], const void* shared_row,
                               std::source_location where = std::source_location::current());

/// d (16x8, float) += a (16x16, bf16, row) · b (16x8, bf16, column), fragments as PTX's mma.m16n8k16 lays
/// them out. Products are exact, their sum is taken in float, k ascending; the device's rounding differs.
void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                  std::source_location where = std::source_location::current());
/// The same by eight: a (16x8) · b (8x8).
void mma_m16n8k8(float (&d)[4], const uint32_t (&a)[2], const uint32_t (&b)[1],
                 std::source_location where = std::source_location::current());

}  // namespace photon::emulated
