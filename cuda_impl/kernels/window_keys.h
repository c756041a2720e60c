// SPDX-License-Identifier: Apache-2.0
// The keys and values of a window and the gradients that they are given by one query after another, each lane
// with its own parts of them (head_row.h).
#pragma once

#include "cuda_impl/kernels/head_row.h"

namespace photon::PHOTON_GPU {

/// A lane's parts of a window's keys and values, in slots of shared memory that are the lane's own:
/// (window, 2, threads).
template <class Row>
struct WindowRows {
  unsigned begin = 0;  ///< in rows

  __device__ Row* row(int j, int which) const {
    return dynamic_shared<Row>() + (begin + static_cast<unsigned>(2 * j + which) * blockDim.x + threadIdx.x);
  }
  __device__ Row key(int j) const { return *row(j, 0); }
  __device__ Row value(int j) const { return *row(j, 1); }
};

/// These and what they are given, and of a query the scores and the gradients of weights. N of them, in
/// registers, where every loop over them is unrolled.
template <class Row, int N>
struct WindowKeys : WindowRows<Row> {
  static constexpr int elements = Row::elements;
  static constexpr size_t bytes_a_key = 2 * sizeof(Row);

  float d_k_[N][elements];
  float d_v_[N][elements];
  float score_[N];
  float d_weight_[N];

  __device__ explicit WindowKeys(int) {}

  /// visit(j) for j < count.
  template <class Visit>
  __device__ static void each(int count, const Visit& visit) {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      if (j < count) visit(j);
    }
  }
  __device__ void set(int j, const Row& k, const Row& v) {
    *this->row(j, 0) = k;
    *this->row(j, 1) = v;
#pragma unroll
    for (int i = 0; i < elements; ++i) d_k_[j][i] = d_v_[j][i] = 0.0f;
  }
  __device__ float& score(int j) {
    return score_[j];
  }
  __device__ float& d_weight(int j) {
    return d_weight_[j];
  }
  __device__ void add(int j, const float (&q)[elements], float of_q, const float (&d_out)[elements],
                      float of_d_out) {
#pragma unroll
    for (int i = 0; i < elements; ++i) {
      d_k_[j][i] = fmaf(of_q, q[i], d_k_[j][i]);
      d_v_[j][i] = fmaf(of_d_out, d_out[i], d_v_[j][i]);
    }
  }
  __device__ void given(int j, float (&d_k)[elements], float (&d_v)[elements]) const {
#pragma unroll
    for (int i = 0; i < elements; ++i) {
      d_k[i] = d_k_[j][i];
      d_v[i] = d_v_[j][i];
    }
  }
};

/// Up to `largest_window` of them, all of it in shared memory.
template <class Row>
struct WindowKeys<Row, 0> : WindowRows<Row> {
  static constexpr int elements = Row::elements;
  static constexpr int floats = elements < 4 ? elements : 4;  ///< moved at a time
  using Some = Pack<float, floats>;
  static constexpr int somes = elements / floats;
  static constexpr size_t bytes_a_key = 2 * sizeof(Row) + (2 * elements + 2) * sizeof(float);
  static_assert(sizeof(Some) % sizeof(Row) == 0);

  int window;

  /// (window, 2 · somes, threads) of Some, the rows, (window, 2, threads) numbers.
  __device__ explicit WindowKeys(int keys) : window(keys) {
    this->begin = static_cast<unsigned>(2 * somes * window) * blockDim.x * (sizeof(Some) / sizeof(Row));
  }
  __device__ Some* sums(int j, int part) const {
    return dynamic_shared<Some>() + (static_cast<unsigned>(2 * somes * j + part) * blockDim.x + threadIdx.x);
  }
  __device__ float* number(int j, int which) const {
    return reinterpret_cast<float*>(dynamic_shared<Row>() + this->begin +
                                    static_cast<unsigned>(2 * window) * blockDim.x) +
           (static_cast<unsigned>(2 * j + which) * blockDim.x + threadIdx.x);
  }

  template <class Visit>
  __device__ static void each(int count, const Visit& visit) {
#pragma unroll 1
    for (int j = 0; j < count; ++j) visit(j);
  }
  __device__ void set(int j, const Row& k, const Row& v) {
    *this->row(j, 0) = k;
    *this->row(j, 1) = v;
#pragma unroll
    for (int part = 0; part < 2 * somes; ++part) *sums(j, part) = Some{};
  }
  __device__ float& score(int j) {
    return *number(j, 0);
  }
  __device__ float& d_weight(int j) {
    return *number(j, 1);
  }
  __device__ void add(int j, const float (&q)[elements], float of_q, const float (&d_out)[elements],
                      float of_d_out) {
#pragma unroll
    for (int part = 0; part < somes; ++part) {
      Some d_k = *sums(j, part);
      Some d_v = *sums(j, somes + part);
#pragma unroll
      for (int i = 0; i < floats; ++i) {
        d_k.v[i] = fmaf(of_q, q[floats * part + i], d_k.v[i]);
        d_v.v[i] = fmaf(of_d_out, d_out[floats * part + i], d_v.v[i]);
      }
      *sums(j, part) = d_k;
      *sums(j, somes + part) = d_v;
    }
  }
  __device__ void given(int j, float (&d_k)[elements], float (&d_v)[elements]) const {
#pragma unroll
    for (int part = 0; part < somes; ++part) {
      const Some of_k = *sums(j, part);
      const Some of_v = *sums(j, somes + part);
#pragma unroll
      for (int i = 0; i < floats; ++i) {
        d_k[floats * part + i] = of_k.v[i];
        d_v[floats * part + i] = of_v.v[i];
      }
    }
  }
};

}  // namespace photon::PHOTON_GPU
