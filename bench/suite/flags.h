// SPDX-License-Identifier: Apache-2.0
// The flags that the Google Benchmark executables have beside the library's own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/backend/backend.h"

namespace photon::bench {

struct SuiteFlags {
  std::vector<std::string> models;  ///< --models=MODEL,..., names or files: the tiny models unless given
  std::string device = "cpu";       ///< --device=cpu, cuda, emulated
  std::optional<DType> dtype;       ///< --dtype=; unset: the device's own
  std::vector<int64_t> batches;     ///< --batches=1,8,16-64*2,max
  std::vector<int64_t> contexts;    ///< --contexts=128,512,1024-8192*2
  uint64_t seed = 1;                ///< --seed=, of weights and prompts
  std::filesystem::path results;    ///< --results=FILE.csv, rows of the results schema; empty: none
  std::filesystem::path rates;      ///< --rates=FILE.csv, of kernels: kept, or what rows are predicted from
};

/// What --help says of them, before the library's.
std::string suite_help(const std::string& program);

/// Takes own flags out of argv and leaves the others. Throws UsageError on values that are none.
SuiteFlags take_flags(int& argc, char** argv);

}  // namespace photon::bench
