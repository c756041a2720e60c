// SPDX-License-Identifier: Apache-2.0
// What the tests of capacity and of floors simulate: the 600M models on an H200.
#pragma once

#include <string>

#include "analysis/simulation/study.h"
#include "core/base/paths.h"
#include "core/cost/hardware.h"
#include "core/model/model_config.h"

namespace photon::testing {

struct Subject {
  const char* model;
  Generation generation;
};
inline constexpr Subject subjects[] = {{"vanilla-600m", Generation::hiergen},
                                       {"block-600m", Generation::hiergen},
                                       {"photon-600m", Generation::hiergen},
                                       {"photon-600m", Generation::recgen}};

/// One H200 whose launches cost nothing, everything at once.
inline analysis::simulation::Study study_of(const Subject& subject) {
  const auto configs = share_folder() / "configs";
  analysis::simulation::Study s;
  s.service.spec = load_model_spec(configs / "models" / (std::string(subject.model) + ".toml"));
  s.service.generation = subject.generation;
  s.hardware = load_hardware(configs / "hardware" / "h200.toml");
  for (Hardware::Rates* rates : {&s.hardware.data_sheet, &s.hardware.reported, &s.hardware.measured})
    rates->launch_seconds = 0.0;
  s.load.arrivals = {.kind = analysis::simulation::ArrivalLaw::Kind::at_once};
  s.load.seed = 1;
  return s;
}

}  // namespace photon::testing
