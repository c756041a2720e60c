// SPDX-License-Identifier: Apache-2.0
// The vanilla baseline of the paper (section 3, tables 4, 7, 10): a LLaMA decoder, L = 0. Its numbers here
// are closed forms derived by hand from the architecture, to be compared with core/cost, never to call it.
//
// With width D, kv width E = D · kv_heads / heads, hidden width F, n layers, vocabulary V:
//   matrices of a layer        W = q D·D + k D·E + v D·E + o D·D + gate, up, down 3·D·F
//   parameters                 V·D embedding + n (W + 2 D gains) + D final gain + V·D head
//   one row of the stack       2 n W FLOPs; one row of the head 2 V D
//   a query over m keys        2 D m for the scores and 2 D m for the mix, in each layer: 4 D n m
// A prompt of P tokens sees 1 + 2 + ... + P = P (P+1) / 2 keys; the head runs for its last row. New token i
// (from 0) is fed at context P + i: it reads P + i cached rows, writes one and sees P + i + 1 keys. Over N of
// them that is N P + N (N-1) / 2 rows read and N P + N (N+1) / 2 keys. Every forward, the prefill too, reads
// the n W + V D matrix weights once whatever the batch.
#pragma once

#include <cstdint>
#include <string>

#include "baselines/request_totals.h"
#include "core/model/model_spec.h"

namespace photon::baselines {

struct VanillaSize {
  int64_t width = 0;
  int64_t ffn = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t layers = 0;
  int64_t vocab = 0;
};

/// Throws Error if the sizes make no model.
ModelSpec vanilla_spec(const VanillaSize& size, const std::string& name);

int64_t parameters(const VanillaSize& size);
/// Bytes of the cache of one row at the end of the request.
double kv_bytes_ideal(const VanillaSize& size, const Request& request);
RequestTotals request_totals(const VanillaSize& size, const Request& request);
/// Of one sequence, teacher-forced.
double forward_flops(const VanillaSize& size, int64_t tokens);

}  // namespace photon::baselines
