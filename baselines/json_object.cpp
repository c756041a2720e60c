// SPDX-License-Identifier: Apache-2.0
#include "baselines/json_object.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/error.h"

namespace photon::baselines {
namespace {

using nlohmann::json;

std::string shown(const json* value) {
  if (value == nullptr) return "nothing";
  return clipped(value->dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

JsonObject::JsonObject(const json& object, std::string source) : object_(object), source_(std::move(source)) {
  if (!object.is_object()) throw Error(fmt::format("{}: must be a JSON object", source_));
}

const json* JsonObject::find(const std::string& key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const json& JsonObject::require(const std::string& key) const {
  const json* const value = find(key);
  if (value == nullptr) throw Error(fmt::format("{}: '{}' is missing", source_, key));
  return *value;
}

JsonObject JsonObject::object(const std::string& key) const {
  return {require(key), fmt::format("{}, {}", source_, key)};
}

int64_t JsonObject::integer(const std::string& key, std::optional<int64_t> absent) const {
  const json* const value = absent ? find(key) : &require(key);
  if (value == nullptr) return *absent;
  if (!value->is_number_integer()) wrong(key, "a whole number");
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    wrong(key, "a whole number below 2^63");
  }
  return value->get<int64_t>();
}

double JsonObject::number(const std::string& key, double absent) const {
  const json* const value = find(key);
  if (value == nullptr) return absent;
  if (!value->is_number()) wrong(key, "a number");
  return value->get<double>();
}

bool JsonObject::boolean(const std::string& key, bool absent) const {
  const json* const value = find(key);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) wrong(key, "true or false");
  return value->get<bool>();
}

std::string JsonObject::text(const std::string& key, const std::string& absent) const {
  const json* const value = find(key);
  if (value == nullptr) return absent;
  if (!value->is_string()) wrong(key, "a string");
  return value->get<std::string>();
}

void JsonObject::refuse(const std::string& key, const std::string& why) const {
  throw Error(fmt::format("{}: '{}' = {}: {}", source_, key, shown(find(key)), why));
}

void JsonObject::wrong(const std::string& key, const std::string& needed) const {
  throw Error(fmt::format("{}: '{}' must be {}, it is {}", source_, key, needed, shown(find(key))));
}

}  // namespace photon::baselines
