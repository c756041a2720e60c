// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/embed_backward.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"
#include "cuda_impl/kernels/elements.h"
#include "cuda_impl/kernels/pack_width.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr unsigned most_threads = 256;

// One block a segment.
template <int N>
__global__ void __launch_bounds__(most_threads) embed_backward_kernel(EmbedBackward a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const TokenSegment segment = a.segments[blockIdx.x];
  const int32_t* positions = a.positions + segment.first;
  float* table = a.d_table + static_cast<int64_t>(segment.token) * a.width;
  for (int32_t i = static_cast<int32_t>(threadIdx.x) * N; i < a.width;
       i += static_cast<int32_t>(blockDim.x) * N) {
    Elements<float, N> sum{};
    if (segment.partial < 0) sum = load_elements<N>(static_cast<const float*>(table + i));
#pragma unroll 4
    for (int32_t p = 0; p < segment.count; ++p) {
      const Elements<bf16, N> d = load_elements<N>(a.d + positions[p] * a.d_stride + i);
#pragma unroll
      for (int j = 0; j < N; ++j) sum.set(j, sum[j] + d[j]);
    }
    float* to = segment.partial < 0 ? table : a.workspace + static_cast<int64_t>(segment.partial) * a.width;
    store_elements<N>(to + i, sum);
  }
}

constexpr int columns = 32;  // threads across, each with N columns
constexpr int rows = 8;      // threads down, each with every so many-th partial sum

// One block some columns of one token.
template <int N>
__global__ void __launch_bounds__(columns* rows) embed_backward_merge_kernel(EmbedBackward a) {
  using Sums = Pack<float, N>[rows][columns];
  PHOTON_SHARED(Sums, sums);
  wait_for_previous_kernel();
  let_next_kernel_start();
  const TokenPartials token = a.partials[blockIdx.x];
  const int across = static_cast<int>(threadIdx.x) % columns;
  const int down = static_cast<int>(threadIdx.x) / columns;
  const int32_t i = (static_cast<int32_t>(blockIdx.y) * columns + across) * N;
  Pack<float, N> sum{};
  if (i < a.width) {
#pragma unroll 4
    for (int32_t p = down; p < token.count; p += rows) {
      const Pack<float, N> x = load_pack<N>(a.workspace + (int64_t{token.first} + p) * a.width + i);
#pragma unroll
      for (int j = 0; j < N; ++j) sum.v[j] += x.v[j];
    }
  }
  sums[down][across] = sum;
  __syncthreads();
  if (down == 0 && i < a.width) {
    float* to = a.d_table + static_cast<int64_t>(token.token) * a.width + i;
    Pack<float, N> total = load_pack<N>(to);
    for (int r = 0; r < rows; ++r) {
#pragma unroll
      for (int j = 0; j < N; ++j) total.v[j] += sums[r][across].v[j];
    }
    store_pack(to, total);
  }
}

Work segments_work(const EmbedBackward& a) {
  const auto single = static_cast<double>(a.segment_count - a.partial_rows);
  const double vectors = static_cast<double>(a.places) * sizeof(bf16) +
                         (2.0 * single + static_cast<double>(a.partial_rows)) * sizeof(float);
  return {.other_bytes = vectors * a.width + static_cast<double>(a.places) * sizeof(int32_t) +
                         static_cast<double>(a.segment_count) * sizeof(TokenSegment)};
}

Work merge_work(const EmbedBackward& a) {
  const double vectors = (2.0 * a.partial_count + a.partial_rows) * sizeof(float);
  return {.other_bytes = vectors * a.width + static_cast<double>(a.partial_count) * sizeof(TokenPartials)};
}

}  // namespace

TokenPlaces token_places(std::span<const int32_t> ids, int64_t vocab) {
  std::vector<int32_t> end(static_cast<size_t>(vocab), 0);  // counts, then the end of each token's places
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab) {
      throw Error("token_places: token id " + std::to_string(id) + " is outside the vocabulary of " +
                  std::to_string(vocab));
    }
    ++end[static_cast<size_t>(id)];
  }
  TokenPlaces out;
  int32_t next = 0;
  int32_t next_partial = 0;
  for (size_t token = 0; token < end.size(); ++token) {
    const int32_t first = next;
    const int32_t count = end[token];
    end[token] = next;
    next += count;
    const int32_t segments = (count + TokenPlaces::longest_segment - 1) / TokenPlaces::longest_segment;
    const auto id = static_cast<int32_t>(token);
    if (segments > 1) out.partials.push_back({id, next_partial, segments});
    for (int32_t s = 0; s < segments; ++s) {
      const int32_t begin = s * TokenPlaces::longest_segment;
      out.segments.push_back({id, first + begin, std::min(TokenPlaces::longest_segment, count - begin),
                              segments > 1 ? next_partial++ : -1});
    }
  }
  out.positions.resize(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    out.positions[static_cast<size_t>(end[static_cast<size_t>(ids[i])]++)] = static_cast<int32_t>(i);
  }
  return out;
}

int64_t embed_backward_workspace(int64_t places, int32_t width) {
  // A token with n > 32 places has at most 2 n / 33 segments.
  return places * 2 / (TokenPlaces::longest_segment + 1) * width;
}

Work embed_backward_work(const EmbedBackward& a) {
  Work work = segments_work(a);
  if (a.partial_count > 0) work += merge_work(a);
  return work;
}

void embed_backward(Stream& stream, const EmbedBackward& a) {
  const int width = pack_width({a.width, a.d_stride});
  const int32_t loads = a.width / (width == 8 ? 8 : width >= 2 ? 2 : 1);
  const int32_t warps = std::clamp((loads + warp_size - 1) / warp_size, 1, 8);
  const Grid grid{dim3(static_cast<unsigned>(a.segment_count)), static_cast<unsigned>(warps * warp_size)};
  const auto kernel = width == 8   ? embed_backward_kernel<8>
                      : width >= 2 ? embed_backward_kernel<2>
                                   : embed_backward_kernel<1>;
  stream.launch({"embed_backward", segments_work(a)}, grid, kernel, a);
  if (a.partial_count == 0) return;
  const int pack = std::min(4, pack_width({a.width}));
  const int32_t block = columns * (pack == 4 ? 4 : 1);
  const dim3 blocks(static_cast<unsigned>(a.partial_count),
                    static_cast<unsigned>((a.width + block - 1) / block));
  stream.launch({"embed_merge", merge_work(a)}, {blocks, columns * rows},
                pack == 4 ? embed_backward_merge_kernel<4> : embed_backward_merge_kernel<1>, a);
}

}  // namespace photon::PHOTON_GPU
