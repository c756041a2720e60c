// SPDX-License-Identifier: Apache-2.0
// What one replica does at most for ever, without a simulation: the steps of a full batch that requests enter
// as fast as they leave it. A fleet is stable if less arrives than its replicas do so.
#pragma once

#include <span>

#include "analysis/simulation/replica.h"

namespace photon::analysis::simulation {

/// Requests a second of one replica, from requests that stand for all that arrive; those that no empty
/// replica could hold are left out. The batch is as full as memory, the limit of rows and the prefill of a
/// step allow. Asks `costs` for prefill and decoding apart. Throws Error if none fits.
double capacity_requests_per_s(std::span<const Request> requests, const ReplicaConfig& config,
                               StepCosts& costs);

}  // namespace photon::analysis::simulation
