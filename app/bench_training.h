// SPDX-License-Identifier: Apache-2.0
// photon bench --training: training steps beside the matrix rate.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/sampling.h"
#include "core/backend/backend.h"

namespace photon {

struct BenchTraining {
  std::vector<std::string> models;
  std::vector<std::string> overrides;
  std::string device;
  std::string format;             ///< md, csv or jsonl
  std::filesystem::path out;      ///< CSV that rows are added to; may be empty
  std::filesystem::path profile;  ///< launches of one step each go here, instead of measuring; may be empty
  std::vector<int64_t> batches;   ///< sweep_max: the largest that fits
  int64_t length = 0;
  Recompute recompute = Recompute::none;
  uint64_t seed = 0;
  bench::SamplingRule rule;
};

void bench_training(const BenchTraining& request);

}  // namespace photon
