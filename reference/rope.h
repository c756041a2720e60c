// SPDX-License-Identifier: Apache-2.0
// Rotary positions (Su et al. 2021), half-split as in LLaMA: dimension i of a head turns with dimension i +
// d/2 by the angle position · theta^(-2i/d).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "reference/types.h"

namespace photon::reference {

template <class S>
class Rope {
 public:
  Rope() = default;
  Rope(Index head_size, double theta) : half_(head_size / 2), theta_(theta) {}

  /// Makes positions below `count` available; not safe beside a concurrent rotate.
  void reserve(Index count) {
    if (count <= cos_.rows()) return;
    const Index rows = std::max(count, 2 * cos_.rows());
    cos_.resize(rows, half_);
    sin_.resize(rows, half_);
    for (Index p = 0; p < rows; ++p) {
      for (Index i = 0; i < half_; ++i) {
        const double angle =
            static_cast<double>(p) * std::pow(theta_, -static_cast<double>(i) / static_cast<double>(half_));
        cos_(p, i) = S(static_cast<Real<S>>(std::cos(angle)));
        sin_(p, i) = S(static_cast<Real<S>>(std::sin(angle)));
      }
    }
  }

  /// Turns the first `heads` heads of every row in place; row r stands at positions[r]. `inverse` turns back,
  /// which is the gradient of the turn.
  void rotate(Eigen::Ref<Matrix<S>> rows, Index heads, std::span<const int64_t> positions,
              bool inverse) const {
#pragma omp parallel for schedule(static) if (rows.size() > 16384)
    for (Index r = 0; r < rows.rows(); ++r) {
      const S* c = cos_.data() + positions[r] * half_;
      const S* s = sin_.data() + positions[r] * half_;
      for (Index h = 0; h < heads; ++h) {
        S* a = rows.data() + r * rows.outerStride() + h * 2 * half_;
        S* b = a + half_;
        for (Index i = 0; i < half_; ++i) {
          const S turn = inverse ? -s[i] : s[i];
          const S x = a[i];
          const S y = b[i];
          a[i] = x * c[i] - y * turn;
          b[i] = y * c[i] + x * turn;
        }
      }
    }
  }

 private:
  Index half_ = 0;
  double theta_ = 10000.0;
  Matrix<S> cos_;
  Matrix<S> sin_;
};

}  // namespace photon::reference
