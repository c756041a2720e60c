// SPDX-License-Identifier: Apache-2.0
// Configuration files: TOML with errors that say where, what was found and what is allowed, and overrides
// from the command line. Model specs, training configs, hardware files and reproduce configs are all read
// through this; a key that no reader asks for is an error, so that a misspelt one never passes silently.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace photon {

struct ConfigNode;
struct ConfigSource;

/// A view of one table. Every accessor throws Error (UsageError where the value came from an override) on a
/// value of the wrong type, out of its range or not finite, and on a missing key that has no `fallback`.
/// Ranges are inclusive.
class ConfigTable {
 public:
  int64_t integer(std::string_view key, int64_t low, int64_t high,
                  std::optional<int64_t> fallback = {}) const;
  /// Integers count as numbers.
  double number(std::string_view key, double low, double high, std::optional<double> fallback = {}) const;
  bool boolean(std::string_view key, std::optional<bool> fallback = {}) const;
  std::string text(std::string_view key, std::optional<std::string> fallback = {}) const;
  std::string choice(std::string_view key, const std::vector<std::string>& allowed,
                     std::optional<std::string> fallback = {}) const;

  std::vector<std::string> texts(std::string_view key,
                                 std::optional<std::vector<std::string>> fallback = {}) const;
  std::vector<int64_t> integers(std::string_view key, int64_t low, int64_t high,
                                std::optional<std::vector<int64_t>> fallback = {}) const;
  std::vector<double> numbers(std::string_view key, double low, double high,
                              std::optional<std::vector<double>> fallback = {}) const;

  /// [key], or nothing if it is not there.
  std::optional<ConfigTable> table(std::string_view key) const;
  /// [[key]], one entry each; none if it is not there.
  std::vector<ConfigTable> tables(std::string_view key) const;

  /// Written in the file or set by an override; a key is known from then on, as if it had been read.
  bool has(std::string_view key) const;
  std::vector<std::string> keys() const;  ///< all that has() of this table
  bool is_integer(std::string_view key) const;
  bool is_text(std::string_view key) const;

  /// "file.toml:12: level.1.chunk", or "--set level.1.chunk=3: level.1.chunk".
  std::string where(std::string_view key) const;
  /// "file.toml:9: level.1" of the table itself; "file.toml" of the whole file.
  std::string where() const;
  /// Throws with where(key) before the message: for rules that one accessor cannot know.
  [[noreturn]] void fail(std::string_view key, std::string_view message) const;

  /// Throws for the first key, here or in a table below that was read, that nobody asked for.
  void finish() const;

 private:
  friend class ConfigDocument;
  ConfigTable(std::shared_ptr<ConfigSource> source, ConfigNode* node, std::string path)
      : source_(std::move(source)), node_(node), path_(std::move(path)) {}

  ConfigNode* find(std::string_view key) const;
  ConfigNode& value(std::string_view key, const std::string& wanted,
                    std::unique_ptr<ConfigNode> fallback) const;
  std::string path(std::string_view key) const;

  std::shared_ptr<ConfigSource> source_;
  ConfigNode* node_;
  std::string path_;
};

/// A file that was read. It may be dropped while tables of it are in use.
class ConfigDocument {
 public:
  ConfigTable root() const;
  /// Everything that was read so far, defaults written out, as TOML that parse_config reads back.
  std::string resolved() const;

 private:
  friend ConfigDocument parse_config(std::string_view, const std::string&, const std::vector<std::string>&);
  explicit ConfigDocument(std::shared_ptr<ConfigSource> source) : source_(std::move(source)) {}

  std::shared_ptr<ConfigSource> source_;
};

/// Files above this size are refused unread.
inline constexpr int64_t largest_config_bytes = int64_t{1} << 20;

/// `overrides` are `path.to.key=value`, applied in order; a number in a path counts list entries from 1, as
/// in `level.1.chunk=4`. The value is TOML, or, where it does not parse as such, text. Throws Error if the
/// file cannot be read, is no UTF-8 or no TOML, UsageError for an override that cannot be applied.
ConfigDocument load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
/// The same on text; `source_name` stands for the file in messages.
ConfigDocument parse_config(std::string_view toml, const std::string& source_name,
                            const std::vector<std::string>& overrides = {});

/// `value` as a TOML float: the shortest text that reads back equal.
std::string toml_number(double value);
/// `value` as a TOML basic string, quotes included.
std::string toml_text(std::string_view value);

}  // namespace photon
