// SPDX-License-Identifier: Apache-2.0
// SwiGLU (Shazeer 2020): silu(gate) ∘ up, with gate and up side by side in one row.
#pragma once

#include "reference/types.h"

namespace photon::reference {

/// hidden (n, F) from gate_up (n, 2 F).
template <class S>
void swiglu(const Matrix<S>& gate_up, Matrix<S>& hidden) {
  const Index f = gate_up.cols() / 2;
  hidden.resize(gate_up.rows(), f);
#pragma omp parallel for schedule(static) if (hidden.size() > 4096)
  for (Index r = 0; r < gate_up.rows(); ++r) {
    const auto gate = gate_up.row(r).head(f).array();
    const auto up = gate_up.row(r).tail(f).array();
    hidden.row(r).array() = gate / (S(1) + (-gate).exp()) * up;
  }
}

/// d_gate_up (n, 2 F) from d_hidden (n, F).
template <class S>
void swiglu_backward(const Matrix<S>& gate_up, const Matrix<S>& d_hidden, Matrix<S>& d_gate_up) {
  const Index f = gate_up.cols() / 2;
  d_gate_up.resize(gate_up.rows(), gate_up.cols());
#pragma omp parallel for schedule(static) if (d_hidden.size() > 4096)
  for (Index r = 0; r < gate_up.rows(); ++r) {
    const auto gate = gate_up.row(r).head(f).array();
    const auto up = gate_up.row(r).tail(f).array();
    const auto d = d_hidden.row(r).array();
    auto d_gate = d_gate_up.row(r).head(f).array();
    auto d_up = d_gate_up.row(r).tail(f).array();
    // The sigmoid rests in d_up until both have been formed: no temporary row.
    d_up = S(1) / (S(1) + (-gate).exp());
    d_gate = d * up * d_up * (S(1) + gate * (S(1) - d_up));
    d_up = d * gate * d_up;
  }
}

}  // namespace photon::reference
