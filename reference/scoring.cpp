// SPDX-License-Identifier: Apache-2.0
#include "reference/scoring.h"

#include <cmath>

namespace photon::reference {
namespace {

constexpr Index block = 512;

TokenBatch padded(const TokenBatch& batch, int64_t multiple) {
  TokenBatch out{batch.sequences, (batch.length + multiple - 1) / multiple * multiple, {}};
  out.ids.assign(out.sequences * out.length, 0);
  for (int64_t b = 0; b < batch.sequences; ++b) {
    const auto row = batch.sequence(b);
    std::copy(row.begin(), row.end(), out.ids.begin() + b * out.length);
  }
  return out;
}

}  // namespace

template <class S>
std::vector<double> token_log_probs(Model<S>& model, const TokenBatch& batch) {
  const TokenBatch whole = padded(batch, model.spec().meta_context());
  model.forward(whole);
  const Matrix<S>& states = model.xhat(0);
  const int64_t shift = model.spec().target_shift();
  std::vector<double> out(batch.ids.size(), 0.0);
  Matrix<S> logits;
  for (Index r0 = 0; r0 < states.rows(); r0 += block) {
    const Index rows = std::min(block, states.rows() - r0);
    logits.resize(rows, model.head().rows());
    linear<S>(states.middleRows(r0, rows), model.head(), logits);
#pragma omp parallel for schedule(static)
    for (Index r = 0; r < rows; ++r) {
      const int64_t sequence = (r0 + r) / whole.length;
      const int64_t position = (r0 + r) % whole.length + shift;
      if (position >= batch.length) continue;
      const auto row = logits.row(r);
      const double high = row.maxCoeff();
      double sum = 0.0;
      for (Index v = 0; v < row.size(); ++v) sum += std::exp(static_cast<double>(row[v]) - high);
      const auto at = static_cast<size_t>(sequence * batch.length + position);
      out[at] = static_cast<double>(row[batch.ids[at]]) - high - std::log(sum);
    }
  }
  return out;
}

template <class S>
Matrix<S> logits(const Model<S>& model) {
  Matrix<S> out(model.xhat(0).rows(), model.head().rows());
  linear<S>(model.xhat(0), model.head(), out);
  return out;
}

template std::vector<double> token_log_probs(Model<float>&, const TokenBatch&);
template std::vector<double> token_log_probs(Model<double>&, const TokenBatch&);
template Matrix<float> logits(const Model<float>&);
template Matrix<double> logits(const Model<double>&);

}  // namespace photon::reference
