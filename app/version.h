// SPDX-License-Identifier: Apache-2.0
// `photon --version`: everything that tells one build from another.
#pragma once

#include <string>

namespace photon::app {

/// Version, commit, compilation and BLAS, a line each.
std::string version_text();

/// What makes this build's timings worthless, or "".
std::string build_warning();

}  // namespace photon::app
