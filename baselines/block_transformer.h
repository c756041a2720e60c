// SPDX-License-Identifier: Apache-2.0
// The Block Transformer baseline (Ho et al. 2024; PHOTON, section 3, tables 5, 8, 11): a block decoder over
// blocks of b tokens and a token decoder within a block, L = 1, one width D. Its numbers here are closed
// forms derived by hand from the architecture, to be compared with core/cost, never to call it.
//
// With kv width E = D · kv_heads / heads, hidden width F, vocabulary V, n block layers, k token layers and R
// prefix vectors a block:
//   matrices of a layer        W = 2 D·D + 2 D·E + 3 D·F
//   parameters                 V·D/b block embedder + n (W + 2 D) + D block decoder + R·D·D + R·D converter
//                              + V·D token embedding + k (W + 2 D) + D token decoder + V·D head
// The block embedder concatenates b embeddings: no FLOPs. A prompt of P tokens holds p = floor(P / b) whole
// blocks; the token decoder never sees them. The answer takes a = ceil((P mod b + N) / b) blocks, the
// prompt's rest being forced through the first. One block, for each row:
//   converter once             2 R D² FLOPs
//   token decoder              b forwards, the first of R rows, b - 1 of one: w = R + b - 1 rows, each seeing
//                              itself and those before it: w (w+1) / 2 keys in each of k layers
//   head                       b rows, with each of those forwards
//   block decoder              one row: block i (from 0) of the answer reads p + i rows, writes one, sees
//                              p + i + 1 keys in each of n layers
// and the weights read are R D² + b (k W + V D) + n W, whatever the batch. Summed over the answer, a p +
// a (a-1) / 2 rows are read and a more keys than that are seen. The cache ends with floor((P + N) / b)
// blocks.
#pragma once

#include <cstdint>
#include <string>

#include "baselines/request_totals.h"
#include "core/model/model_spec.h"

namespace photon::baselines {

struct BlockTransformerSize {
  int64_t width = 0;
  int64_t ffn = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t block_layers = 0;
  int64_t token_layers = 0;
  int64_t vocab = 0;
  int64_t chunk = 0;   ///< b, tokens in a block
  int64_t prefix = 0;  ///< R, vectors that the converter makes of a block
};

/// Throws Error if the sizes make no model.
ModelSpec block_transformer_spec(const BlockTransformerSize& size, const std::string& name);

int64_t parameters(const BlockTransformerSize& size);
/// Bytes of the block decoder's cache of one row at the end of the request.
double kv_bytes_ideal(const BlockTransformerSize& size, const Request& request);
RequestTotals request_totals(const BlockTransformerSize& size, const Request& request);
/// Of one sequence, teacher-forced; whole blocks.
double forward_flops(const BlockTransformerSize& size, int64_t tokens);

}  // namespace photon::baselines
