// SPDX-License-Identifier: Apache-2.0
#include "app/device_report.h"

#include <fmt/format.h>

namespace photon::app {

DType dtype_for(const Backend& backend, const std::string& name) {
  return name.empty() ? backend.own_dtype() : parse_dtype(name);
}

void print_plan(const MemoryPlan& plan) {
  const auto gib = [](int64_t bytes) { return static_cast<double>(bytes) / 0x1p30; };
  if (plan.total() == 0) return;
  fmt::print(
      stderr,
      "memory: weights {:.3f} GiB, caches {:.3f}, local caches {:.3f}, workspace {:.3f}: {:.3f} of {:.2f} "
      "GiB\n",
      gib(plan.weights), gib(plan.caches), gib(plan.local_caches), gib(plan.workspace), gib(plan.total()),
      gib(plan.available));
}

void print_kernels(const Backend& backend) {
  const auto lines = backend.kernels_run();
  if (lines.empty()) return;
  fmt::print(stderr, "{}: launches by the host (replays of a graph are not counted)\n",
             backend.device_name());
  for (const std::string& line : lines) fmt::print(stderr, "  {}\n", line);
}

}  // namespace photon::app
