// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/linear.h"

#include <algorithm>

#include "cuda_impl/kernels/rms_norm.h"
#include "cuda_impl/kernels/swiglu.h"

namespace photon::PHOTON_GPU {
namespace {

// Two blocks of the matrix-vector kernel should fit beside each other.
constexpr int64_t most_staged_bytes = 96 * 1024;

Gemv as_gemv(const Linear& a, float eps) {
  return {.x = a.x,
          .x_stride = a.x_stride,
          .gain = a.gain,
          .eps = eps,
          .weight = a.weight,
          .bias = a.bias,
          .swiglu = a.swiglu,
          .accumulate = a.accumulate,
          .out = a.out,
          .out_float = a.out_float,
          .out_stride = a.out_stride,
          .rows = static_cast<int32_t>(a.rows),
          .in = static_cast<int32_t>(a.in),
          .out_width = static_cast<int32_t>(a.out_width)};
}

}  // namespace

Linears::Linears(float eps, int64_t gemv_rows)
    : eps_(eps), gemv_rows_(std::min<int64_t>(gemv_rows, Gemv::most_rows)) {}

bool Linears::uses_gemv(const Linear& a) const {
  return a.rows <= gemv_rows_ && a.rows * a.in * static_cast<int64_t>(sizeof(bf16)) <= most_staged_bytes;
}

void Linears::operator()(Stream& stream, const char* op, const Linear& a, const LinearScratch& scratch) {
  if (uses_gemv(a)) {
    gemv(stream, op, as_gemv(a, eps_));
    return;
  }
  Product p{.x = a.x,
            .x_stride = a.x_stride,
            .weight = a.weight,
            .bias = a.bias,
            .accumulate = a.accumulate,
            .out = a.out,
            .out_float = a.out_float,
            .out_stride = a.out_stride,
            .rows = a.rows,
            .in = a.in,
            .out_width = a.out_width};
  if (a.gain != nullptr) {
    rms_norm(stream, {.x = a.x,
                      .x_stride = a.x_stride,
                      .gain = a.gain,
                      .out = scratch.normed,
                      .out_stride = a.in,
                      .rows = a.rows,
                      .width = static_cast<int32_t>(a.in),
                      .eps = eps_});
    p.x = scratch.normed;
    p.x_stride = a.in;
  }
  if (a.swiglu) {
    p.out = scratch.gate_up;
    p.out_stride = p.out_width = 2 * a.out_width;
  }
  matmul_(stream, op, p);
  if (a.swiglu) {
    swiglu(
        stream,
        {.gate_up = scratch.gate_up, .out = a.out, .rows = a.rows, .ffn = static_cast<int32_t>(a.out_width)});
  }
}

}  // namespace photon::PHOTON_GPU
