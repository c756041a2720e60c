// SPDX-License-Identifier: Apache-2.0
// Runs the photon program as a user does: a command line in; exit code, standard output and standard error
// out.
#pragma once

#include <string>

namespace photon::testing {

struct ProgramRun {
  int code = -1;  ///< exit code; -1 if a signal ended it
  std::string out;
  std::string messages;
};

/// The program of this build or, in an installed tree, of that tree.
std::string photon_program();

/// `photon ARGUMENTS`, as a shell splits them; standard input is empty.
ProgramRun run_photon(const std::string& arguments);

}  // namespace photon::testing
