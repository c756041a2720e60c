// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "core/base/config_node.h"
#include "core/base/error.h"
#include "core/base/utf8.h"

namespace photon {
namespace {

constexpr int deepest = 32;

int64_t line_of(std::string_view s, size_t position) {
  return 1 + std::count(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(position), '\n');
}

// Trees are walked and freed by recursion, here and in toml++, so what would make a deep one is refused
// before it is parsed: dots in one key and open brackets, outside of strings and comments.
void refuse_deep_trees(std::string_view s, const std::string& source_name) {
  int dots = 0;
  int brackets = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '#') {
      i = std::min(s.find('\n', i), s.size()) - 1;
    } else if (c == '"' || c == '\'') {
      const std::string_view three = c == '"' ? "\"\"\"" : "'''";
      const std::string_view end = s.substr(i).starts_with(three) ? three : three.substr(0, 1);
      size_t at = i + end.size();
      while (at < s.size() && !s.substr(at).starts_with(end) && (end.size() == 3 || s[at] != '\n')) {
        at += c == '"' && s[at] == '\\' ? 2 : 1;
      }
      at += end.size();
      for (int extra = 0; end.size() == 3 && extra < 2 && at < s.size() && s[at] == c; ++extra) ++at;
      i = at - 1;
    } else if (c == '.') {
      ++dots;
    } else if (c == '[' || c == '{') {
      ++brackets;
      dots = 0;
    } else if (c == ']' || c == '}') {
      brackets = std::max(0, brackets - 1);
      dots = 0;
    } else if (c == '\n' || c == '=' || c == ',') {
      dots = 0;
    }
    if (dots > deepest || brackets > deepest) {
      throw Error(fmt::format("{}:{}: more than {} {}", source_name, line_of(s, std::min(i, s.size())),
                              deepest, dots > deepest ? "dots in one key" : "brackets open at once"));
    }
  }
}

std::string written(const auto& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::unique_ptr<ConfigNode> convert(const toml::node& node, const toml::source_position& where) {
  auto out = std::make_unique<ConfigNode>();
  out->line = static_cast<int>(where.line);
  if (const auto* table = node.as_table()) {
    out->kind = ConfigNode::Kind::table;
    for (const auto& [key, value] : *table) {
      // An implicit table, as `a` in [a.b], takes the place of the key that made it.
      out->entries.push_back({std::string(key.str()), convert(value, key.source().begin)});
    }
    std::stable_sort(out->entries.begin(), out->entries.end(),
                     [](const auto& a, const auto& b) { return a.value->line < b.value->line; });
  } else if (const auto* list = node.as_array()) {
    out->kind = ConfigNode::Kind::list;
    for (const auto& item : *list) out->items.push_back(convert(item, item.source().begin));
  } else if (const auto* boolean = node.as_boolean()) {
    out->kind = ConfigNode::Kind::boolean;
    out->boolean = boolean->get();
  } else if (const auto* integer = node.as_integer()) {
    out->kind = ConfigNode::Kind::integer;
    out->integer = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    out->kind = ConfigNode::Kind::number;
    out->number = number->get();
  } else if (const auto* text = node.as_string()) {
    out->kind = ConfigNode::Kind::text;
    out->text = text->get();
  } else {
    out->kind = ConfigNode::Kind::date;
    if (const auto* date = node.as_date()) out->text = written(*date);
    if (const auto* time = node.as_time()) out->text = written(*time);
    if (const auto* both = node.as_date_time()) out->text = written(*both);
  }
  return out;
}

std::unique_ptr<ConfigNode> override_value(const std::string& raw) {
  try {
    auto tree = parse_toml_tree("v = " + raw, "override");
    if (tree->entries.size() == 1) return std::move(tree->entries[0].value);
  } catch (const Error&) {
    // Not TOML: a bare word, as a shell hands it over.
  }
  return make_node(raw);
}

void mark(ConfigNode& node, const std::string& label) {
  node.set_by = label;
  node.line = 0;
  for (auto& item : node.items) mark(*item, label);
  for (auto& entry : node.entries) mark(*entry.value, label);
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

size_t list_index(const std::string& part, size_t size) {
  size_t index = 0;
  for (const char c : part) {
    if (c < '0' || c > '9') return size;
    index = std::min(index * 10 + static_cast<size_t>(c - '0'), size + 1);
  }
  return index == 0 ? size : index - 1;
}

}  // namespace

ConfigNode* ConfigNode::find(std::string_view key) const {
  const auto it = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.key == key; });
  return it == entries.end() ? nullptr : it->value.get();
}

ConfigNode& ConfigNode::add(std::string_view key, std::unique_ptr<ConfigNode> value) {
  return *entries.emplace_back(ConfigEntry{std::string(key), std::move(value)}).value;
}

std::unique_ptr<ConfigNode> parse_toml_tree(std::string_view toml, const std::string& source_name) {
  if (const size_t bad = find_invalid_utf8(toml); bad != std::string_view::npos) {
    throw Error(fmt::format("{}:{}: byte 0x{:02x} is not valid UTF-8", source_name, line_of(toml, bad),
                            static_cast<unsigned char>(toml[bad])));
  }
  refuse_deep_trees(toml, source_name);
  try {
    const toml::table table = toml::parse(toml);
    return convert(table, {});
  } catch (const toml::parse_error& e) {
    throw Error(fmt::format("{}:{}: syntax error: {} (column {})", source_name, e.source().begin.line,
                            e.description(), e.source().begin.column));
  }
}

void apply_override(ConfigNode& root, const std::string& assignment, const std::string& source_name) {
  const std::string label = "--set " + assignment;
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) throw UsageError(label + ": an override is key=value");
  if (!is_utf8(assignment)) throw UsageError("--set: an override is not valid UTF-8");
  const std::vector<std::string> parts = split(std::string_view(assignment).substr(0, equals));
  if (parts.size() > deepest)
    throw UsageError(fmt::format("{}: more than {} dots in one key", label, deepest));

  auto value = override_value(assignment.substr(equals + 1));
  mark(*value, label);
  value->raw = assignment.substr(equals + 1);

  ConfigNode* node = &root;
  std::string path;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) throw UsageError(label + ": an empty name in the key; an override is key=value");
    const bool last = i + 1 == parts.size();
    std::unique_ptr<ConfigNode>* slot = nullptr;
    if (node->kind == ConfigNode::Kind::list) {
      const size_t index = list_index(parts[i], node->items.size());
      if (index >= node->items.size()) {
        throw UsageError(fmt::format("{}: {} has {} entries in {}, '{}' is none of them (counted from 1)",
                                     label, path, node->items.size(), source_name, parts[i]));
      }
      slot = &node->items[index];
    } else if (node->kind == ConfigNode::Kind::table) {
      if (node->find(parts[i]) == nullptr) {
        auto table = std::make_unique<ConfigNode>();
        mark(*table, label);
        node->add(parts[i], std::move(table));
      }
      const auto it = std::find_if(node->entries.begin(), node->entries.end(),
                                   [&](const auto& e) { return e.key == parts[i]; });
      slot = &it->value;
    } else {
      throw UsageError(
          fmt::format("{}: {} is {} in {}, not a table", label, path, describe(*node), source_name));
    }
    if (last) *slot = std::move(value);
    node = slot->get();
    path += (path.empty() ? "" : ".") + parts[i];
  }
}

std::unique_ptr<ConfigNode> make_node(bool value) {
  auto node = std::make_unique<ConfigNode>();
  node->kind = ConfigNode::Kind::boolean;
  node->boolean = value;
  return node;
}

std::unique_ptr<ConfigNode> make_node(int64_t value) {
  auto node = std::make_unique<ConfigNode>();
  node->kind = ConfigNode::Kind::integer;
  node->integer = value;
  return node;
}

std::unique_ptr<ConfigNode> make_node(double value) {
  auto node = std::make_unique<ConfigNode>();
  node->kind = ConfigNode::Kind::number;
  node->number = value;
  return node;
}

std::unique_ptr<ConfigNode> make_node(const std::string& value) {
  auto node = std::make_unique<ConfigNode>();
  node->kind = ConfigNode::Kind::text;
  node->text = value;
  return node;
}

bool is_list_of_tables(const ConfigNode& node) {
  return node.kind == ConfigNode::Kind::list && !node.items.empty() &&
         std::all_of(node.items.begin(), node.items.end(),
                     [](const auto& item) { return item->kind == ConfigNode::Kind::table; });
}

std::string describe(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::boolean:
      return node.boolean ? "true" : "false";
    case ConfigNode::Kind::integer:
      return fmt::format("the integer {}", node.integer);
    case ConfigNode::Kind::number:
      return fmt::format("the number {}", node.number);
    case ConfigNode::Kind::text:
      return fmt::format("the text \"{}\"", node.text);
    case ConfigNode::Kind::date:
      return fmt::format("the date or time {}", node.text);
    case ConfigNode::Kind::list:
      return fmt::format("a list of {}", node.items.size());
    case ConfigNode::Kind::table:
      return "a table";
  }
  return "";
}

}  // namespace photon
