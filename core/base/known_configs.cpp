// SPDX-License-Identifier: Apache-2.0
#include "core/base/known_configs.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "core/base/error.h"
#include "core/base/nearest.h"
#include "core/base/paths.h"

namespace photon {
namespace fs = std::filesystem;
namespace {

struct Kind {
  const char* word;
  const char* folder;
};

Kind describe(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::model:
      return {"model", "models"};
    case ConfigKind::hardware:
      return {"hardware", "hardware"};
    case ConfigKind::study:
      return {"study", "reproduce"};
    case ConfigKind::preset:
      return {"preset", "bench"};
    case ConfigKind::training:
      return {"training config", "train"};
  }
  return {};
}

bool is_there(const fs::path& path) {
  std::error_code none;  // a name may be too long for a file system
  return fs::exists(path, none);
}

}  // namespace

std::string to_string(ConfigKind kind) {
  return describe(kind).word;
}

fs::path config_folder(ConfigKind kind) {
  return share_folder() / "configs" / describe(kind).folder;
}

std::vector<std::string> config_names(ConfigKind kind) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(config_folder(kind), none)) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path find_config(ConfigKind kind, const std::string& text) {
  const bool is_path = text.find('/') != std::string::npos;
  const bool is_file = text.ends_with(".toml");
  const bool here = is_there(text);
  const std::string stem = is_file ? fs::path(text).stem().string() : fs::path(text).filename().string();
  const fs::path known = is_path ? share_folder() / text : config_folder(kind) / (stem + ".toml");
  if (here && !is_path && !is_file && is_there(known)) {
    throw Error(fmt::format(
        "{} '{}' is known by name, and there is a '{}' here: ./{} means the latter, {} the former",
        to_string(kind), text, text, text, known.string()));
  }
  if (here) return text;
  if (is_there(known)) return known;
  const std::string nothing = is_path || is_file ? fmt::format("there is no {}", text)
                                                 : fmt::format("no {} '{}'", to_string(kind), text);
  throw Error(fmt::format("{}; {}", nothing, suggestion(stem, config_names(kind))));
}

}  // namespace photon
