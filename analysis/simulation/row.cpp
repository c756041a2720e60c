// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/csv.h"
#include "core/base/error.h"

namespace photon::analysis::simulation {
namespace {

/// Every digit that reading back needs; "" for an empty cell.
std::string cell_of(const Row& row, const Column& column) {
  return std::visit(
      [&](auto field) -> std::string {
        const auto& value = row.*field;
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
          return std::isnan(value) ? "" : fmt::format("{}", value);
        } else {
          return fmt::format("{}", value);
        }
      },
      column.field);
}

void set_cell(Row& row, const Column& column, const std::string& cell, const std::string& where) {
  const std::string place = fmt::format("{}, column {}", where, column.name);
  if (const auto* text = std::get_if<std::string Row::*>(&column.field)) {
    row.*(*text) = cell;
  } else if (const auto* real = std::get_if<double Row::*>(&column.field)) {
    row.*(*real) = cell.empty() ? Row::none : csv_number(cell, place);
  } else {
    int64_t value = 0;
    const auto [end, status] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (status != std::errc{} || end != cell.data() + cell.size())
      throw Error(fmt::format("{}: {} is no whole number", place, in_quotes(cell)));
    row.*std::get<int64_t Row::*>(column.field) = value;
  }
}

}  // namespace

std::span<const Column> columns() {
  constexpr auto setting = Column::Shown::setting;
  constexpr auto figure = Column::Shown::figure;
  constexpr std::string_view half = "half of its 95 % interval, from ten batches";
  static const auto all = std::to_array<Column>({
      {"schema_version", "", "of these columns", &Row::schema_version},
      {"model", "", "name of the spec", &Row::model, setting},
      {"architecture", "", "vanilla, block or photon", &Row::architecture},
      {"reading", "", "causal, parallel, literal or hatted; empty for vanilla", &Row::reading},
      {"generation", "", "hiergen or recgen (streamed)", &Row::generation, setting},
      {"hardware", "", "name in the hardware file", &Row::hardware, setting},
      {"ceilings", "", "measured, reported by others or of the data sheet", &Row::ceilings, setting},
      {"dtype", "", "of weights and cache", &Row::dtype, setting},
      {"band", "", "low, mid or high end of the efficiency", &Row::band, setting},
      {"efficiency", "", "where it comes from", &Row::efficiency, setting},
      {"prefill_efficiency", "", "serial floor / time of prefill", &Row::prefill_efficiency, setting},
      {"decode_efficiency", "", "serial floor / time of decode", &Row::decode_efficiency, setting},
      {"arrivals", "", "poisson, bursts, at once or trace", &Row::arrivals, setting},
      {"prompt_law", "", "of the prompts' lengths", &Row::prompt_law, setting},
      {"answer_law", "", "of the answers' lengths", &Row::answer_law, setting},
      {"offered_requests_per_s", "1/s", "that arrive, mean", &Row::offered_requests_per_s, setting},
      {"prompt", "tokens", "in, mean", &Row::prompt, setting},
      {"new_tokens", "tokens", "out of each sample, mean", &Row::new_tokens, setting},
      {"samples_per_prompt", "", "of each request", &Row::samples_per_prompt, setting},
      {"shared_prefix", "tokens", "that all prompts begin with", &Row::shared_prefix, setting},
      {"requests", "", "that arrived", &Row::requests, setting},
      {"seed", "", "of arrivals and lengths", &Row::seed, setting},
      {"replicas", "", "GPUs, each with a model", &Row::replicas, setting},
      {"prefill_tokens", "tokens", "encoded in a step at most, a token that it adds to a row",
       &Row::prefill_tokens, setting},
      {"row_limit", "rows", "in a batch at most; 0: as memory allows", &Row::row_limit, setting},
      {"limit_ttft_seconds", "s", "wanted", &Row::limit_ttft_seconds, setting},
      {"limit_burst_seconds", "s", "wanted", &Row::limit_burst_seconds, setting},
      {"limit_token_seconds", "s", "wanted", &Row::limit_token_seconds, setting},
      {"limit_total_seconds", "s", "wanted", &Row::limit_total_seconds, setting},
      {"load", "", "requests that arrive / that the replicas can do at most", &Row::load, figure},
      {"verdict", "", "steady, near saturation, overloaded or too short; empty if at once", &Row::verdict,
       figure},
      {"refused", "", "requests that no empty replica could hold", &Row::refused, figure},
      {"done_at_last_arrival", "", "requests", &Row::done_at_last_arrival},
      {"in_flight_at_last_arrival", "", "requests that waited or were served",
       &Row::in_flight_at_last_arrival},
      {"interval_seconds", "s", "from the first arrival, of all rates", &Row::interval_seconds},
      {"requests_per_s", "1/s", "done", &Row::requests_per_s, figure},
      {"throughput_tokens_per_s", "tokens/s", "of the answers done, of the whole fleet",
       &Row::throughput_tokens_per_s, figure},
      {"wait_mean_seconds", "s", "arrival to admission", &Row::wait_mean_seconds},
      {"ttft_p50_seconds", "s", "arrival to first token", &Row::ttft_p50_seconds, figure,
       &Row::ttft_p50_error_seconds},
      {"ttft_p90_seconds", "s", "arrival to first token", &Row::ttft_p90_seconds},
      {"ttft_p99_seconds", "s", "arrival to first token", &Row::ttft_p99_seconds, figure,
       &Row::ttft_p99_error_seconds},
      {"ttft_p50_error_seconds", "s", half, &Row::ttft_p50_error_seconds},
      {"ttft_p99_error_seconds", "s", half, &Row::ttft_p99_error_seconds},
      {"burst_p50_seconds", "s", "between two bursts of a request", &Row::burst_p50_seconds, figure,
       &Row::burst_p50_error_seconds},
      {"burst_p90_seconds", "s", "between two bursts of a request", &Row::burst_p90_seconds},
      {"burst_p99_seconds", "s", "between two bursts of a request", &Row::burst_p99_seconds, figure,
       &Row::burst_p99_error_seconds},
      {"burst_p50_error_seconds", "s", half, &Row::burst_p50_error_seconds},
      {"burst_p99_error_seconds", "s", half, &Row::burst_p99_error_seconds},
      {"token_p50_seconds", "s", "a token after the first burst, mean of a request", &Row::token_p50_seconds,
       figure, &Row::token_p50_error_seconds},
      {"token_p99_seconds", "s", "a token after the first burst, mean of a request", &Row::token_p99_seconds,
       figure, &Row::token_p99_error_seconds},
      {"token_p50_error_seconds", "s", half, &Row::token_p50_error_seconds},
      {"token_p99_error_seconds", "s", half, &Row::token_p99_error_seconds},
      {"total_p50_seconds", "s", "arrival to last token", &Row::total_p50_seconds},
      {"total_p99_seconds", "s", "arrival to last token", &Row::total_p99_seconds, figure,
       &Row::total_p99_error_seconds},
      {"total_p50_error_seconds", "s", half, &Row::total_p50_error_seconds},
      {"total_p99_error_seconds", "s", half, &Row::total_p99_error_seconds},
      {"within_limits", "", "share of the requests", &Row::within_limits, figure, &Row::within_limits_error},
      {"within_limits_error", "", half, &Row::within_limits_error},
      {"goodput_requests_per_s", "1/s", "done within the limits", &Row::goodput_requests_per_s, figure},
      {"utilisation", "", "share of the time in which a replica steps", &Row::utilisation, figure},
      {"batch_mean", "rows", "decoded in a step, over time", &Row::batch_mean, figure},
      {"batch_peak", "requests", "admitted at once to one replica", &Row::batch_peak},
      {"in_system_mean", "requests", "waiting or served, over time", &Row::in_system_mean},
      {"memory_peak", "", "planned for requests / room for them", &Row::memory_peak},
      {"requests_per_gib", "1/GiB", "that one GiB of cache memory holds", &Row::requests_per_gib, figure},
      {"cost_per_million_tokens", "$", "out: US dollars", &Row::cost_per_million_tokens, figure},
      {"energy_kwh_per_million_tokens", "kWh", "out", &Row::energy_kwh_per_million_tokens, figure},
  });
  return all;
}

std::string to_csv(std::span<const Row> rows) {
  std::string out;
  for (const Column& c : columns()) out += (out.empty() ? "" : ",") + std::string(c.name);
  out += '\n';
  for (const Row& row : rows) {
    std::string line;
    for (const Column& c : columns()) {
      if (&c != &columns().front()) line += ',';
      line += csv_cell(cell_of(row, c));
    }
    out += line + '\n';
  }
  return out;
}

std::string to_json(std::span<const Row> rows) {
  auto out = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json object;
    for (const Column& c : columns()) {
      if (cell_of(row, c).empty()) continue;
      std::visit([&](auto field) { object[std::string(c.name)] = row.*field; }, c.field);
    }
    out.push_back(std::move(object));
  }
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::vector<Row> read_rows(const std::filesystem::path& file) {
  CsvReader reader(file);
  const auto& header = reader.header();
  if (header.empty() || header.front() != "schema_version") {
    throw Error(fmt::format("{}, line 1: no rows of photon simulate: the first column is {}", file.string(),
                            in_quotes(header.empty() ? "" : header.front())));
  }
  std::vector<Row> rows;
  std::vector<std::string> cells;
  while (reader.next(cells)) {
    if (cells.front() != std::to_string(Row::version)) {
      throw Error(fmt::format("{}, column schema_version: this is {}, this program reads {}; simulate again",
                              reader.where(), in_quotes(cells.front()), Row::version));
    }
    Row row;
    for (size_t i = 0; i < header.size(); ++i) {
      if (i >= columns().size() || header[i] != columns()[i].name) {
        throw Error(fmt::format("{}, line 1: column {} is {}, {} was expected", file.string(), i + 1,
                                in_quotes(header[i]),
                                i < columns().size() ? columns()[i].name : std::string_view("no more")));
      }
      set_cell(row, columns()[i], cells[i], reader.where());
    }
    if (header.size() != columns().size()) {
      throw Error(fmt::format("{}, line 1: {} columns, {} were expected", file.string(), header.size(),
                              columns().size()));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace photon::analysis::simulation
