// SPDX-License-Identifier: Apache-2.0
// What a baseline's closed forms say of one request: the numbers of design section 4 that are sums over a
// whole batch.
#pragma once

#include <cstdint>

namespace photon::baselines {

/// P tokens in, N out, for each of `batch` rows; one size for the elements of weights and caches.
struct Request {
  int64_t prompt = 0;
  int64_t new_tokens = 0;
  int64_t batch = 1;
  int64_t element_bytes = 2;
};

/// Rows are rows of K and V (one of each is one row), summed over layers and sequences.
struct RequestTotals {
  double prefill_flops = 0.0;
  double prefill_weight_bytes = 0.0;
  int64_t prefill_rows_written = 0;
  double decode_flops = 0.0;
  double decode_weight_bytes = 0.0;
  int64_t decode_rows_read = 0;
  int64_t decode_rows_written = 0;
};

}  // namespace photon::baselines
