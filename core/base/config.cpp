// SPDX-License-Identifier: Apache-2.0
#include "core/base/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "core/base/config_node.h"
#include "core/base/error.h"
#include "core/base/nearest.h"

namespace photon {
namespace {

using Kind = ConfigNode::Kind;

template <class T>
std::string range_text(std::string_view what, T low, T high) {
  using Limits = std::numeric_limits<T>;
  const bool from = low != (Limits::has_infinity ? -Limits::infinity() : Limits::lowest());
  const bool to = high != (Limits::has_infinity ? Limits::infinity() : Limits::max());
  if (from && to) return fmt::format("{} from {} to {}", what, low, high);
  if (from) return fmt::format("{}, {} or more,", what, low);
  if (to) return fmt::format("{}, {} or less,", what, high);
  return std::string(what);
}

template <class T>
std::unique_ptr<ConfigNode> fallback_node(const std::optional<T>& fallback) {
  return fallback ? make_node(*fallback) : nullptr;
}

std::string place(const std::string& source, const ConfigNode& node) {
  if (!node.set_by.empty()) return node.set_by;
  return node.line > 0 ? fmt::format("{}:{}", source, node.line) : source;
}

[[noreturn]] void raise(const ConfigNode& node, const std::string& message) {
  if (!node.set_by.empty()) throw UsageError(message);
  throw Error(message);
}

// `--set name=2024` means the text, whatever else it could be.
void take_as_text(ConfigNode& node) {
  if (node.raw.empty() || node.kind == Kind::text || node.kind == Kind::list || node.kind == Kind::table)
    return;
  node.kind = Kind::text;
  node.text = node.raw;
}

/// One value on its way out: its node, how it is called in messages, and what the reader wants of it.
struct Value {
  const ConfigNode& node;
  std::string where;
  std::string wanted;

  [[noreturn]] void wrong() const {
    raise(node, fmt::format("{} is {}, {} is wanted", where, describe(node), wanted));
  }

  int64_t integer(int64_t low, int64_t high) const {
    if (node.kind != Kind::integer || node.integer < low || node.integer > high) wrong();
    return node.integer;
  }
  double number(double low, double high) const {
    if (node.kind != Kind::number && node.kind != Kind::integer) wrong();
    const double v = node.kind == Kind::integer ? static_cast<double>(node.integer) : node.number;
    if (!std::isfinite(v) || !(v >= low && v <= high)) wrong();
    return v;
  }
  std::string text() const {
    if (node.kind != Kind::text) wrong();
    return node.text;
  }
};

template <class T, class Read>
std::vector<T> read_list(const Value& list, const std::string& source, const std::string& wanted, Read read) {
  if (list.node.kind != Kind::list) list.wrong();
  std::vector<T> out;
  for (size_t i = 0; i < list.node.items.size(); ++i) {
    const ConfigNode& item = *list.node.items[i];
    // Entries of a list within one override share its label, which is in list.where already.
    const std::string key = list.where.substr(place(source, list.node).size());
    out.push_back(read(Value{item, fmt::format("{}{}.{}", place(source, item), key, i + 1), wanted}));
  }
  return out;
}

}  // namespace

ConfigNode* ConfigTable::find(std::string_view key) const {
  if (std::find(node_->known.begin(), node_->known.end(), key) == node_->known.end())
    node_->known.emplace_back(key);
  ConfigNode* node = node_->find(key);
  if (node != nullptr) node->read = true;
  return node;
}

std::string ConfigTable::path(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

ConfigNode& ConfigTable::value(std::string_view key, const std::string& wanted,
                               std::unique_ptr<ConfigNode> fallback) const {
  if (ConfigNode* node = find(key)) return *node;
  if (fallback != nullptr) {
    fallback->fallback = true;
    fallback->read = true;
    return node_->add(key, std::move(fallback));
  }
  std::vector<std::string> unread;
  for (const auto& entry : node_->entries) {
    if (!entry.value->read) unread.push_back(entry.key);
  }
  std::string hint;
  if (const std::string near = nearest(key, unread); !near.empty()) {
    hint = fmt::format("; there is '{}' ({})", near, place(source_->name, *node_->find(near)));
  }
  raise(*node_, fmt::format("{}: {} is missing, {} is wanted{}", place(source_->name, *node_), path(key),
                            wanted, hint));
}

std::string ConfigTable::where(std::string_view key) const {
  const ConfigNode* node = node_->find(key);
  return fmt::format("{}: {}", place(source_->name, node != nullptr && !node->fallback ? *node : *node_),
                     path(key));
}

std::string ConfigTable::where() const {
  return path_.empty() ? place(source_->name, *node_)
                       : fmt::format("{}: {}", place(source_->name, *node_), path_);
}

void ConfigTable::fail(std::string_view key, std::string_view message) const {
  const ConfigNode* node = node_->find(key);
  raise(node != nullptr ? *node : *node_, fmt::format("{}: {}", where(key), message));
}

int64_t ConfigTable::integer(std::string_view key, int64_t low, int64_t high,
                             std::optional<int64_t> fallback) const {
  const std::string wanted = range_text("an integer", low, high);
  ConfigNode& node = value(key, wanted, fallback_node(fallback));
  return Value{node, where(key), wanted}.integer(low, high);
}

double ConfigTable::number(std::string_view key, double low, double high,
                           std::optional<double> fallback) const {
  const std::string wanted = range_text("a number", low, high);
  ConfigNode& node = value(key, wanted, fallback_node(fallback));
  return Value{node, where(key), wanted}.number(low, high);
}

bool ConfigTable::boolean(std::string_view key, std::optional<bool> fallback) const {
  ConfigNode& node = value(key, "true or false", fallback_node(fallback));
  if (node.kind != Kind::boolean) Value{node, where(key), "true or false"}.wrong();
  return node.boolean;
}

std::string ConfigTable::text(std::string_view key, std::optional<std::string> fallback) const {
  ConfigNode& node = value(key, "a text in quotes", fallback_node(fallback));
  take_as_text(node);
  return Value{node, where(key), "a text in quotes"}.text();
}

std::string ConfigTable::choice(std::string_view key, const std::vector<std::string>& allowed,
                                std::optional<std::string> fallback) const {
  const std::string wanted = fmt::format("one of \"{}\"", fmt::join(allowed, "\", \""));
  ConfigNode& node = value(key, wanted, fallback_node(fallback));
  take_as_text(node);
  const std::string chosen = Value{node, where(key), wanted}.text();
  if (std::find(allowed.begin(), allowed.end(), chosen) == allowed.end()) {
    const std::string near = nearest(chosen, allowed);
    raise(node, fmt::format("{} is \"{}\", {} is wanted{}", where(key), chosen, wanted,
                            near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
  }
  return chosen;
}

std::vector<std::string> ConfigTable::texts(std::string_view key,
                                            std::optional<std::vector<std::string>> fallback) const {
  ConfigNode& node = value(key, "a list of texts", fallback_node(fallback));
  return read_list<std::string>({node, where(key), "a list of texts"}, source_->name, "a text in quotes",
                                [](const Value& v) { return v.text(); });
}

std::vector<int64_t> ConfigTable::integers(std::string_view key, int64_t low, int64_t high,
                                           std::optional<std::vector<int64_t>> fallback) const {
  ConfigNode& node = value(key, "a list of integers", fallback_node(fallback));
  return read_list<int64_t>({node, where(key), "a list of integers"}, source_->name,
                            range_text("an integer", low, high),
                            [&](const Value& v) { return v.integer(low, high); });
}

std::vector<double> ConfigTable::numbers(std::string_view key, double low, double high,
                                         std::optional<std::vector<double>> fallback) const {
  ConfigNode& node = value(key, "a list of numbers", fallback_node(fallback));
  return read_list<double>({node, where(key), "a list of numbers"}, source_->name,
                           range_text("a number", low, high),
                           [&](const Value& v) { return v.number(low, high); });
}

std::optional<ConfigTable> ConfigTable::table(std::string_view key) const {
  ConfigNode* node = find(key);
  if (node == nullptr) return {};
  const std::string wanted = fmt::format("a table [{}]", path(key));
  if (node->kind != Kind::table) Value{*node, where(key), wanted}.wrong();
  return ConfigTable(source_, node, path(key));
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) const {
  std::vector<ConfigTable> out;
  ConfigNode* node = find(key);
  if (node == nullptr) return out;
  const std::string wanted = fmt::format("tables [[{}]]", path(key));
  if (node->kind != Kind::list) Value{*node, where(key), wanted}.wrong();
  for (size_t i = 0; i < node->items.size(); ++i) {
    ConfigNode& item = *node->items[i];
    const std::string name = fmt::format("{}.{}", path(key), i + 1);
    if (item.kind != Kind::table) {
      Value{item, fmt::format("{}: {}", place(source_->name, item), name), wanted}.wrong();
    }
    item.read = true;
    out.push_back(ConfigTable(source_, &item, name));
  }
  return out;
}

bool ConfigTable::has(std::string_view key) const {
  const ConfigNode* node = find(key);
  return node != nullptr && !node->fallback;
}

std::vector<std::string> ConfigTable::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, node] : node_->entries) {
    if (!node->fallback) out.push_back(key);
  }
  return out;
}

bool ConfigTable::is_integer(std::string_view key) const {
  const ConfigNode* node = find(key);
  return node != nullptr && node->kind == Kind::integer;
}

bool ConfigTable::is_text(std::string_view key) const {
  const ConfigNode* node = find(key);
  return node != nullptr && node->kind == Kind::text;
}

void ConfigTable::finish() const {
  for (const auto& [key, node] : node_->entries) {
    if (std::find(node_->known.begin(), node_->known.end(), key) == node_->known.end()) {
      const auto& top = source_->root.known;
      const bool misplaced = node_ != &source_->root && std::find(top.begin(), top.end(), key) != top.end();
      raise(*node, fmt::format(
                       "{}: unknown key; {}", where(key),
                       misplaced ? fmt::format("'{}' belongs to the top level, before the first [table]", key)
                                 : suggestion(key, node_->known)));
    }
    if (!node->read) continue;
    if (node->kind == Kind::table) ConfigTable(source_, node.get(), path(key)).finish();
    if (!is_list_of_tables(*node)) continue;
    for (size_t i = 0; i < node->items.size(); ++i) {
      if (!node->items[i]->read) continue;
      ConfigTable(source_, node->items[i].get(), fmt::format("{}.{}", path(key), i + 1)).finish();
    }
  }
}

ConfigTable ConfigDocument::root() const {
  return ConfigTable(source_, &source_->root, "");
}

ConfigDocument parse_config(std::string_view toml, const std::string& source_name,
                            const std::vector<std::string>& overrides) {
  if (toml.size() > static_cast<size_t>(largest_config_bytes)) {
    throw Error(fmt::format("{}: a config above {} bytes is refused", source_name, largest_config_bytes));
  }
  auto source = std::make_shared<ConfigSource>();
  source->name = source_name;
  source->root = std::move(*parse_toml_tree(toml, source_name));
  source->root.read = true;
  for (const std::string& assignment : overrides) apply_override(source->root, assignment, source_name);
  return ConfigDocument(std::move(source));
}

ConfigDocument load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  const std::string name = file.string();
  std::error_code ec;
  const auto status = std::filesystem::status(file, ec);
  if (!std::filesystem::exists(status)) throw Error(fmt::format("{}: there is no such file", name));
  if (std::filesystem::is_directory(status))
    throw Error(fmt::format("{}: a directory, a TOML file is wanted", name));
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(fmt::format("{}: cannot be opened: {}", name, std::strerror(errno)));
  std::string text(static_cast<size_t>(largest_config_bytes) + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw Error(fmt::format("{}: cannot be read", name));
  text.resize(in.gcount());
  return parse_config(text, name, overrides);
}

}  // namespace photon
