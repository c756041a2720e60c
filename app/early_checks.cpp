// SPDX-License-Identifier: Apache-2.0
#include "app/early_checks.h"

#include <fmt/format.h>

#include "core/base/atomic_file.h"
#include "core/base/error.h"

namespace photon::app {

void require_writable(const std::filesystem::path& file) {
  if (std::filesystem::is_directory(file)) {
    throw Error(fmt::format("{}: is a folder, a file is to be written", file.string()));
  }
  const AtomicFile probe(file);  // goes again without commit()
}

}  // namespace photon::app
