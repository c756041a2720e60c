// Runs the photon program as a user does: arguments in; exit code, standard output and standard error out.
#pragma once

#include <string>
#include <vector>

namespace photon::test {

struct ProgramRun {
  int code = -1;  ///< exit code; 128 + n if signal n ended it
  std::string out;
  std::string err;
};

/// Of this build, or, in an installed tree, of that tree. Standard input is empty.
ProgramRun run_photon(const std::vector<std::string>& arguments);

}  // namespace photon::test
