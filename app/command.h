// SPDX-License-Identifier: Apache-2.0
// A subcommand of the photon command line: one file each in this folder, which registers itself.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "app/arguments.h"
#include "core/backend/backend.h"

namespace photon::app {

/// Adds the subcommand to `app`; its callback does the work and throws Error or UsageError.
using CommandSetup = std::function<void(CommandLine& app)>;

struct Command {
  int rank;  ///< place in `photon --help`
  CommandSetup setup;
};

std::vector<Command>& commands();

/// `static const RegisterCommand registered{rank, setup};` at file scope.
struct RegisterCommand {
  RegisterCommand(int rank, CommandSetup setup) { commands().push_back({rank, std::move(setup)}); }
};

/// The back ends of this build.
const BackendRegistry& backends();

}  // namespace photon::app
