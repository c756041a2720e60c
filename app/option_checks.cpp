#include "app/option_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/command.h"

namespace photon {

CLI::Validator known_device() {
  return parsed_by([](const std::string& name) {
    const auto names = backends().names();
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    throw UsageError(fmt::format("no device '{}' in this build; there is: {}", name, fmt::join(names, ", ")));
  });
}

}  // namespace photon
