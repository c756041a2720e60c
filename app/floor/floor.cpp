// SPDX-License-Identifier: Apache-2.0
// photon floor: the analytic model by itself.
#include "app/command.h"
#include "app/floor/alternatives.h"
#include "app/floor/crossings.h"
#include "app/floor/paper.h"
#include "app/floor/request.h"
#include "app/floor/training.h"

namespace photon::app {
namespace {

void setup(CommandLine& app) {
  CommandLine floor = app.add_subcommand(
      "floor",
      "Lower bounds on the bytes, FLOPs and time of a request or a training step, from the model alone");
  floor.words_may_stand_alone();
  add_floor_request(floor);
  add_floor_request(floor.add_subcommand("request", "One request: prefill and decoding (the default)"));
  add_floor_training(floor.add_subcommand("training", "A training step: time by op, launches and memory"));
  add_floor_crossings(floor.add_subcommand(
      "crossings",
      "Batches and contexts at which KV traffic overtakes weights and arithmetic overtakes bytes"));
  add_floor_alternatives(floor.add_subcommand(
      "alternatives", "Caches of other attentions and hierarchies of a vanilla model's size"));
  add_floor_paper(floor.add_subcommand("paper", "The paper's tables beside the floors of its nine models"));
}

const RegisterCommand registered{60, setup};

}  // namespace
}  // namespace photon::app
