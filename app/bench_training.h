// photon bench --training: training steps beside the matrix rate.
#pragma once

#include <string>
#include <vector>

#include "bench/sampling.h"

namespace photon {

struct BenchTraining {
  std::vector<std::string> models;
  std::vector<std::string> overrides;
  std::string device;
  std::string format;  ///< md or jsonl
  std::vector<int64_t> batches;
  int64_t length = 0;
  uint64_t seed = 0;
  bench::SamplingRule rule;
};

void bench_training(const BenchTraining& request);

}  // namespace photon
