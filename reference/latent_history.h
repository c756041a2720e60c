// SPDX-License-Identifier: Apache-2.0
// The last K latents of one level of every row, oldest first, with the start latent where there is none yet:
// what converter l reads while text is generated.
#pragma once

#include "reference/types.h"

namespace photon::reference {

template <class S>
class LatentHistory {
 public:
  void reset(Index rows, Index context, const RowMap<S>& start) {
    width_ = start.size();
    latents_.resize(rows, context * width_);
    for (Index k = 0; k < context; ++k) latents_.middleCols(k * width_, width_).rowwise() = start;
  }

  /// (K · D) of one row.
  auto row(Index r) const { return latents_.row(r); }

  template <class Latent>
  void append(Index r, const Latent& latent) {
    const Index kept = latents_.cols() - width_;
    for (Index i = 0; i < kept; ++i) latents_(r, i) = latents_(r, i + width_);
    latents_.row(r).tail(width_) = latent;
  }

 private:
  Index width_ = 0;
  Matrix<S> latents_;
};

}  // namespace photon::reference
