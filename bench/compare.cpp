// SPDX-License-Identifier: Apache-2.0
#include "bench/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "bench/log_ratio.h"
#include "bench/statistics.h"
#include "core/base/error.h"

namespace photon::bench {
namespace {

struct Line {
  ResultRow row;
  size_t number;  ///< in the file; a cell holds no line break, so row i is on line i + 2
};

/// What rows of one case have in common, in all files.
constexpr auto case_columns = std::to_array<std::string_view>(
    {"model", "architecture", "reading", "parameters", "width", "chunks", "prefix", "dtype", "regime",
     "generation", "schedule", "prompt", "new_tokens", "batch", "samples_per_prompt"});
/// What they must have in common to be the same measurement repeated.
constexpr auto setting_columns =
    std::to_array<std::string_view>({"commit", "dirty", "backend", "device", "threads"});

template <size_t N>
std::string joined(const ResultRow& row, const std::array<std::string_view, N>& columns) {
  std::string out;
  for (const std::string_view column : columns) out += row.text(column) + '\n';
  return out;
}

struct CaseRows {
  std::string key;
  std::vector<Line> lines;
};

struct File {
  std::filesystem::path path;
  std::vector<CaseRows> cases;  ///< in the order of the file
  const CaseRows* find(const std::string& key) const {
    const auto it = std::find_if(cases.begin(), cases.end(), [&](const auto& c) { return c.key == key; });
    return it == cases.end() ? nullptr : &*it;
  }
};

std::string place(const File& file, const Line& line) {
  return fmt::format("{}, line {}", file.path.string(), line.number);
}

std::string what_of(const ResultRow& row) {
  std::string out = row.text("regime");
  if (out == "custom") out = fmt::format("{} in, {} out", row.text("prompt"), row.text("new_tokens"));
  for (const char* column : {"generation", "schedule"}) {
    if (!row.empty(column)) out += " " + row.text(column);
  }
  out += " B=" + row.text("batch");
  if (row.text("samples_per_prompt") != "1") out += " N=" + row.text("samples_per_prompt");
  return out + " " + row.text("dtype");
}

std::string name_of(const CaseRows& c) {
  return fmt::format("{} {}", c.lines.front().row.text("model"), what_of(c.lines.front().row));
}

File read(const std::filesystem::path& path, std::vector<std::string>& left_out) {
  File file{path, {}};
  const std::vector<ResultRow> rows = read_results(path);
  size_t others = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].text("kind") != "bench") {
      ++others;
      continue;
    }
    const std::string key = joined(rows[i], case_columns);
    auto it = std::find_if(file.cases.begin(), file.cases.end(), [&](const auto& c) { return c.key == key; });
    if (it == file.cases.end()) it = file.cases.insert(it, {key, {}});
    it->lines.push_back({rows[i], i + 2});
  }
  if (others > 0)
    left_out.push_back(fmt::format("{}: {} rows of other kinds than bench", path.string(), others));
  for (CaseRows& c : file.cases) {  // the latest row's program and machine count
    const ResultRow& latest = c.lines.back().row;
    const std::string setting = joined(latest, setting_columns);
    const std::string kept = fmt::format("commit {:.9}, {}", latest.text("commit"), latest.text("device"));
    std::erase_if(c.lines, [&](const Line& line) {
      if (joined(line.row, setting_columns) == setting) return false;
      left_out.push_back(fmt::format("{}: {} of commit {:.9}, {}; its latest row is of {}", place(file, line),
                                     line.row.text("model") + " " + what_of(line.row),
                                     line.row.text("commit"), line.row.text("device"), kept));
      return true;
    });
  }
  return file;
}

double positive(const File& file, const Line& line, std::string_view column) {
  const auto value = line.row.number(column);
  if (value && *value > 0.0) return *value;
  throw Error(fmt::format("{}, column {}: {}, a positive number is needed to compare this row",
                          place(file, line), column, value ? line.row.text(column) : "empty"));
}

struct Quantity {
  const char* name;
  const char* column;
  bool is_time;
};
constexpr std::array<Quantity, 3> quantities{{{"throughput", "throughput_tokens_per_s", false},
                                              {"prefill", "prefill_seconds", true},
                                              {"decode", "decode_seconds", true}}};

/// The rows of one case as speeds. The spread is that of prefill + decode together; a phase is held
/// responsible for all of it.
Side side_of(const File& file, const CaseRows& c, const Quantity& q) {
  Side side;
  for (const Line& line : c.lines) {
    const double value = positive(file, line, q.column);
    side.logs.push_back(q.is_time ? -std::log(value) : std::log(value));
    const auto samples = static_cast<int64_t>(positive(file, line, "samples"));
    const auto spread = line.row.number("spread");
    if (spread && *spread < 0.0)
      throw Error(fmt::format("{}, column spread: {} is negative", place(file, line), *spread));
    std::optional<double> variance;
    if (spread) variance = variance_of_row(samples, *spread);
    if (variance && q.is_time) {
      const double total =
          line.row.number("prefill_seconds").value_or(0.0) + line.row.number("decode_seconds").value_or(0.0);
      *variance *= total / value * (total / value);
    }
    side.variances.push_back(variance);
    side.samples.push_back(samples);
  }
  return side;
}

/// |log| of the change of the machine between two single rows, by the ceilings measured beside each; 0 for
/// two machines, whose ceilings differ for good.
double drift(const ResultRow& a, const ResultRow& b) {
  for (const char* column : {"backend", "device", "threads"}) {
    if (a.text(column) != b.text(column)) return 0.0;
  }
  double out = 0.0;
  for (const char* column : {"ceiling_bandwidth_bytes_per_s", "ceiling_matrix_flops_per_s"}) {
    const double in_a = a.number(column).value_or(0.0);
    const double in_b = b.number(column).value_or(0.0);
    if (in_a > 0.0 && in_b > 0.0) out = std::max(out, std::abs(std::log(in_b / in_a)));
  }
  return out;
}

bool same_rows(const CaseRows& a, const CaseRows& b) {
  const auto texts = [](const CaseRows& c) {
    std::multiset<std::string> out;
    for (const Line& line : c.lines) out.insert(to_csv({&line.row, 1}));
    return out;
  };
  return texts(a) == texts(b);
}

double median_of(const CaseRows& c, const char* column) {
  std::vector<double> values;
  for (const Line& line : c.lines) values.push_back(*line.row.number(column));
  return median(values);
}

Comparison compare_case(const File& fa, const CaseRows& a, const File& fb, const CaseRows& b,
                        const Quantity& q, const CompareRule& rule) {
  const Side in_a = side_of(fa, a, q);
  const Side in_b = side_of(fb, b, q);
  Comparison out;
  out.model = a.lines.front().row.text("model");
  out.what = what_of(a.lines.front().row);
  out.quantity = q.name;
  out.a = median_of(a, q.column);
  out.b = median_of(b, q.column);
  out.rows_a = std::ssize(a.lines);
  out.rows_b = std::ssize(b.lines);
  if (same_rows(a, b)) {
    out.low = out.high = 1.0;
    out.interval_from = "the same rows";
    out.verdict = Verdict::same;
    return out;
  }
  const LogRatio found = log_ratio(in_a, in_b, rule.confidence);
  out.ratio = std::exp(found.value);
  out.interval_from = found.between_runs ? "rows" : "samples";
  if (!found.half_width) {
    out.interval_from = "one sample";
    return out;
  }
  double half = *found.half_width;
  if (!found.between_runs) half += drift(a.lines.front().row, b.lines.front().row);
  out.low = std::exp(found.value - half);
  out.high = std::exp(found.value + half);
  out.verdict = judge(*out.low, *out.high, rule);
  return out;
}

/// A prompt shorter than a meta-context has no prefill.
bool has_prefill(const CaseRows& c) {
  return std::any_of(c.lines.begin(), c.lines.end(),
                     [](const Line& line) { return !line.row.empty("prefill_tokens_per_s"); });
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::faster:
      return "faster";
    case Verdict::slower:
      return "slower";
    case Verdict::same:
      return "same";
    case Verdict::cannot_tell:
      return "cannot tell";
  }
  return "";
}

Verdict judge(double low, double high, const CompareRule& rule) {
  const double most = 1.0 + rule.same_within;
  if (low >= 1.0 / most && high <= most) return Verdict::same;
  if (low > 1.0) return Verdict::faster;
  if (high < 1.0) return Verdict::slower;
  return Verdict::cannot_tell;
}

CompareReport compare(const std::filesystem::path& a, const std::filesystem::path& b,
                      const CompareRule& rule) {
  CompareReport out;
  const File in_a = read(a, out.left_out);
  const File in_b = read(b, out.left_out);
  for (const CaseRows& c : in_a.cases) {
    const CaseRows* partner = in_b.find(c.key);
    if (partner == nullptr) {
      out.only_in_a.push_back(name_of(c));
      continue;
    }
    for (const Quantity& q : quantities) {
      if (std::string_view(q.name) == "prefill" && !has_prefill(c) && !has_prefill(*partner)) continue;
      out.comparisons.push_back(compare_case(in_a, c, in_b, *partner, q, rule));
    }
  }
  for (const CaseRows& c : in_b.cases) {
    if (in_a.find(c.key) == nullptr) out.only_in_b.push_back(name_of(c));
  }
  if (out.comparisons.empty()) {
    throw UsageError(
        fmt::format("{} and {} have no case in common: {} and {} bench cases, of other models, "
                    "workloads, batches or element types",
                    a.string(), b.string(), in_a.cases.size(), in_b.cases.size()));
  }
  return out;
}

}  // namespace photon::bench
