// SPDX-License-Identifier: Apache-2.0
// Typed look-ups in JSON objects that others wrote, with errors that name file and key. JSON null counts as
// absent, as it does to the readers of these formats.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace photon::baselines {

class JsonObject {
 public:
  /// `object` must outlive this. Throws Error if it is none.
  JsonObject(const nlohmann::json& object, std::string source);

  const std::string& source() const { return source_; }
  /// Null if there is no such key.
  const nlohmann::json* find(const std::string& key) const;
  const nlohmann::json& require(const std::string& key) const;
  /// Of a key that holds an object.
  JsonObject object(const std::string& key) const;

  // All throw Error on another type; without `absent` also where the key is missing.
  int64_t integer(const std::string& key, std::optional<int64_t> absent = {}) const;
  double number(const std::string& key, double absent) const;
  bool boolean(const std::string& key, bool absent) const;
  std::string text(const std::string& key, const std::string& absent) const;

  [[noreturn]] void refuse(const std::string& key, const std::string& why) const;

 private:
  [[noreturn]] void wrong(const std::string& key, const std::string& needed) const;

  const nlohmann::json& object_;
  std::string source_;
};

}  // namespace photon::baselines
