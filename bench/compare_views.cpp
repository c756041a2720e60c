// SPDX-License-Identifier: Apache-2.0
// What `photon bench compare` prints.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "bench/compare.h"
#include "core/base/table.h"

namespace photon::bench {
namespace {

std::string interval(const Comparison& c) {
  return c.low ? fmt::format("{:.4g} to {:.4g}", *c.low, *c.high) : "";
}

std::string list(const std::string& title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string out = fmt::format("\n{}:\n\n", title);
  for (const std::string& item : items) out += fmt::format("- {}\n", item);
  return out;
}

nlohmann::ordered_json json_of(const Comparison& c) {
  nlohmann::ordered_json out{{"model", c.model},   {"case", c.what},  {"quantity", c.quantity},
                             {"a", c.a},           {"b", c.b},        {"rows_a", c.rows_a},
                             {"rows_b", c.rows_b}, {"ratio", c.ratio}};
  if (c.low) out["low"] = *c.low;
  if (c.high) out["high"] = *c.high;
  out["interval_from"] = c.interval_from;
  out["verdict"] = to_string(c.verdict);
  return out;
}

}  // namespace

std::string to_markdown(const CompareReport& report, const CompareRule& rule) {
  std::vector<TableColumn> table;
  for (const char* title :
       {"model", "case", "quantity", "A", "B", "speed B / A", "interval", "from", "verdict"}) {
    table.push_back({.title = title, .cells = {}, .is_text = true});
  }
  table[3].is_text = table[4].is_text = table[5].is_text = false;
  for (const Comparison& c : report.comparisons) {
    const char* unit = c.quantity == "throughput" ? "tok/s" : "s";
    const std::array<std::string, 9> row{c.model,
                                         c.what,
                                         std::string(c.quantity),
                                         fmt::format("{} {}", readable_number(c.a), unit),
                                         fmt::format("{} {}", readable_number(c.b), unit),
                                         fmt::format("{:.4g}", c.ratio),
                                         interval(c),
                                         c.interval_from == "rows"
                                             ? fmt::format("{} and {} rows", c.rows_a, c.rows_b)
                                             : std::string(c.interval_from),
                                         std::string(to_string(c.verdict))};
    for (size_t i = 0; i < row.size(); ++i) table[i].cells.push_back(row[i]);
  }
  constexpr size_t naming = 3;
  std::string out = markdown_table(table, naming);
  const auto count = [&](Verdict verdict) {
    return std::count_if(report.comparisons.begin(), report.comparisons.end(),
                         [&](const Comparison& c) { return c.verdict == verdict; });
  };
  out += fmt::format(
      "\n{} faster, {} slower, {} same (within {:g} %), {} cannot tell; intervals hold with {:g} % each.\n",
      count(Verdict::faster), count(Verdict::slower), count(Verdict::same), 100.0 * rule.same_within,
      count(Verdict::cannot_tell), 100.0 * rule.confidence);
  const bool single = std::any_of(report.comparisons.begin(), report.comparisons.end(),
                                  [](const Comparison& c) { return c.interval_from == "samples"; });
  if (single) {
    out +=
        "\"samples\": one row in each file. How much one run of the program differs from the next is not "
        "known from them; measure each file's cases several times to know.\n";
  }
  return out + list("Only in A", report.only_in_a) + list("Only in B", report.only_in_b) +
         list("Left out", report.left_out);
}

std::string to_json(const CompareReport& report, const CompareRule& rule) {
  nlohmann::ordered_json out{{"confidence", rule.confidence}, {"same_within", rule.same_within}};
  auto& comparisons = out["comparisons"] = nlohmann::ordered_json::array();
  for (const Comparison& c : report.comparisons) comparisons.push_back(json_of(c));
  out["only_in_a"] = report.only_in_a;
  out["only_in_b"] = report.only_in_b;
  out["left_out"] = report.left_out;
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace photon::bench
