// SPDX-License-Identifier: Apache-2.0
#include "core/base/stages.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/strict_json.h"

namespace photon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json sizes(const fs::path& folder, const std::vector<std::string>& files) {
  json found = json::object();
  for (const std::string& file : files) {
    std::error_code missing;
    const auto bytes = fs::file_size(folder / file, missing);
    found[file] = missing ? json() : json(bytes);
  }
  return found;
}

fs::path record_of(const fs::path& folder, const std::string& name) {
  return folder / "stages" / (name + ".json");
}

}  // namespace

std::optional<json> finished_stage(const fs::path& folder, const std::string& name, const std::string& key,
                                   const std::vector<std::string>& files) {
  const fs::path record = record_of(folder, name);
  if (!fs::exists(record)) return {};
  try {
    const json kept = read_strict_json(record);
    if (kept.at("key") == key && kept.at("files") == sizes(folder, files))
      return std::optional<json>(std::in_place, kept.at("result"));
  } catch (const Error&) {  // a record that cannot be read is none
  } catch (const nlohmann::json::exception&) {
  }
  return {};
}

json run_stage(const fs::path& folder, const std::string& name, const std::string& key,
               const std::vector<std::string>& files, const std::function<json()>& work) {
  if (auto kept = finished_stage(folder, name, key, files)) return *std::move(kept);
  const fs::path record = record_of(folder, name);
  fs::remove(record);
  const json result = work();
  fs::create_directories(record.parent_path());
  const json done = {{"key", key}, {"files", sizes(folder, files)}, {"result", result}};
  write_file_atomically(record, done.dump(2) + "\n");
  return result;
}

}  // namespace photon
