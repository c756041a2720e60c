// SPDX-License-Identifier: Apache-2.0
#include "app/version.h"

#include <fmt/format.h>

#include "core/base/build_info.h"
#include "reference/blas.h"

namespace photon::app {

std::string version_text() {
  const BuildInfo info = build_info();
  return fmt::format(
      "photon {}\n"
      "commit     {}{}\n"
      "build      {}, {}{}\n"
      "matrices   {}\n"
      "GPU        {}",
      info.version, info.commit, info.dirty ? " with changes that are in no commit" : "", info.build_type,
      info.native ? "for the processor that built it" : "for any processor of this kind",
      info.sanitizers.empty() ? "" : ", sanitizers: " + info.sanitizers, reference::blas_name(),
      info.cuda.empty() ? "not built" : info.cuda);
}

std::string build_warning() {
  const BuildInfo info = build_info();
  if (!info.sanitizers.empty()) return "built with sanitizers: every time it measures is far too long";
  if (!info.optimised) return "built without optimisation: every time it measures is far too long";
  return "";
}

}  // namespace photon::app
