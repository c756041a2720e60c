// SPDX-License-Identifier: Apache-2.0
// photon floor --rates: the time that one machine's rates of kernels predict for a request, beside its floor.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/backend/backend.h"
#include "core/cost/kernel_rates.h"

namespace photon::app {

struct FloorPrediction {
  std::string machine;                ///< whose rates: device, back end, element type, commit
  std::optional<PredictedTime> time;  ///< seconds
  std::string missing;                ///< where there is no time: why, in a sentence
};

/// Of several rates of one kernel the last in the file counts. Throws Error on a file of several machines or
/// of none, UsageError where its element type is not `dtype`.
FloorPrediction floor_prediction(const ModelSpec& spec, const Workload& workload, DType dtype,
                                 const std::filesystem::path& rates);

}  // namespace photon::app
