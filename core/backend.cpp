#include "core/backend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace photon {

void BackendRegistry::add(const std::string& name, Factory factory) { factories_[name] = std::move(factory); }

std::unique_ptr<Backend> BackendRegistry::make(const std::string& name) const {
  const auto it = factories_.find(name);
  if (it == factories_.end()) {
    throw UsageError(fmt::format("no device '{}' in this build; there is: {}", name, fmt::join(names(), ", ")));
  }
  return it->second();
}

std::vector<std::string> BackendRegistry::names() const {
  std::vector<std::string> out;
  for (const auto& [name, factory] : factories_) out.push_back(name);
  return out;
}

}  // namespace photon
