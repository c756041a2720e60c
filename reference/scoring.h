// SPDX-License-Identifier: Apache-2.0
// Log-probabilities of a text under the teacher-forced model.
#pragma once

#include <vector>

#include "reference/model.h"

namespace photon::reference {

/// log p(token | earlier ones), (rows, length) in double. Rows whose length does not divide by the
/// meta-context are padded on the right and the padding dropped, which is exact because nothing looks ahead.
/// A vanilla model cannot predict the first token: 0 there.
template <class S>
std::vector<double> token_log_probs(Model<S>& model, const TokenBatch& batch);

/// logits (B, T, V); L >= 1: row i predicts token i, L = 0: token i + 1.
template <class S>
Matrix<S> logits(const Model<S>& model);

}  // namespace photon::reference
