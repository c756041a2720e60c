// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/matmul.h"

#include <vector>

#include "cuda_impl/emulation/bf16.h"

namespace photon::emulation {
namespace {

using emulated::bf16;
using emulated::CUDA_R_32F;
using emulated::to_bf16;
using emulated::to_float;

float number(float x) {
  return x;
}
float number(bf16 x) {
  return to_float(x);
}

template <class T>
void read(const T* from, int64_t stride, int64_t size, float* to) {
  if (stride == 1) {
    for (int64_t i = 0; i < size; ++i) to[i] = number(from[i]);
  } else {
    for (int64_t i = 0; i < size; ++i) to[i] = number(from[i * stride]);
  }
}

/// `size` elements from (row, column) on, `stride` apart.
void read(const StridedMatrix& matrix, int64_t row, int64_t column, int64_t stride, int64_t size, float* to) {
  const int64_t at = row * matrix.row_stride + column * matrix.column_stride;
  if (matrix.type == CUDA_R_32F) {
    read(static_cast<const float*>(matrix.data) + at, stride, size, to);
  } else {
    read(static_cast<const bf16*>(matrix.data) + at, stride, size, to);
  }
}

float element(const StridedMatrix& matrix, int64_t row, int64_t column) {
  float x;
  read(matrix, row, column, 0, 1, &x);
  return x;
}

void set_element(const StridedMatrix& matrix, int64_t row, int64_t column, float x) {
  const int64_t at = row * matrix.row_stride + column * matrix.column_stride;
  void* data = const_cast<void*>(matrix.data);
  if (matrix.type == CUDA_R_32F) {
    static_cast<float*>(data)[at] = x;
  } else {
    static_cast<bf16*>(data)[at] = to_bf16(x);
  }
}

float dot(const float* x, const float* y, int64_t size) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += x[i] * y[i];
  return sum;
}

/// The product of a row and a column, part by part.
float dot(const MatmulProblem& p, const float* row, const float* column) {
  if (p.splits == 1) return dot(row, column, p.k);
  const auto rounded = [&](float x) {
    return p.rounds_parts && p.d.type != CUDA_R_32F ? to_float(to_bf16(x)) : x;
  };
  float sum = 0.0f;
  for (int64_t part = 0; part < p.splits; ++part) {
    const int64_t begin = p.k * part / p.splits;
    const int64_t end = p.k * (part + 1) / p.splits;
    sum = rounded(sum + rounded(dot(row + begin, column + begin, end - begin)));
  }
  return sum;
}

}  // namespace

void matmul(const MatmulProblem& p) {
  std::vector<float> columns(p.k * p.n);
  for (int64_t j = 0; j < p.n; ++j) read(p.b, 0, j, p.b.row_stride, p.k, &columns[j * p.k]);
#pragma omp parallel if (p.m * p.n * p.k > 10'000'000)
  {
    std::vector<float> row(p.k);
#pragma omp for
    for (int64_t i = 0; i < p.m; ++i) {
      read(p.a, i, 0, p.a.column_stride, p.k, row.data());
      const float bias = p.bias == nullptr ? 0.0f : element({p.bias, p.d.type, 1, 0}, i, 0);
      for (int64_t j = 0; j < p.n; ++j) {
        float x = p.alpha * dot(p, row.data(), &columns[j * p.k]) + bias;
        if (p.beta != 0.0f) x += p.beta * element(p.c, i, j);
        set_element(p.d, i, j, x);
      }
    }
  }
}

}  // namespace photon::emulation
