// SPDX-License-Identifier: Apache-2.0
#include "core/base/strict_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/base/error.h"
#include "core/base/mapped_file.h"

namespace photon {

std::string_view json_error_reason(std::string_view message) {
  if (const size_t at = message.find("column "); at != std::string_view::npos) {
    message.remove_prefix(std::min(message.size(), message.find(": ", at) + 2));
  }
  return message.substr(0, message.find("; last read"));
}

nlohmann::json parse_strict_json(std::string_view text, const std::string& source) {
  using Event = nlohmann::json::parse_event_t;
  constexpr int max_depth = 64;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Event event, nlohmann::json& parsed) {
    if (depth > max_depth) throw Error(fmt::format("{}: nested deeper than {}", source, max_depth));
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second)
        throw Error(fmt::format("{}: {} appears twice", source, in_quotes(key)));
    }
    return true;
  };
  // The library takes a zero byte for the end.
  if (text.find('\0') != std::string_view::npos) throw Error(fmt::format("{}: holds a zero byte", source));
  try {
    return nlohmann::json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::parse_error& e) {
    throw Error(fmt::format("{}: breaks off at byte {}, it is not JSON: {}", source,
                            e.byte == 0 ? 0 : e.byte - 1, json_error_reason(e.what())));
  } catch (const nlohmann::json::out_of_range&) {  // 1e999 is no syntax error
    throw Error(fmt::format("{}: a number that no double holds", source));
  }
}

nlohmann::json read_strict_json(const std::filesystem::path& path, int64_t max_bytes) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (static_cast<int64_t>(bytes.size()) > max_bytes) {
    throw Error(fmt::format("{}: {} bytes, at most {} are read", path.string(), bytes.size(), max_bytes));
  }
  return parse_strict_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace photon
