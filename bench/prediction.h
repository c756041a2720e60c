// What the analytic model says of a case before anything is measured (design, section 4): the columns of a row that
// need no clock.
#pragma once

#include <cstdint>
#include <string_view>

#include "bench/case.h"
#include "core/backend.h"

namespace photon::bench {

enum class Bound { bandwidth, compute, launch };
std::string_view to_string(Bound bound);

/// Prefill or decode of the whole batch and request.
struct PhasePrediction {
  double weight_bytes = 0.0;
  double kv_bytes = 0.0;      ///< read and written
  double other_bytes = 0.0;   ///< in no floor
  double flops = 0.0;
  double launches = 0.0;
  double floor_seconds = 0.0;   ///< perfect overlap
  double serial_seconds = 0.0;  ///< perfect kernels, one after another
};

struct Prediction {
  PhasePrediction prefill;
  PhasePrediction decode;
  double kv_bytes_ideal_per_sample = 0.0;
  double weights_bytes = 0.0;
};

/// Which of the three takes longest alone: bytes at the measured bandwidth, FLOPs at the measured matrix rate, or
/// the launches. A tie goes to the one named first.
Bound bound_of(const PhasePrediction& phase, const Ceilings& ceilings);

Prediction predict(const Case& c, const Ceilings& ceilings);

/// Rows that fit into `memory_bytes` by plan, a multiple of the samples per prompt; 0 if not even one prompt fits.
int64_t largest_batch(const Case& c, int64_t memory_bytes);

}  // namespace photon::bench
