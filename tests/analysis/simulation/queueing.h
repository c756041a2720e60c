// SPDX-License-Identifier: Apache-2.0
// A server of queueing theory in place of a model: one request at a time, its service time drawn or
// fixed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "analysis/simulation/fleet.h"

namespace photon::testing {

/// Every request is one decode step of `service(number of the step)` seconds and holds one byte.
class QueueCosts final : public analysis::simulation::StepCosts {
 public:
  explicit QueueCosts(std::function<double(uint64_t)> service) : service_(std::move(service)) {}

  analysis::simulation::ServicePlan plan(const analysis::simulation::Request&) const override {
    analysis::simulation::ServicePlan plan;
    plan.decode_steps = 1;
    plan.held_bytes = plan.prefill_bytes = 1.0;
    return plan;
  }
  double step_seconds(std::span<const analysis::simulation::PrefillPiece>,
                      std::span<const analysis::simulation::DecodeRow>) override {
    return service_(steps_++);
  }

 private:
  std::function<double(uint64_t)> service_;
  uint64_t steps_ = 0;
};

/// One request in service, the others wait.
inline analysis::simulation::FleetConfig single_server(int64_t replicas = 1) {
  analysis::simulation::FleetConfig config;
  config.replicas = replicas;
  config.replica.room_bytes = 1.0;
  return config;
}

}  // namespace photon::testing
