// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/config.h"
#include "core/base/config_node.h"

namespace photon {
namespace {

using Kind = ConfigNode::Kind;

std::string key_text(const std::string& key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? key : toml_text(key);
}

std::string inline_value(const ConfigNode& node) {
  std::vector<std::string> parts;
  switch (node.kind) {
    case Kind::boolean:
      return node.boolean ? "true" : "false";
    case Kind::integer:
      return fmt::format("{}", node.integer);
    case Kind::number:
      return toml_number(node.number);
    case Kind::text:
      return toml_text(node.text);
    case Kind::date:
      return node.text;
    case Kind::list:
      for (const auto& item : node.items) parts.push_back(inline_value(*item));
      return fmt::format("[{}]", fmt::join(parts, ", "));
    case Kind::table:
      for (const auto& [key, value] : node.entries)
        parts.push_back(key_text(key) + " = " + inline_value(*value));
      return fmt::format("{{{}}}", fmt::join(parts, ", "));
  }
  return "";
}

// Values first: what stands below a [header] belongs to that table.
std::string table_text(const ConfigNode& table, const std::string& path) {
  std::string values;
  std::string tables;
  for (const auto& [key, value] : table.entries) {
    if (!value->read) continue;
    const std::string below = path.empty() ? key_text(key) : path + "." + key_text(key);
    if (value->kind == Kind::table) {
      tables += fmt::format("\n[{}]\n{}", below, table_text(*value, below));
    } else if (is_list_of_tables(*value)) {
      for (const auto& item : value->items)
        tables += fmt::format("\n[[{}]]\n{}", below, table_text(*item, below));
    } else {
      values += fmt::format("{} = {}\n", key_text(key), inline_value(*value));
    }
  }
  return values + tables;
}

}  // namespace

std::string ConfigDocument::resolved() const {
  return table_text(source_->root, "");
}

std::string toml_number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string toml_text(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace photon
