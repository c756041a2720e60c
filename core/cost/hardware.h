// SPDX-License-Identifier: Apache-2.0
// A machine on disk (configs/hardware/*.toml): what its data sheet promises, what others report of it and
// what photon measured on it, for floors without the machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cost/ceilings.h"
#include "core/model/dtype.h"

namespace photon {

struct Hardware {
  /// Zero where the file does not say.
  struct Rates {
    double bandwidth = 0.0;      ///< bytes/s
    double bfloat16_rate = 0.0;  ///< FLOP/s, dense
    double float32_rate = 0.0;
    double float64_rate = 0.0;
    double cache_bandwidth = 0.0;  ///< bytes/s, last level
    double launch_seconds = 0.0;   ///< one kernel inside a graph
  };

  std::string name;
  int64_t memory_bytes = 0;
  int64_t cache_bytes = 0;
  std::optional<double> power_watts;     ///< of the board under load, data sheet
  std::optional<double> price_per_hour;  ///< of renting it, in US dollars
  Rates data_sheet;
  Rates reported;               ///< measured by others
  std::string reported_source;  ///< by whom, where, how; never empty where anything is reported
  Rates measured;               ///< by photon (`photon bench ceilings --out`)

  /// Each rate as measured, else as reported, else as the data sheet has it; the data sheet's alone if so
  /// asked. Throws Error where a needed rate stands nowhere.
  Ceilings ceilings(DType dtype, bool data_sheet_only = false) const;

  /// Where each of these ceilings comes from: "measured", "reported", "data sheet"; empty: it is not known.
  struct Origins {
    std::string_view bandwidth;
    std::string_view matrix_rate;
    std::string_view launch;
  };
  Origins origins(DType dtype, bool data_sheet_only = false) const;
};

/// Throws Error as every config does.
Hardware load_hardware(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
std::string to_toml(const Hardware& hardware);

}  // namespace photon
