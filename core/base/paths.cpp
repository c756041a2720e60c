// SPDX-License-Identifier: Apache-2.0
#include "core/base/paths.h"

#include <fmt/format.h>

#include <system_error>

#include "core/base/error.h"

namespace photon {
namespace fs = std::filesystem;

fs::path share_folder() {
  // bin/photon and libexec/photon/*_tests lie one and two folders below the installed tree's root.
  const fs::path program = fs::read_symlink("/proc/self/exe");
  const fs::path beside = program.parent_path().parent_path();
  std::error_code closed;  // what this user may not look into is not there
  for (const fs::path& root : {beside, beside.parent_path()}) {
    const fs::path installed = root / "share" / "photon";
    if (fs::is_directory(installed / "configs", closed)) return installed;
  }
  const fs::path source = PHOTON_SOURCE_DIR;
  if (fs::is_directory(source / "configs", closed)) return source;
  throw Error(fmt::format("the files that belong to {} are neither in {} nor in {}", program.string(),
                          (beside / "share" / "photon").string(), source.string()));
}

}  // namespace photon
