// SPDX-License-Identifier: Apache-2.0
// Matrix products out = x Wᵀ (+ bias) (+ out) and their two gradients by cuBLASLt: bf16 operands, float
// accumulation. A shape's plan is made once, from the library's heuristic and without timing, so that a run
// can be repeated bit for bit. No plan splits K over blocks: partial sums would be rounded to the output's
// bf16, and one launch would be two.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda_impl/device/arena.h"
#include "cuda_impl/device/blas.h"
#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// One product; everything row major.
struct Product {
  const bf16* x = nullptr;  ///< row r at x + r · x_stride, `in` elements
  int64_t x_stride = 0;
  const bf16* weight = nullptr;  ///< (out_width, in)
  const bf16* bias = nullptr;    ///< (out_width) or null
  bool accumulate = false;       ///< adds to what is in `out`
  const bf16* base = nullptr;    ///< adds to this instead, which lies as `out` does
  bf16* out = nullptr;           ///< row r at out + r · out_stride, or
  float* out_float = nullptr;    ///< unrounded
  int64_t out_stride = 0;
  int64_t rows = 0;
  int64_t in = 0;
  int64_t out_width = 0;
};

/// out (rows, in) = d (rows, out_width) · W: of a product's x.
struct InputGradient {
  const bf16* d = nullptr;  ///< row r at d + r · d_stride
  int64_t d_stride = 0;
  const bf16* weight = nullptr;  ///< (out_width, in)
  bool accumulate = false;       ///< adds to what is in `out`
  bf16* out = nullptr;           ///< row r at out + r · out_stride, or
  float* out_float = nullptr;    ///< unrounded
  int64_t out_stride = 0;
  int64_t rows = 0;
  int64_t in = 0;
  int64_t out_width = 0;
};

/// gradient (out_width, in) += dᵀ (out_width, rows) · x (rows, in): of a product's weight.
struct WeightGradient {
  const bf16* d = nullptr;  ///< row r at d + r · d_stride
  int64_t d_stride = 0;
  const bf16* x = nullptr;  ///< row r at x + r · x_stride
  int64_t x_stride = 0;
  float* gradient = nullptr;
  int64_t rows = 0;
  int64_t in = 0;
  int64_t out_width = 0;
};

Work product_work(const Product& p);
Work input_gradient_work(const InputGradient& p);
Work weight_gradient_work(const WeightGradient& p);

class Matmul {
 public:
  /// Of the device's memory, for as long as it lives: what cuBLAS asks for on this generation.
  static constexpr int64_t workspace_bytes = int64_t{32} << 20;

  Matmul();
  ~Matmul();
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;

  /// Throws Error if the library has no way to compute this shape.
  void operator()(Stream& stream, const char* op, const Product& p);
  void operator()(Stream& stream, const char* op, const InputGradient& p);
  void operator()(Stream& stream, const char* op, const WeightGradient& p);

  /// The plans that this process has made so far, a line each: the library's version, the shape, the
  /// algorithm by the library's numbers, and into how many parts it splits K.
  static std::vector<std::string> plans();

 private:
  struct Plan;
  /// A factor in cuBLASLt's column-major words.
  struct Factor {
    const bf16* data = nullptr;
    bool transposed = false;
    int64_t stride = 0;  ///< from one column, as stored, to the next
  };
  /// out (m x n, column-major) = [base +] a (m x k) · b (k x n) (+ bias (m)), where both are taken after
  /// transposition.
  struct Multiplication {
    Factor a;
    Factor b;
    const bf16* bias = nullptr;
    const void* base = nullptr;  ///< null: none
    void* out = nullptr;
    bool in_float = false;
    int64_t out_stride = 0;
    int64_t m = 0;
    int64_t n = 0;
    int64_t k = 0;
  };
  /// All that a plan depends on: the library's kernels also differ in what they can load at once.
  struct Key {
    int64_t m, n, k;
    bool a_transposed, b_transposed;
    int64_t a_stride, b_stride, out_stride;
    bool with_base, bias, in_float;
    uint32_t a_alignment, b_alignment, base_alignment, out_alignment;
    auto operator<=>(const Key&) const = default;
  };

  static Key key_of(const Multiplication& p);
  static std::string described(const Key& key);
  const Plan& plan(const Multiplication& p);
  void run(Stream& stream, const Op& op, const Multiplication& p);

  cublasLtHandle_t handle_ = nullptr;
  DeviceBuffer workspace_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace photon::PHOTON_GPU
