// SPDX-License-Identifier: Apache-2.0
// What a config file becomes once parsed: a small tree that knows where each value came from. Internal to the
// config reader; everybody else includes core/base/config.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

struct ConfigEntry;

struct ConfigNode {
  enum class Kind { boolean, integer, number, text, date, list, table };

  Kind kind = Kind::table;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0.0;
  std::string text;                                ///< of text; of a date, as it was written
  std::vector<std::unique_ptr<ConfigNode>> items;  ///< of a list
  std::vector<ConfigEntry> entries;                ///< of a table

  int line = 0;                    ///< of the key, or of a list's entry, from 1; 0 where there is none
  std::string set_by;              ///< "--set key=value" where that set it
  std::string raw;                 ///< of an override: what stands right of its '='
  bool fallback = false;           ///< not given, filled in with the reader's default
  bool read = false;               ///< somebody asked for it
  std::vector<std::string> known;  ///< of a table: keys that were asked for

  ConfigNode* find(std::string_view key) const;
  ConfigNode& add(std::string_view key, std::unique_ptr<ConfigNode> value);
};

struct ConfigEntry {
  std::string key;
  std::unique_ptr<ConfigNode> value;
};

struct ConfigSource {
  std::string name;
  ConfigNode root;
};

/// Parses one TOML text into a tree. Throws Error naming `source_name` and the line.
std::unique_ptr<ConfigNode> parse_toml_tree(std::string_view toml, const std::string& source_name);

/// Applies `path=value`. Throws UsageError.
void apply_override(ConfigNode& root, const std::string& assignment, const std::string& source_name);

/// Nodes of fallback values.
std::unique_ptr<ConfigNode> make_node(bool value);
std::unique_ptr<ConfigNode> make_node(int64_t value);
std::unique_ptr<ConfigNode> make_node(double value);
std::unique_ptr<ConfigNode> make_node(const std::string& value);
template <class T>
std::unique_ptr<ConfigNode> make_node(const std::vector<T>& values) {
  auto node = std::make_unique<ConfigNode>();
  node->kind = ConfigNode::Kind::list;
  for (const T& value : values) node->items.push_back(make_node(value));
  return node;
}

/// A list whose entries are tables, and that has any: [[key]].
bool is_list_of_tables(const ConfigNode& node);

/// "the integer 3", "the text \"causal\"", "a list": a value in messages.
std::string describe(const ConfigNode& node);

}  // namespace photon
