// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/words.h"

#include <fmt/format.h>

namespace photon::app {
namespace {

std::string phase_outcome(const ResultRow& row, const std::string& name) {
  const auto rate = row.number(name + "_tokens_per_s");
  const auto fraction = row.number(name + "_serial_fraction");
  if (!rate || !fraction) return fmt::format("{} none", name);
  return fmt::format("{} {:.4g} tok/s ({}, {:.0f} % of the serial floor's speed{})", name, *rate,
                     row.text(name + "_bound"), *fraction * 100.0,
                     *fraction > 1.0
                         ? ": weights came from a cache, or the ceilings were measured on a busier machine"
                         : "");
}

}  // namespace

void say(const std::string& line) {
  fmt::print(stderr, "{}\n", line);
}

void print_ceilings(DType dtype, const Ceilings& c) {
  say(fmt::format(
      "ceilings, {}: read {:.1f} GB/s, copy {:.1f} GB/s, last-level cache {}, matrix product {:.1f} GFLOP/s"
      "{}; median up to {:.0f} % below these",
      to_string(dtype), c.read_bandwidth / 1e9, c.copy_bandwidth / 1e9,
      c.cache_bytes > 0
          ? fmt::format("{:.1f} GB/s up to {} MiB", c.cache_bandwidth / 1e9, c.cache_bytes >> 20)
          : "not told apart",
      c.matrix_rate / 1e9,
      c.launch_seconds > 0.0 ? fmt::format(", launch {:.2f} us", c.launch_seconds * 1e6) : "",
      c.spread * 100.0));
}

std::string outcome(const ResultRow& row, const bench::Runner& runner) {
  const auto spread = row.number("spread");
  return fmt::format("{}, {}; {} samples, spread {}, stop: {}{}", phase_outcome(row, "prefill"),
                     phase_outcome(row, "decode"), row.text("samples"),
                     spread ? fmt::format("{:.0f} %", *spread * 100.0) : "unknown", row.text("stop"),
                     bench::dropped_text(static_cast<int64_t>(row.number("samples_dropped").value_or(0.0)),
                                         runner.held_back_by()));
}

}  // namespace photon::app
