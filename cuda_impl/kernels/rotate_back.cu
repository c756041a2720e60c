// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/rotate_back.h"

#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/fast_division.h"
#include "cuda_impl/kernels/head_rotation.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned threads = 256;

struct RotateBackKernel {
  RotateBack op;
  uint32_t heads_in_all;
  FastDivision heads;  ///< that turn, of a row
  FastDivision units;
};

/// A group of lanes a head of a row, queries first.
template <class Row>
__global__ void __launch_bounds__(threads) rotate_back_kernel(RotateBackKernel p) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const RotateBack& a = p.op;
  const uint32_t own = (blockIdx.x * threads + threadIdx.x) / Row::group;
  if (own >= p.heads_in_all) return;
  const uint32_t row = p.heads.quotient(own);
  const uint32_t head = own - row * p.heads.divisor();
  const uint32_t unit = row - p.units.quotient(row) * p.units.divisor();
  const auto head_size = static_cast<uint32_t>(a.shape.head_size);
  bf16* const rows = a.d_qkv + static_cast<int64_t>(row) * a.shape.packed_width();
  Halves<Row> halves(a.shape.head_size);
  halves.load_angles(a.rotations + static_cast<int64_t>(unit) * head_size);
  float x[Row::elements];
  halves.load(rows, head * head_size).to_floats(x);
  halves.turn_back(x);
  halves.store(Row::rounded(x), rows + head * head_size);
}

}  // namespace

Work rotate_back_work(const RotateBack& a) {
  Work work;
  const double turned = static_cast<double>(a.sequences) * a.units * (a.shape.width() + a.shape.kv_width());
  work.other_bytes = 2.0 * turned * sizeof(bf16);
  return work;
}

void rotate_back(Stream& stream, const RotateBack& a) {
  if (a.sequences == 0 || a.units == 0) return;
  with_head_row(a.shape.head_size, [&](auto layout) {
    using Row = decltype(layout);
    const int32_t heads = a.shape.heads + a.shape.kv_heads;
    const int64_t all = a.sequences * a.units * heads;
    constexpr int64_t most = (int64_t{1} << 31) / Row::group;
    if (all > most) {
      throw Error("turning back " + std::to_string(a.sequences) + " sequences of " + std::to_string(a.units) +
                  " units with " + std::to_string(heads) +
                  " heads of queries and keys in one launch; at most " + std::to_string(most / heads) +
                  " units in all");
    }
    const RotateBackKernel p{a, static_cast<uint32_t>(all), FastDivision(static_cast<uint32_t>(heads)),
                             FastDivision(static_cast<uint32_t>(a.units))};
    constexpr int64_t heads_a_block = threads / Row::group;
    const Grid grid{dim3(static_cast<unsigned>((all + heads_a_block - 1) / heads_a_block)), threads};
    stream.launch({"rotate_back", rotate_back_work(a)}, grid, rotate_back_kernel<Row>, p);
  });
}

}  // namespace photon::PHOTON_GPU
