// SPDX-License-Identifier: Apache-2.0
// RMSNorm (Zhang & Sennrich 2019), before attention, before the feed-forward, at the end of every stack and
// in the chunkers: y = x / sqrt(mean(x²) + eps) · gain.
#pragma once

#include <algorithm>
#include <cmath>

#include "reference/types.h"

namespace photon::reference {

template <class S>
S inverse_rms(const ConstRowMap<S>& x, double eps) {
  using std::sqrt;
  const S mean = x.cwiseProduct(x).sum() / S(static_cast<Real<S>>(x.size()));
  return S(1) / sqrt(mean + S(static_cast<Real<S>>(eps)));
}

/// y (n, D) = RMSNorm(x (n, D)).
template <class S>
void rms_norm(const Matrix<S>& x, const RowMap<S>& gain, double eps, Matrix<S>& y) {
  y.resize(x.rows(), x.cols());
#pragma omp parallel for schedule(static) if (x.size() > 16384)
  for (Index r = 0; r < x.rows(); ++r) {
    const ConstRowMap<S> row(x.data() + r * x.cols(), x.cols());
    RowMap<S>(y.data() + r * y.cols(), y.cols()) = row.cwiseProduct(gain) * inverse_rms<S>(row, eps);
  }
}

/// dx (n, D) += gradient through the norm; d_gain (D) += . With h = x·s, s the inverse RMS:
/// dx = s (g∘dy - h · mean(h ∘ g∘dy)).
template <class S>
void rms_norm_backward(const Matrix<S>& x, const RowMap<S>& gain, double eps, const Matrix<S>& dy,
                       Matrix<S>& dx, RowMap<S>& d_gain) {
  const Index rows = x.rows();
  const Index cols = x.cols();
  RowVector<S> scale(rows);
#pragma omp parallel for schedule(static) if (x.size() > 16384)
  for (Index r = 0; r < rows; ++r) {
    const ConstRowMap<S> row(x.data() + r * cols, cols);
    const ConstRowMap<S> d_row(dy.data() + r * cols, cols);
    const S s = inverse_rms<S>(row, eps);
    const S projection =
        row.cwiseProduct(gain).cwiseProduct(d_row).sum() * s * s / S(static_cast<Real<S>>(cols));
    RowMap<S>(dx.data() + r * cols, cols) += (gain.cwiseProduct(d_row) - row * projection) * s;
    scale[r] = s;
  }
  // Columns in parallel, rows in order: the sum does not depend on the number of threads.
  constexpr Index width = 64;
#pragma omp parallel for schedule(static) if (x.size() > 16384)
  for (Index c = 0; c < cols; c += width) {
    const Index n = std::min(width, cols - c);
    for (Index r = 0; r < rows; ++r) {
      d_gain.segment(c, n) += x.row(r).segment(c, n).cwiseProduct(dy.row(r).segment(c, n)) * scale[r];
    }
  }
}

}  // namespace photon::reference
