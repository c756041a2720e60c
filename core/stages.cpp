#include "core/stages.h"

#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/strict_json.h"

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

}  // namespace

json run_stage(const fs::path& folder, const std::string& name, const std::string& key,
               const std::vector<std::string>& files, const std::function<json()>& work) {
  const fs::path record = folder / "stages" / (name + ".json");
  if (fs::exists(record)) {
    try {
      const json kept = read_strict_json(record);
      const json wanted = {{"key", key}, {"files", sizes(folder, files)}};
      if (kept.at("key") == wanted.at("key") && kept.at("files") == wanted.at("files"))
        return kept.at("result");
    } catch (const Error&) {  // a record that cannot be read is none
    } catch (const nlohmann::json::exception&) {
    }
    fs::remove(record);
  }
  const json result = work();
  fs::create_directories(record.parent_path());
  const json done = {{"key", key}, {"files", sizes(folder, files)}, {"result", result}};
  write_file_atomically(record, done.dump(2) + "\n");
  return result;
}

}  // namespace photon
