// SPDX-License-Identifier: Apache-2.0
// The head: log softmax of its logits, in double.
#pragma once

#include <cmath>

#include "reference/linear.h"

namespace photon::reference {

/// states (n, D), head (V, D): logits (n, V) and log probabilities (n, V), both sized here.
template <class S>
void head_log_probs(const Matrix<S>& states, const MatrixMap<S>& head, Matrix<S>& logits,
                    AlignedVector<double>& log_probs) {
  logits.resize(states.rows(), head.rows());
  linear<S>(states, head, logits);
  log_probs.resize(static_cast<size_t>(logits.size()));
#pragma omp parallel for schedule(static) if (logits.size() > 4096)
  for (Index r = 0; r < logits.rows(); ++r) {
    Eigen::Map<Eigen::ArrayXd> out(log_probs.data() + r * logits.cols(), logits.cols());
    out = logits.row(r).transpose().template cast<double>();
    const double high = out.maxCoeff();
    out -= high + std::log((out - high).exp().sum());
  }
}

}  // namespace photon::reference
