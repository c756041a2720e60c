// SPDX-License-Identifier: Apache-2.0
#include "app/floor/ceilings.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace photon::app {
namespace {

std::string notes(const FloorCeilings& c, const Hardware::Origins& from) {
  const auto is = [&](std::string_view origin) {
    return from.bandwidth == origin || from.matrix_rate == origin || from.launch == origin;
  };
  std::string out;
  if (is("reported"))
    out += fmt::format("\nreported: {}; not measured by photon", c.hardware.reported_source);
  if (!c.data_sheet && (from.bandwidth == "data sheet" || from.matrix_rate == "data sheet")) {
    out += fmt::format(
        "\ndata sheet: no machine quite reaches it, and of {} nothing else is known; beside a machine of "
        "which more "
        "is, take --ceilings datasheet for both",
        c.hardware.name);
  }
  return out;
}

}  // namespace

std::string describe(const FloorCeilings& c) {
  const Ceilings values = c.values();
  const Hardware::Origins from = c.hardware.origins(c.dtype, c.data_sheet);
  const std::string launch =
      from.launch.empty() ? "a launch's cost is not known"
                          : fmt::format("{:.3g} us a launch ({})", values.launch_seconds * 1e6, from.launch);
  return fmt::format("{:.4g} GB/s ({}), {:.4g} TFLOP/s ({}), {}{}", values.bandwidth / 1e9, from.bandwidth,
                     values.matrix_rate / 1e12, from.matrix_rate, launch, notes(c, from));
}

nlohmann::ordered_json to_json(const FloorCeilings& c) {
  const Ceilings values = c.values();
  const Hardware::Origins from = c.hardware.origins(c.dtype, c.data_sheet);
  const bool launch = !from.launch.empty();
  nlohmann::ordered_json json = {{"bandwidth_bytes_per_s", values.bandwidth},
                                 {"matrix_flops_per_s", values.matrix_rate},
                                 {"launch_seconds", nullptr},
                                 {"bandwidth_from", from.bandwidth},
                                 {"matrix_rate_from", from.matrix_rate},
                                 {"launch_from", nullptr},
                                 {"reported_by", c.hardware.reported_source}};
  if (launch) {
    json["launch_seconds"] = values.launch_seconds;
    json["launch_from"] = from.launch;
  }
  return json;
}

}  // namespace photon::app
