// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/matrix.h"

#include <bit>
#include <cstring>
#include <tuple>
#include <utility>

#include "cuda_impl/emulation/block.h"
#include "cuda_impl/emulation/shared_memory.h"

namespace photon::emulated {
namespace {

using emulation::check_aligned;
using emulation::fault;
using emulation::meet_warp;
using emulation::place;
using emulation::shared_memory;

constexpr unsigned all_lanes = 0xffffffffu;

struct TileRow {
  const void* row;
  uint32_t* fragment;
};

template <bool Transposed>
void load_tiles(void* const* lanes, unsigned) {
  uint16_t tiles[4][8][8];
  for (int i = 0; i < 32; ++i) {
    std::memcpy(tiles[i / 8][i % 8], static_cast<const TileRow*>(lanes[i])->row, sizeof(tiles[0][0]));
  }
  for (int i = 0; i < 32; ++i) {
    const int row = i / 4;
    const int column = i % 4 * 2;
    for (int t = 0; t < 4; ++t) {
      const uint16_t low = Transposed ? tiles[t][column][row] : tiles[t][row][column];
      const uint16_t high = Transposed ? tiles[t][column + 1][row] : tiles[t][row][column + 1];
      static_cast<const TileRow*>(lanes[i])->fragment[t] = low | uint32_t{high} << 16;
    }
  }
}

template <bool Transposed>
void load_matrix(const char* name, uint32_t* r, const void* row, const std::source_location& where) {
  check_aligned(row, 16, where);
  if (!shared_memory().contains(row, 16)) {
    fault(place(where) + ": " + name + " from an address outside the block's shared memory");
  }
  TileRow mine{row, r};
  meet_warp({name, all_lanes, load_tiles<Transposed>, &mine, where});
}

struct Fragments {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

/// The two bf16 of a register.
std::pair<float, float> unpacked(uint32_t pair) {
  return {std::bit_cast<float>(pair << 16), std::bit_cast<float>(pair & 0xffff0000u)};
}

template <int K>
void multiply(void* const* lanes, unsigned) {
  float a[16][K];
  float b[K][8];
  float d[16][8] = {};
  for (int i = 0; i < 32; ++i) {
    const auto& mine = *static_cast<const Fragments*>(lanes[i]);
    const int group = i / 4;
    const int pair = i % 4 * 2;
    for (int r = 0; r < K / 4; ++r) {
      float* to = &a[group + r % 2 * 8][pair + r / 2 * 8];
      std::tie(to[0], to[1]) = unpacked(mine.a[r]);
    }
    for (int r = 0; r < K / 8; ++r) {
      const int k = pair + r * 8;
      std::tie(b[k][group], b[k + 1][group]) = unpacked(mine.b[r]);
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < K; ++k) {
      for (int column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int i = 0; i < 32; ++i) {
    float* out = static_cast<const Fragments*>(lanes[i])->d;
    for (int r = 0; r < 4; ++r) out[r] += d[i / 4 + r / 2 * 8][i % 4 * 2 + r % 2];
  }
}

}  // namespace

void load_matrix_x4(uint32_t (&r)[4], const void* shared_row, std::source_location where) {
  load_matrix<false>("load_matrix_x4", r, shared_row, where);
}

void load_matrix_x4_transposed(uint32_t (&r)[4], const void* shared_row, std::source_location where) {
  load_matrix<true>("load_matrix_x4_transposed", r, shared_row, where);
}

void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], std::source_location where) {
  Fragments mine{d, a, b};
  meet_warp({"mma_m16n8k16", all_lanes, multiply<16>, &mine, where});
}

void mma_m16n8k8(float (&d)[4], const uint32_t (&a)[2], const uint32_t (&b)[1], std::source_location where) {
  Fragments mine{d, a, b};
  meet_warp({"mma_m16n8k8", all_lanes, multiply<8>, &mine, where});
}

}  // namespace photon::emulated
