// SPDX-License-Identifier: Apache-2.0
// Products with a weight matrix, whoever computes them: inputs, and the same sums on the host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda_impl/device/repeated_array.h"
#include "tests/cuda_impl/cases/op_case.h"

namespace photon::PHOTON_GPU {

struct ProductShape {
  int64_t rows = 1;
  int64_t in = 2;
  int64_t out = 1;
  int64_t x_gap = 0;    ///< between rows
  int64_t out_gap = 0;  ///< between rows
  bool norm = false;
  bool bias = false;
  bool swiglu = false;
  bool accumulate = false;
  bool in_float = false;  ///< the result
  bool large = false;
};

std::string name_of(const ProductShape& p);

class ProductCase : public OpCase {
 public:
  ProductCase(const ProductShape& shape, uint64_t seed);

  std::vector<OpOutput> outputs() override;

 protected:
  static constexpr float eps = 1e-5f;

  ProductShape p_;
  RepeatedValues x_;
  RepeatedValues gain_;
  RepeatedValues weight_;
  RepeatedValues bias_;
  RepeatedValues out_;              ///< what is there before is added to, or is to be overwritten
  RepeatedArray<float> out_float_;  ///< one of the two is all but empty

  int64_t x_stride() const { return p_.in + p_.x_gap; }
  int64_t out_stride() const { return p_.out + p_.out_gap; }

 private:
  /// Row r of x as the product reads it; with a norm what the norm by itself would store, `exact` all of it.
  template <class S>
  std::vector<S> row(int64_t r) const;
  /// Of row x and a column of the weights; `magnitude`: of what was summed.
  template <class S>
  S result(const std::vector<S>& x, int64_t r, int64_t column, double* magnitude) const;
  template <class S>
  S dot(const std::vector<S>& x, int64_t column, double* magnitude) const;
};

}  // namespace photon::PHOTON_GPU
