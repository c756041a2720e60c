// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/kernels/gemv.h"

#include <iterator>

#include "tests/cuda_impl/cases/add_cases.h"
#include "tests/cuda_impl/cases/product_case.h"

namespace photon::PHOTON_GPU {
namespace {

class GemvCase : public ProductCase {
 public:
  GemvCase(const ProductShape& shape, uint64_t seed) : ProductCase(shape, seed) {
    op_ = {.x = x_.data(),
           .x_stride = x_stride(),
           .gain = p_.norm ? gain_.data() : nullptr,
           .eps = eps,
           .weight = weight_.data(),
           .bias = p_.bias ? bias_.data() : nullptr,
           .swiglu = p_.swiglu,
           .accumulate = p_.accumulate,
           .out = p_.in_float ? nullptr : out_.data(),
           .out_float = p_.in_float ? out_float_.data() : nullptr,
           .out_stride = out_stride(),
           .rows = static_cast<int32_t>(p_.rows),
           .in = static_cast<int32_t>(p_.in),
           .out_width = static_cast<int32_t>(p_.out)};
  }

  void launch(Stream& stream) override { gemv(stream, "gemv", op_); }
  Work work() const override { return gemv_work(op_); }

 private:
  Gemv op_;
};

/// Each number of rows with each width of loads, with and without SwiGLU; the rest in turn.
std::vector<ProductShape> small_shapes() {
  constexpr ProductShape variants[] = {{},
                                       {.norm = true},
                                       {.bias = true},
                                       {.accumulate = true},
                                       {.in_float = true},
                                       {.norm = true, .in_float = true},
                                       {.x_gap = 1, .out_gap = 2, .norm = true, .bias = true},
                                       {.x_gap = 8, .out_gap = 1, .bias = true, .accumulate = true}};
  constexpr int64_t widths_in[] = {2, 13, 24, 104};
  constexpr int64_t widths_out[] = {1, 3, 37};
  std::vector<ProductShape> out;
  size_t turn = 0;
  for (int64_t rows = 1; rows <= Gemv::most_rows; ++rows) {
    for (const int64_t in : widths_in) {
      ProductShape p = variants[turn % std::size(variants)];
      p.rows = rows;
      p.in = in;
      p.out = widths_out[turn % std::size(widths_out)];
      out.push_back(p);
      p = {.rows = rows, .in = in, .out = widths_out[(turn + 1) % std::size(widths_out)]};
      p.swiglu = true;
      p.norm = turn % 2 == 1;
      p.x_gap = turn % 3 == 1 ? 2 : 0;
      out.push_back(p);
      // Numbers of rows and of widths have a common factor: without it each variant would meet one width.
      turn += in == widths_in[3] ? 2 : 1;
    }
  }
  return out;
}

}  // namespace

void add_gemv_cases(std::vector<NamedCase>& cases) {
  std::vector<ProductShape> all = small_shapes();
  for (const int64_t rows : {1, 2, 4, 8}) {
    all.push_back({.rows = rows, .in = 1664, .out = 3 * 1664, .norm = true, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 1664, .accumulate = true, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 4096, .norm = true, .swiglu = true, .large = true});
    all.push_back({.rows = rows, .in = 4096, .out = 1664, .accumulate = true, .large = true});
    all.push_back({.rows = rows, .in = 4 * 1664, .out = 1664, .norm = true, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 2 * 1664, .large = true});
    all.push_back({.rows = rows, .in = 1664, .out = 32000, .in_float = true, .large = true});
  }
  for (const ProductShape& p : all) {
    cases.push_back(
        {"gemv", name_of(p), p.large, [p](uint64_t seed) { return std::make_unique<GemvCase>(p, seed); }});
  }
}

}  // namespace photon::PHOTON_GPU
