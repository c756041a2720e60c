// SPDX-License-Identifier: Apache-2.0
#include "core/model/generation.h"

#include <fmt/format.h>

#include "core/base/error.h"

namespace photon {

std::string_view to_string(Generation generation) {
  return generation == Generation::hiergen ? "hiergen" : "recgen";
}

std::string_view to_string(Schedule schedule) {
  return schedule == Schedule::streamed ? "streamed" : "unrolled";
}

Generation parse_generation(std::string_view name) {
  if (name == "hiergen") return Generation::hiergen;
  if (name == "recgen") return Generation::recgen;
  throw UsageError(fmt::format("no generation '{}'; there is: hiergen, recgen", name));
}

Schedule parse_schedule(std::string_view name) {
  if (name == "streamed") return Schedule::streamed;
  if (name == "unrolled") return Schedule::unrolled;
  throw UsageError(fmt::format("no schedule '{}'; there is: streamed, unrolled", name));
}

}  // namespace photon
