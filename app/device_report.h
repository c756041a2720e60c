// SPDX-License-Identifier: Apache-2.0
// What a command says of the device it ran a model on.
#pragma once

#include <string>

#include "core/backend/backend.h"

namespace photon::app {

/// The dtype of that name; empty: the one the back end computes in by itself.
DType dtype_for(const Backend& backend, const std::string& name);
/// The plan on standard error, in one line, if it foresees anything.
void print_plan(const MemoryPlan& plan);
/// On standard error, where the back end runs kernels: each, how often, and from which file.
void print_kernels(const Backend& backend);

}  // namespace photon::app
