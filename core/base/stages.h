// SPDX-License-Identifier: Apache-2.0
// Work in stages that a later run need not repeat: a stage has a key (all of its inputs), the files it makes
// and a small result; it is done when its record is there, which is written last.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace photon {

/// The result of stage `name` in `folder`: of an earlier run if that had the same `key` and its `files` have
/// the sizes that they had then, else of `work`, which must leave the files in place.
nlohmann::json run_stage(const std::filesystem::path& folder, const std::string& name, const std::string& key,
                         const std::vector<std::string>& files, const std::function<nlohmann::json()>& work);

/// The result that run_stage() would take of an earlier run.
std::optional<nlohmann::json> finished_stage(const std::filesystem::path& folder, const std::string& name,
                                             const std::string& key, const std::vector<std::string>& files);

}  // namespace photon
