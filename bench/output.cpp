// SPDX-License-Identifier: Apache-2.0
#include "bench/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "core/base/error.h"
#include "core/base/table.h"

namespace photon::bench {
namespace {

constexpr auto workload =
    std::to_array<std::string_view>({"model", "dtype", "regime", "prompt", "new_tokens", "generation",
                                     "schedule", "batch", "samples_per_prompt"});
constexpr auto speed = std::to_array<std::string_view>(
    {"prefill_tokens_per_s", "decode_tokens_per_s", "throughput_tokens_per_s", "ttft_seconds",
     "burst_p50_seconds", "burst_p99_seconds", "samples", "spread", "stop"});
constexpr auto training = std::to_array<std::string_view>(
    {"batch", "length", "recompute", "step_seconds", "step_gradient_seconds", "step_optimizer_seconds",
     "step_tokens_per_s", "step_flops", "ceiling_matrix_flops_per_s", "step_mfu", "step_bytes_planned",
     "samples", "spread"});
constexpr auto memory = std::to_array<std::string_view>(
    {"throughput_tokens_per_s", "kv_bytes_ideal_per_sample", "kv_bytes_planned_per_sample",
     "kv_bytes_measured_per_sample", "tpm_ideal_ktok_per_s_per_gib", "tpm_planned_ktok_per_s_per_gib",
     "tpm_measured_ktok_per_s_per_gib"});
constexpr auto floors = std::to_array<std::string_view>(
    {"prefill_seconds", "prefill_serial_seconds", "prefill_serial_fraction", "prefill_mfu", "prefill_bound",
     "decode_seconds", "decode_serial_seconds", "decode_serial_fraction", "decode_mbu", "decode_mfu",
     "decode_bound", "ceiling_bandwidth_bytes_per_s", "ceiling_matrix_flops_per_s"});

constexpr auto predictions = std::to_array<std::string_view>(
    {"prefill_predicted_seconds", "prefill_seconds", "decode_predicted_seconds", "decode_seconds"});

bool filled(const std::vector<ResultRow>& rows, std::string_view column) {
  return std::any_of(rows.begin(), rows.end(), [&](const ResultRow& r) { return !r.empty(column); });
}

bool differs(const std::vector<ResultRow>& rows, std::string_view column) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const ResultRow& r) { return r.text(column) != rows[0].text(column); });
}

std::string table(const std::vector<ResultRow>& rows, std::string_view title,
                  std::span<const std::string_view> columns) {
  std::vector<std::string_view> shown;
  std::copy_if(workload.begin(), workload.end(), std::back_inserter(shown),
               [&](std::string_view name) { return differs(rows, name); });
  std::copy_if(columns.begin(), columns.end(), std::back_inserter(shown),
               [&](std::string_view name) { return filled(rows, name); });
  return fmt::format("\n**{}**\n\n{}", title, to_markdown(rows, shown));
}

}  // namespace

Output::Format Output::parse_format(std::string_view name) {
  if (name == "md") return Format::markdown;
  if (name == "csv") return Format::csv;
  if (name == "json" || name == "jsonl") return Format::jsonl;
  throw UsageError(fmt::format("no format '{}'; there is: md, json (a line for each row), csv", name));
}

std::vector<ResultRow> open_results(const std::filesystem::path& file) {
  const bool exists = std::filesystem::exists(file);
  std::vector<ResultRow> rows;
  if (exists) rows = read_results(file);
  append_results(file, {});  // no row, with all that adding one checks
  if (!exists) std::filesystem::remove(file);
  return rows;
}

Output::Output(Format format, std::filesystem::path file) : format_(format), file_(std::move(file)) {
  if (!file_.empty()) in_file_ = open_results(file_);
}

void Output::add(const ResultRow& row) {
  if (!file_.empty()) append_results(file_, {&row, 1});
  rows_.push_back(row);
  ++added_;
  if (format_ == Format::jsonl) fmt::print("{}", to_jsonl({&row, 1}));
  if (format_ == Format::csv) {
    const std::string text = to_csv({&row, 1});
    fmt::print("{}", added_ == 1 ? text : text.substr(text.find('\n') + 1));
  }
  std::fflush(stdout);
}

void Output::finish() {
  if (format_ == Format::markdown && !rows_.empty()) fmt::print("{}", tables(rows_));
}

std::string tables(const std::vector<ResultRow>& rows) {
  std::vector<std::string> shared;
  for (const std::string_view name : workload) {
    if (differs(rows, name) || !filled(rows, name)) continue;
    shared.push_back(fmt::format("{}: {}", name, rows[0].text(name)));
  }
  const std::string common = shared.empty() ? "" : in_lines(shared) + "\n";
  if (filled(rows, "step_seconds")) return common + table(rows, "Training steps", training);
  return common + table(rows, "Speed", speed) + table(rows, "Memory of a sample", memory) +
         table(rows, "Beside the floors", floors) +
         (filled(rows, "decode_predicted_seconds") ? table(rows, "Beside the predictions", predictions) : "");
}

}  // namespace photon::bench
