// SPDX-License-Identifier: Apache-2.0
// What decoder l is conditioned on: for every chunk g of level l the K latents ending at the conditioning
// one, oldest first, the start latent where there is none (K = converter_context, the paper's converter has K
// = 1).
#pragma once

#include "reference/types.h"

namespace photon::reference {

/// Where chunk g's k-th conditioning latent (k = 0 oldest) lies in the stream; negative is the start latent.
struct ConditioningWindow {
  Index context = 1;      ///< K
  bool previous = false;  ///< the newest is latent g-1 instead of g

  Index source(Index g, Index k) const { return g - (previous ? 1 : 0) - (context - 1) + k; }
};

/// (sequences · chunks, K · D): the last `chunks` of a sequence's `units` chunks, from the last latents of
/// each sequence (sequences · held, D), which reach back as far as the window asks for, and start (D).
template <class S>
void gather_conditioning(const ConditioningWindow& window, const Matrix<S>& latents, const RowMap<S>& start,
                         Index sequences, Index units, Index chunks, Matrix<S>& out) {
  const Index held = latents.rows() / sequences;
  const Index width = latents.cols();
  out.resize(sequences * chunks, window.context * width);
  for (Index i = 0; i < sequences; ++i) {
    for (Index g = 0; g < chunks; ++g) {
      for (Index k = 0; k < window.context; ++k) {
        const Index source = window.source(units - chunks + g, k);
        auto target = out.row(i * chunks + g).segment(k * width, width);
        if (source < 0) {
          target = start;
        } else {
          target = latents.row((i + 1) * held - units + source);
        }
      }
    }
  }
}

/// The transpose: adds d_out to d_latents and d_start.
template <class S>
void scatter_conditioning(const ConditioningWindow& window, const Matrix<S>& d_out, Index sequences,
                          Matrix<S>& d_latents, RowMap<S>& d_start) {
  const Index chunks = d_latents.rows() / sequences;
  const Index width = d_latents.cols();
  for (Index i = 0; i < sequences; ++i) {
    for (Index g = 0; g < chunks; ++g) {
      for (Index k = 0; k < window.context; ++k) {
        const Index source = window.source(g, k);
        const auto d = d_out.row(i * chunks + g).segment(k * width, width);
        if (source < 0) {
          d_start += d;
        } else {
          d_latents.row(i * chunks + source) += d;
        }
      }
    }
  }
}

}  // namespace photon::reference
