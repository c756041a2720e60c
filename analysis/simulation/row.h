// SPDX-License-Identifier: Apache-2.0
// One simulated fleet, a row: what was served, by what, and how well. The columns are defined in
// docs/numbers.md; CSV is what figures and the report are made from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace photon::analysis::simulation {

struct Row {
  static constexpr int64_t version = 2;
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();  ///< an empty cell

  int64_t schema_version = version;
  std::string model, architecture, reading, generation, hardware, ceilings, dtype;
  std::string band, efficiency;
  double prefill_efficiency = none, decode_efficiency = none;
  std::string arrivals, prompt_law, answer_law;
  double offered_requests_per_s = none;
  double prompt = none, new_tokens = none;
  int64_t samples_per_prompt = 1, shared_prefix = 0, requests = 0, seed = 0;
  int64_t replicas = 1, prefill_tokens = 0, row_limit = 0;
  double limit_ttft_seconds = none, limit_burst_seconds = none;
  double limit_token_seconds = none, limit_total_seconds = none;

  double load = none;
  std::string verdict;

  int64_t refused = 0, done_at_last_arrival = 0, in_flight_at_last_arrival = 0;
  double interval_seconds = none, requests_per_s = none, throughput_tokens_per_s = none;
  double wait_mean_seconds = none;
  double ttft_p50_seconds = none, ttft_p90_seconds = none, ttft_p99_seconds = none;
  double ttft_p50_error_seconds = none, ttft_p99_error_seconds = none;
  double burst_p50_seconds = none, burst_p90_seconds = none, burst_p99_seconds = none;
  double burst_p50_error_seconds = none, burst_p99_error_seconds = none;
  double token_p50_seconds = none, token_p99_seconds = none;
  double token_p50_error_seconds = none, token_p99_error_seconds = none;
  double total_p50_seconds = none, total_p99_seconds = none;
  double total_p50_error_seconds = none, total_p99_error_seconds = none;
  double within_limits = none, within_limits_error = none, goodput_requests_per_s = none;
  double utilisation = none, batch_mean = none, in_system_mean = none;
  int64_t batch_peak = 0;
  double memory_peak = none, requests_per_gib = none;
  double cost_per_million_tokens = none, energy_kwh_per_million_tokens = none;
};

struct Column {
  std::string_view name;
  std::string_view unit;
  std::string_view meaning;  ///< one line
  std::variant<std::string Row::*, int64_t Row::*, double Row::*> field;
  enum class Shown { no, setting, figure } shown = Shown::no;  ///< in Markdown
  double Row::*error = nullptr;  ///< half of its 95 % interval: in Markdown behind it
};

/// All columns in file order.
std::span<const Column> columns();

std::string to_csv(std::span<const Row> rows);   ///< with header
std::string to_json(std::span<const Row> rows);  ///< an array; empty cells left out
/// For reading, in lines of 120 characters: settings equal in every row above the table, a line a quantity.
std::string to_markdown(std::span<const Row> rows);

/// Throws Error with file and line on another header or version and on cells that do not fit.
std::vector<Row> read_rows(const std::filesystem::path& file);

}  // namespace photon::analysis::simulation
