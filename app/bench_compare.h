// photon bench compare: whether one results file is faster than another, case by case.
#pragma once

#include <CLI/CLI.hpp>

namespace photon {

/// Adds the subcommand to `photon bench`.
void add_bench_compare(CLI::App& bench);

}  // namespace photon
