// `photon bench --preset`: a list of cases with targets, measured and judged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace photon {

struct AcceptanceOptions {
  std::string preset;
  std::vector<std::string> models;  ///< each takes the place of all the preset's of its architecture
  std::string device;               ///< empty: the preset's
  std::filesystem::path out;        ///< CSV; empty: the preset's name, here
  uint64_t seed = 1;
};

/// Compares the back end with the reference, measures every target, prints the table and adds the rows to the
/// file. Throws Error if they disagree, before anything is measured, and if a target was missed, after all.
void bench_acceptance(const AcceptanceOptions& options);

}  // namespace photon
