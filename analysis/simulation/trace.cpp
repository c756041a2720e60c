// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/line_reader.h"

namespace photon::analysis::simulation {
namespace {

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Takes `width` digits and the character behind them, if one is wanted.
std::optional<int> take(std::string_view& text, size_t width, std::string_view behind) {
  if (text.size() < width + (behind.empty() ? 0 : 1)) return std::nullopt;
  if (text[0] == '-') return std::nullopt;
  const auto value = number<int>(text.substr(0, width));
  text.remove_prefix(width);
  if (behind.empty()) return value;
  if (behind.find(text[0]) == std::string_view::npos) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

/// "2023-11-16 18:15:46.6805900", with T for the space and Z or +00:00 behind it if one likes; seconds of
/// 1970.
std::optional<double> timestamp(std::string_view text) {
  for (const std::string_view utc : {"Z", "+00:00"}) {
    if (text.ends_with(utc)) text.remove_suffix(utc.size());
  }
  const auto year = take(text, 4, "-");
  const auto month = take(text, 2, "-");
  const auto day = take(text, 2, " T");
  const auto hour = take(text, 2, ":");
  const auto minute = take(text, 2, ":");
  const auto second = take(text, 2, "");
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  double fraction = 0.0;
  if (!text.empty()) {
    const auto digits = [](char c) { return c >= '0' && c <= '9'; };
    if (text[0] != '.' || text.size() < 2 || !std::all_of(text.begin() + 1, text.end(), digits))
      return std::nullopt;
    fraction = number<double>("0" + std::string(text)).value_or(0.0);
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return static_cast<double>(days) * 86400.0 + *hour * 3600.0 + *minute * 60.0 + *second + fraction;
}

void strip_line_end(std::string& line) {
  if (line.ends_with('\n')) line.pop_back();
  if (line.ends_with('\r')) line.pop_back();
}

size_t column_of(const std::vector<std::string>& header, std::string_view name, const std::string& where) {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    throw Error(
        fmt::format("{}: the header has no column {}; a trace has TIMESTAMP, ContextTokens and "
                    "GeneratedTokens",
                    where, name));
  }
  return static_cast<size_t>(found - header.begin());
}

int64_t tokens(const std::string& cell, std::string_view column, const std::string& where) {
  const auto value = number<int64_t>(cell);
  if (!value) throw Error(fmt::format("{}: {} is {}, no whole number", where, column, in_quotes(cell)));
  if (*value < 0 || *value > longest_text) {
    throw Error(fmt::format("{}: {} is {}; 0 to {} are allowed", where, column, *value, longest_text));
  }
  return *value;
}

}  // namespace

Trace read_trace(const std::filesystem::path& file) {
  LineReader lines(file);
  std::string line;
  if (!lines.next(line)) throw Error(fmt::format("{}: empty; a trace begins with a header", file.string()));
  strip_line_end(line);
  const std::vector<std::string> header = split_csv_line(line, lines.where());
  const size_t time_at = column_of(header, "TIMESTAMP", lines.where());
  const size_t prompt_at = column_of(header, "ContextTokens", lines.where());
  const size_t answer_at = column_of(header, "GeneratedTokens", lines.where());

  Trace trace;
  std::optional<double> first;
  double last = 0.0;
  while (lines.next(line)) {
    strip_line_end(line);
    const std::string where = lines.where();
    const auto cells = split_csv_line(line, where);
    if (cells.size() != header.size()) {
      throw Error(fmt::format("{}: {} cells, the header has {}", where, cells.size(), header.size()));
    }
    const auto time = timestamp(cells[time_at]);
    if (!time) {
      throw Error(fmt::format("{}: TIMESTAMP is {}, not like 2023-11-16 18:15:46.6805900", where,
                              in_quotes(cells[time_at])));
    }
    if (!first) first = last = *time;
    if (*time < last) throw Error(fmt::format("{}: this request comes before the one above it", where));
    last = *time;
    const Request request{.arrival = *time - *first,
                          .prompt = tokens(cells[prompt_at], "ContextTokens", where),
                          .answer = tokens(cells[answer_at], "GeneratedTokens", where)};
    if (request.prompt == 0 || request.answer == 0) {
      ++trace.left_out;
      continue;
    }
    if (std::ssize(trace.requests) == most_requests) {
      throw Error(fmt::format("{}: more than {} requests", where, most_requests));
    }
    trace.requests.push_back(request);
  }
  if (trace.requests.empty()) throw Error(fmt::format("{}: no request in this trace", file.string()));
  return trace;
}

}  // namespace photon::analysis::simulation
