// SPDX-License-Identifier: Apache-2.0
// y = x W^T and its two gradients, in as few and as large matrix products as possible. A handful of rows
// reads every weight once for all of them, split over the threads: at that shape the product is bound by
// memory, and a BLAS that uses one thread or packs the matrix first would halve it.
#pragma once

#include "reference/types.h"

namespace photon::reference {

/// Rows up to which a product is a pass over the weights instead of a matrix product.
inline constexpr Index few_rows = 8;

template <class S>
void few_rows_product(const S* x, Index rows, const S* w, Index out, Index in, S* y, Index y_stride,
                      bool add) {
#pragma omp parallel for schedule(static) if (out * in > 32768)
  for (Index o = 0; o < out; ++o) {
    const ConstRowMap<S> weight(w + o * in, in);
    for (Index r = 0; r < rows; ++r) {
      const S value = weight.cwiseProduct(ConstRowMap<S>(x + r * in, in)).sum();
      S& target = y[r * y_stride + o];
      target = add ? target + value : value;
    }
  }
}

/// y (n, out) = x (n, in) W^T, W (out, in); `add` accumulates.
template <class S>
void linear(const Eigen::Ref<const Matrix<S>>& x, const MatrixMap<S>& w, Eigen::Ref<Matrix<S>> y,
            bool add = false) {
  if (x.rows() <= few_rows && x.outerStride() == x.cols()) {
    few_rows_product(x.data(), x.rows(), w.data(), w.rows(), w.cols(), y.data(), y.outerStride(), add);
  } else if (add) {
    y.noalias() += x * w.transpose();
  } else {
    y.noalias() = x * w.transpose();
  }
}

/// y (n, out) = x (n, in) W^T + bias (out), y sized here.
template <class S>
void affine(const Matrix<S>& x, const MatrixMap<S>& w, const RowMap<S>& bias, Matrix<S>& y) {
  y.resize(x.rows(), w.rows());
  linear<S>(x, w, y);
  y.rowwise() += bias;
}

/// dx (n, in) (+)= dy (n, out) W.
template <class S>
void linear_input_gradient(const Eigen::Ref<const Matrix<S>>& dy, const MatrixMap<S>& w,
                           Eigen::Ref<Matrix<S>> dx, bool add = false) {
  if (add) {
    dx.noalias() += dy * w;
  } else {
    dx.noalias() = dy * w;
  }
}

/// dW (out, in) += dy^T x.
template <class S>
void linear_weight_gradient(const Eigen::Ref<const Matrix<S>>& dy, const Eigen::Ref<const Matrix<S>>& x,
                            MatrixMap<S>& dw) {
  dw.noalias() += dy.transpose() * x;
}

}  // namespace photon::reference
