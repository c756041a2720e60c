// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/matmul.h"

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/product_case.h"

namespace photon::PHOTON_GPU {
namespace {

class MatmulCase : public ProductCase {
 public:
  MatmulCase(const ProductShape& shape, bool elsewhere, uint64_t seed) : ProductCase(shape, seed) {
    op_ = {.x = x_.data(),
           .x_stride = x_stride(),
           .weight = weight_.data(),
           .bias = p_.bias ? bias_.data() : nullptr,
           .accumulate = p_.accumulate,
           .out = p_.in_float ? nullptr : out_.data(),
           .out_float = p_.in_float ? out_float_.data() : nullptr,
           .out_stride = out_stride(),
           .rows = p_.rows,
           .in = p_.in,
           .out_width = p_.out};
    if (!elsewhere) return;
    base_ = DeviceArray<bf16>(out_.read());
    op_.base = base_.data();
    op_.accumulate = false;
  }

  void launch(Stream& stream) override {
    // What is added to lies elsewhere: what `out` holds does not matter.
    if (op_.base != nullptr) {
      check(cudaMemsetAsync(op_.out, 0xff, static_cast<size_t>(op_.rows * op_.out_stride) * sizeof(bf16),
                            stream.handle()),
            "cudaMemsetAsync");
    }
    matmul_(stream, "matmul", op_);
  }
  Work work() const override { return product_work(op_); }

 private:
  Matmul matmul_;
  DeviceArray<bf16> base_;
  Product op_;
};

}  // namespace

void add_matmul_cases(std::vector<NamedCase>& cases) {
  std::vector<ProductShape> all = {
      {.rows = 1, .in = 2, .out = 1},
      {.rows = 3, .in = 13, .out = 37},
      {.rows = 3, .in = 13, .out = 3, .x_gap = 4, .out_gap = 5},
      {.rows = 8, .in = 24, .out = 37, .bias = true},
      {.rows = 5, .in = 104, .out = 3, .bias = true},
      {.rows = 70, .in = 24, .out = 52, .accumulate = true},
      {.rows = 7, .in = 2, .out = 37, .x_gap = 1, .out_gap = 1, .accumulate = true},
      {.rows = 6, .in = 104, .out = 37, .bias = true, .accumulate = true},
      {.rows = 9, .in = 104, .out = 37, .in_float = true},
      {.rows = 4, .in = 13, .out = 1, .in_float = true},
      {.rows = 3, .in = 24, .out = 11, .x_gap = 24, .out_gap = 3, .in_float = true},
      {.rows = 33, .in = 52, .out = 104, .x_gap = 52},
  };
  for (const int64_t rows : {1, 4, 8, 64, 512, 2048}) {
    all.push_back({.rows = rows, .in = 1664, .out = 3 * 1664, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 1664, .accumulate = true, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 2 * 4096, .large = true});
    all.push_back({.rows = rows, .in = 4096, .out = 1664, .accumulate = true, .large = true});
    all.push_back({.rows = rows, .in = 4 * 1664, .out = 1664, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 2 * 1664, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 32000, .in_float = true, .large = true});
  }
  for (const ProductShape& p : all) {
    cases.push_back({"matmul", name_of(p), p.large,
                     [p](uint64_t seed) { return std::make_unique<MatmulCase>(p, false, seed); }});
    if (!p.accumulate || p.out_gap != 0) continue;
    cases.push_back({"matmul", name_of(p) + " elsewhere", p.large,
                     [p](uint64_t seed) { return std::make_unique<MatmulCase>(p, true, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
