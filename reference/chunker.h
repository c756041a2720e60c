// SPDX-License-Identifier: Apache-2.0
// Chunk_l (section 2): the C_l units of a chunk side by side; from level 2 on normalised and projected to the
// width of encoder l.
#pragma once

#include "reference/layer.h"
#include "reference/weights.h"

namespace photon::reference {

/// A^(l) (n, D_l) from X^(l-1) (n · chunk, D_{l-1}). The units of a chunk are adjacent rows, so putting them
/// side by side is a change of extents. `normed` (n, chunk · D_{l-1}) is what the projection takes; level 1,
/// which has no weights, leaves it alone.
template <class S>
void chunk_units(const ChunkerWeights<S>& w, double eps, const Matrix<S>& below, Index chunk,
                 Matrix<S>& normed, Matrix<S>& out) {
  const auto chunks = reshaped(below, below.rows() / chunk, below.cols() * chunk);
  if (w.proj.size() == 0) {
    out = chunks;
    return;
  }
  const Matrix<S> input = chunks;
  rms_norm<S>(input, w.norm, eps, normed);
  affine<S>(normed, w.proj, w.bias, out);
}

}  // namespace photon::reference
