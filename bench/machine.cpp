// SPDX-License-Identifier: Apache-2.0
#include "bench/machine.h"

#include <algorithm>

namespace photon::bench {

Hardware measure_machine(Backend& backend, const std::function<void(DType, const Ceilings&)>& tell) {
  Hardware out;
  out.name = backend.device_name();
  out.memory_bytes = backend.memory_bytes();
  for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
    const Ceilings c = backend.measure_ceilings(dtype);
    tell(dtype, c);
    Hardware::Rates& r = out.measured;
    (dtype == DType::float32   ? r.float32_rate
     : dtype == DType::float64 ? r.float64_rate
                               : r.bfloat16_rate) = c.matrix_rate;
    r.bandwidth = std::max(r.bandwidth, c.bandwidth);
    r.cache_bandwidth = std::max(r.cache_bandwidth, c.cache_bandwidth);
    r.launch_seconds = std::max(r.launch_seconds, c.launch_seconds);
    out.cache_bytes = std::max(out.cache_bytes, c.cache_bytes);
  }
  return out;
}

}  // namespace photon::bench
