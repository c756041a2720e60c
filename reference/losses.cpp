// SPDX-License-Identifier: Apache-2.0
#include "reference/losses.h"

namespace photon::reference {

template <class S>
Wide<S> HeadLoss<S>::operator()(const Matrix<S>& x, const MatrixMap<S>& head,
                                std::span<const int32_t> targets, S factor, Matrix<S>* d_x,
                                MatrixMap<S>* d_head) {
  using std::log;
  Wide<S> total(0);
  row_loss_.resize(block);
  for (Index r0 = 0; r0 < x.rows(); r0 += block) {
    const Index rows = std::min(block, x.rows() - r0);
    logits_.resize(rows, head.rows());
    linear<S>(x.middleRows(r0, rows), head, logits_);
#pragma omp parallel for schedule(static) if (logits_.size() > 16384)
    for (Index r = 0; r < rows; ++r) {
      const int32_t target = targets[r0 + r];
      auto row = logits_.row(r);
      if (target < 0) {
        row.setZero();
        row_loss_[r] = S(0);
        continue;
      }
      const Real<S> high = row.real().maxCoeff();
      const S target_logit = row[target] - S(high);
      row.array() = (row.array() - S(high)).exp();
      const S sum = row.sum();
      row_loss_[r] = log(sum) - target_logit;
      row *= factor / sum;
      row[target] -= factor;
    }
    for (Index r = 0; r < rows; ++r) total += Wide<S>(row_loss_[r]);
    if (d_x != nullptr) {
      linear_input_gradient<S>(logits_, head, d_x->middleRows(r0, rows), true);
      linear_weight_gradient<S>(logits_, x.middleRows(r0, rows), *d_head);
    }
  }
  return total;
}

template class HeadLoss<float>;
template class HeadLoss<double>;
template class HeadLoss<std::complex<double>>;

}  // namespace photon::reference
