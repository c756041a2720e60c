// SPDX-License-Identifier: Apache-2.0
// The losses of the design's section 2: cross-entropy at the head, and the distances that L_rec and L_context
// take between two streams.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/backend/trainable_model.h"
#include "reference/linear.h"
#include "reference/types.h"
#include "reference/weights.h"

namespace photon::reference {

/// Sums over many rows are kept in double where the model is float.
template <class S>
struct WideOf {
  using type = S;
};
template <>
struct WideOf<float> {
  using type = double;
};
template <class S>
using Wide = typename WideOf<S>::type;

/// d(a, b) of two rows and, where da is given, its gradient times `factor` added to da (and db).
template <class S>
S distance(Distance kind, const ConstRowMap<S>& a, const ConstRowMap<S>& b, S factor, S* da, S* db) {
  using std::sqrt;
  const Index n = a.size();
  const auto width = S(static_cast<Real<S>>(n));
  if (kind == Distance::squared) {
    if (da != nullptr) RowMap<S>(da, n) += (a - b) * (S(2) * factor / width);
    if (db != nullptr) RowMap<S>(db, n) += (b - a) * (S(2) * factor / width);
    return (a - b).cwiseProduct(a - b).sum() / width;
  }
  // The norms are held at 1e-8 from below, and carry no gradient there.
  const auto floor = static_cast<Real<S>>(1e-8);
  const S raw_a = sqrt(a.cwiseProduct(a).sum());
  const S raw_b = sqrt(b.cwiseProduct(b).sum());
  const bool held_a = real_part(raw_a) <= floor;
  const bool held_b = real_part(raw_b) <= floor;
  const S norm_a = held_a ? S(floor) : raw_a;
  const S norm_b = held_b ? S(floor) : raw_b;
  const S cosine = a.cwiseProduct(b).sum() / (norm_a * norm_b);
  if (da != nullptr) {
    RowMap<S>(da, n) -= b * (factor / (norm_a * norm_b));
    if (!held_a) RowMap<S>(da, n) += a * (factor * cosine / (norm_a * norm_a));
  }
  if (db != nullptr) {
    RowMap<S>(db, n) -= a * (factor / (norm_a * norm_b));
    if (!held_b) RowMap<S>(db, n) += b * (factor * cosine / (norm_b * norm_b));
  }
  return S(1) - cosine;
}

/// Cross-entropy of logits = x head^T against targets[r] (-1: no target), summed over the rows. With d_x
/// given, adds factor · gradient to d_x and d_head. Logits exist for a block of rows at a time.
template <class S>
class HeadLoss {
 public:
  Wide<S> operator()(const Matrix<S>& x, const MatrixMap<S>& head, std::span<const int32_t> targets, S factor,
                     Matrix<S>* d_x, MatrixMap<S>* d_head);

 private:
  static constexpr Index block = 512;
  Matrix<S> logits_;
  std::vector<S> row_loss_;
};

}  // namespace photon::reference
