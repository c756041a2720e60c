// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <variant>

#include "analysis/draw/format.h"
#include "analysis/draw/html.h"
#include "analysis/page/page_template.h"
#include "analysis/paper/tables.h"
#include "analysis/report/ranking.h"
#include "analysis/report/summary.h"
#include "core/base/csv.h"

namespace photon::analysis {
namespace {

const ResultColumn& column_named(std::string_view name) {
  const auto columns = result_columns();
  return *std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
}

bool is_count(const std::string& cell) {
  return cell.size() <= 7 && cell.find_first_not_of("0123456789") == std::string::npos;
}

/// Of a floor or of a ceiling: what is above 1 needs a word.
bool is_fraction(std::string_view column) {
  return column.ends_with("_serial_fraction") || column.ends_with("_mbu") || column.ends_with("_mfu");
}

bool is_above_one(const ResultRow& row, std::string_view column) {
  return is_fraction(column) && row.number(column).value_or(0.0) > 1.0;
}

/// Shortened for reading, with every digit behind it.
HtmlCell cell_of(const ResultRow& row, const ResultColumn& column) {
  const std::string& text = row.text(column.name);
  // Forty hexadecimal digits help nobody in a table.
  if (column.name == "commit") return {html_escape(text.substr(0, 10)), text};
  if (text.empty() || column.is_text) return html_escape(text);
  const double value = *row.number(column.name);
  if (column.unit == "B") return {readable_bytes(value), text};
  if (column.unit.starts_with("FLOP") || column.unit == "B/s" || column.name == "parameters")
    return {with_prefix(value), text};
  if (is_count(text)) return {column.name.ends_with("seed") ? text : with_commas(text), text};
  const std::string mark =
      is_above_one(row, column.name) ? fmt::format("<sup title=\"{}\">†</sup>", above_one_text) : "";
  return {significant(value, 4) + mark, text};
}

std::string unit_of(const ResultColumn& column) {
  return column.unit == "B" ? "" : std::string(column.unit);
}

enum class Columns { these, all };

/// The named columns of the given rows; the first cell leads back to the file. With all columns the others
/// can be chosen.
Html rows_table(const ResultSet& results, const std::vector<size_t>& members,
                std::vector<std::string_view> columns, const std::string& caption, bool anchors,
                Columns which = Columns::these) {
  if (members.empty()) return {};
  HtmlTable table;
  table.caption = {caption};
  table.columns.push_back({"row", "", true});
  const size_t shown = columns.size();
  for (const ResultColumn& column : result_columns()) {
    if (which == Columns::all && std::find(columns.begin(), columns.end(), column.name) == columns.end())
      columns.push_back(column.name);
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    const ResultColumn& column = column_named(columns[c]);
    table.columns.push_back(
        {std::string(column.name), unit_of(column), column.is_text, std::string(column.meaning), c < shown});
  }
  for (const size_t i : members) {
    const std::string source = html_escape(results.sources[i]);
    std::vector<HtmlCell> cells{anchors ? source : fmt::format("<a href=\"#row-{}\">{}</a>", i, source)};
    for (const auto name : columns) {
      cells.push_back(cell_of(results.rows[i], column_named(name)));
      if (is_above_one(results.rows[i], name)) table.note = {std::string("† ") + above_one_text};
    }
    table.rows.push_back(std::move(cells));
    table.row_ids.push_back(anchors ? fmt::format("row-{}", i) : "");
  }
  return to_html(table);
}

std::vector<size_t> of_kind(const ResultSet& results, std::string_view kind) {
  std::vector<size_t> members;
  for (size_t i = 0; i < results.rows.size(); ++i) {
    if (results.rows[i].text("kind") == kind) members.push_back(i);
  }
  return members;
}

template <class Format>
HtmlCell maybe(const std::optional<double>& value, Format format) {
  return value ? HtmlCell(format(*value), fmt::to_string(*value)) : "";
}

HtmlCell quality_cell(const Spread& bits) {
  if (!bits) return "";
  const std::string mean = fmt::format("{:.4f}", bits.mean);
  return {bits.count == 1 ? mean : fmt::format("{} ± {:.4f}", mean, bits.width() / 2.0),
          fmt::to_string(bits.mean)};
}

Html quality_rows(const ResultSet& results) {
  Html out =
      rows_table(results, of_kind(results, "eval"),
                 {"model",          "architecture",   "reading",       "generation",      "checkpoint",
                  "corpus",         "match",          "training_seed", "training_tokens", "training_flops",
                  "training_steps", "training_batch", "learning_rate", "ladder",          "token_nll",
                  "perplexity",     "bits_per_byte",  "tokens_scored", "bytes_scored",    "device",
                  "dtype"},
                 "Quality (kind = eval)", true, Columns::all);
  out += rows_table(results, of_kind(results, "ladder"),
                    {"model", "architecture", "reading", "corpus", "match", "training_seed",
                     "training_tokens", "training_flops", "training_steps", "training_batch", "learning_rate",
                     "token_nll", "bits_per_byte", "tokens_scored"},
                    "Settings that were tried (kind = ladder), on validation text", true, Columns::all);
  out += rows_table(
      results, of_kind(results, "baseline"),
      {"model", "corpus", "bits_per_byte", "token_nll", "perplexity", "tokens_scored", "bytes_scored"},
      "Text models that are no network (kind = baseline)", true, Columns::all);
  return out;
}

Html speed_rows(const ResultSet& results) {
  const auto bench = of_kind(results, "bench");
  Html out = rows_table(results, bench,
                        {"model",
                         "architecture",
                         "reading",
                         "checkpoint",
                         "dtype",
                         "regime",
                         "generation",
                         "schedule",
                         "prompt",
                         "new_tokens",
                         "batch",
                         "samples_per_prompt",
                         "ttft_seconds",
                         "prefill_seconds",
                         "decode_seconds",
                         "burst_p50_seconds",
                         "burst_p99_seconds",
                         "samples",
                         "spread",
                         "throughput_tokens_per_s",
                         "prefill_tokens_per_s",
                         "decode_tokens_per_s"},
                        "Speed (kind = bench): workload, times, rates", true, Columns::all);
  out += rows_table(results, of_kind(results, "training"),
                    {"model", "architecture", "dtype", "batch", "length", "recompute", "step_seconds",
                     "step_gradient_seconds", "step_optimizer_seconds", "samples", "spread",
                     "step_tokens_per_s", "step_flops", "step_mfu", "step_bytes_planned"},
                    "Speed of a training step (kind = training)", true, Columns::all);
  out += rows_table(
      results, bench,
      {"model", "regime", "generation", "batch", "kv_bytes_ideal_per_sample", "kv_bytes_planned_per_sample",
       "kv_bytes_measured_per_sample", "local_bytes_per_sample", "weights_bytes",
       "tpm_ideal_ktok_per_s_per_gib", "tpm_planned_ktok_per_s_per_gib", "tpm_measured_ktok_per_s_per_gib"},
      "Speed, continued: memory and throughput per memory", false);
  out += rows_table(
      results, bench,
      {"model", "regime", "generation", "batch", "prefill_weight_bytes", "prefill_kv_bytes",
       "prefill_other_bytes", "prefill_flops", "prefill_floor_seconds", "decode_weight_bytes",
       "decode_kv_bytes", "decode_other_bytes", "decode_flops", "decode_floor_seconds", "counter_bytes"},
      "Speed, continued: traffic, FLOPs and floors with perfect overlap", false);
  return out;
}

}  // namespace

Html summary_table(const ResultSet& results) {
  HtmlTable table;
  table.columns = {{"model", "", true},
                   {"method", "", true},
                   {"equal", "training", true},
                   {"parameters", ""},
                   {"tokens", "training"},
                   {"FLOPs", "training"},
                   {"steps", "training"},
                   {"batch", "training"},
                   {"rate", "peak"},
                   {"bits/byte", "± half range"},
                   {"seeds", ""},
                   {"verdict", "on bits/byte", true},
                   {"PF", "tokens/s"},
                   {"DE", "tokens/s"},
                   {"PF KV", "a sample"},
                   {"DE KV", "a sample"},
                   {"PF TPM", "ktok/s/GiB"},
                   {"DE TPM", "ktok/s/GiB"}};
  const auto prefixed = [](double v) { return with_prefix(v); };
  const auto plain = [](double v) { return significant(v); };
  const auto bytes = [](double v) { return readable_bytes(v); };
  const auto count = [](double v) { return with_commas(fmt::format("{:.0f}", v)); };
  const auto general = [](double v) { return fmt::format("{:g}", v); };
  for (const SummaryLine& line : summarize(results.rows)) {
    const int seeds = line.bits_per_byte.count;
    table.rows.push_back(
        {html_escape(line.model), html_escape(line.method), html_escape(line.match),
         maybe(line.parameters, prefixed), maybe(line.training_tokens, prefixed),
         maybe(line.training_flops, prefixed), maybe(line.training_steps, count),
         maybe(line.training_batch, general), maybe(line.learning_rate, general),
         quality_cell(line.bits_per_byte), seeds > 0 ? std::to_string(seeds) : "", html_escape(line.verdict),
         maybe(line.pf.throughput, plain), maybe(line.de.throughput, plain), maybe(line.pf.kv_ideal, bytes),
         maybe(line.de.kv_ideal, bytes), maybe(line.pf.tpm_ideal, plain), maybe(line.de.tpm_ideal, plain)});
  }
  return table.rows.empty() ? Html{} : to_html(table);
}

Html rankings(const ResultSet& results) {
  const PageTemplate& page = page_template();
  const auto quality = qualities(results.rows);
  const auto base = baselines(results.rows);
  Html out;
  for (const std::string& corpus : corpora(results.rows)) {
    const auto ranked = rank_models(quality, base, corpus);
    Html lines;
    for (const auto& line : ranking_statements(ranked)) lines += page.fill("rank", {{"statement", line}});
    for (const auto& line : training_caveats(ranked)) lines += page.fill("rank-note", {{"caveat", line}});
    for (const Ranked& r : ranked) {
      if (r.verdict == "loses to the unigram")
        lines += page.fill("rank-unigram", {{"model", r.quality->model}});
    }
    Html references;
    for (const Baseline& b : base) {
      if (b.corpus != corpus) continue;
      if (!references.markup.empty()) references.markup += ", ";
      references += page.fill("rank-reference", {{"name", b.name},
                                                 {"row", fmt::to_string(b.row)},
                                                 {"bits", fmt::format("{:.4f}", b.bits_per_byte)}});
    }
    if (!references.markup.empty()) lines += page.fill("rank-references", {{"baselines", references}});
    out += page.fill("ranking", {{"corpus", corpus}, {"lines", lines}});
  }
  return out;
}

Html floor_table(const ResultSet& results) {
  std::vector<size_t> members;
  for (const size_t i : of_kind(results, "bench")) {
    const ResultRow& row = results.rows[i];
    if (!row.empty("prefill_serial_seconds") || !row.empty("decode_serial_seconds")) members.push_back(i);
  }
  return rows_table(
      results, members,
      {"model", "regime", "generation", "schedule", "batch", "prefill_seconds", "prefill_serial_seconds",
       "prefill_serial_fraction", "prefill_mbu", "prefill_mfu", "prefill_bound", "decode_seconds",
       "decode_serial_seconds", "decode_serial_fraction", "decode_mbu", "decode_mfu", "decode_bound"},
      "Time, serial floor, and the fraction of the floor that was reached", false);
}

Html paper_table() {
  HtmlTable table;
  table.caption = page_template().fill("paper-printed");
  table.columns = {{"table", ""},
                   {"model", "", true},
                   {"size", "", true},
                   {"chunks", "", true},
                   {"PF TPM", "ktok/s/GiB"},
                   {"DE TPM", "ktok/s/GiB"},
                   {"PF memory", "GiB"},
                   {"DE memory", "GiB"},
                   {"PF throughput", "ktok/s"},
                   {"DE throughput", "ktok/s"},
                   {"WikiText", "perplexity"},
                   {"HellaSwag", "%"},
                   {"SciQ", "%"},
                   {"ARC-e", "%"}};
  const auto plain = [](double v) { return fmt::format("{:g}", v); };
  for (const PaperRow& row : paper_rows()) {
    table.row_ids.push_back(paper_row_link(table.rows.size()).substr(1));
    table.rows.push_back({std::to_string(row.table), html_escape(row.method()), row.size,
                          html_escape(row.chunks), fmt::format("{:.2f}", row.tpm_pf),
                          fmt::format("{:.2f}", row.tpm_de), fmt::format("{:.3f}", row.memory_pf),
                          fmt::format("{:.3f}", row.memory_de), fmt::format("{:.2f}", row.throughput_pf),
                          fmt::format("{:.2f}", row.throughput_de), maybe(row.perplexity, plain),
                          maybe(row.hellaswag, plain), maybe(row.sciq, plain), maybe(row.arc_easy, plain)});
  }
  return to_html(table);
}

Html all_rows_tables(const ResultSet& results) {
  return quality_rows(results) + speed_rows(results);
}

Html simulated_table(const std::vector<simulation::Row>& rows) {
  if (rows.empty()) return {};
  HtmlTable table;
  table.caption = {"Every simulated row"};
  for (const simulation::Column& column : simulation::columns()) {
    table.columns.push_back({std::string(column.name), std::string(column.unit),
                             std::holds_alternative<std::string simulation::Row::*>(column.field),
                             std::string(column.meaning), column.shown != simulation::Column::Shown::no});
  }
  for (const auto& texts : parse_csv(simulation::to_csv(rows), "simulated rows").rows) {
    std::vector<HtmlCell> cells;
    for (size_t c = 0; c < texts.size(); ++c) {
      const bool number = !table.columns[c].is_text && !texts[c].empty();
      cells.push_back(number && !is_count(texts[c])
                          ? HtmlCell(significant(csv_number(texts[c], "simulated rows"), 4), texts[c])
                          : HtmlCell(html_escape(texts[c])));
    }
    table.row_ids.push_back(simulated_row_link(table.rows.size()).substr(1));
    table.rows.push_back(std::move(cells));
  }
  return to_html(table);
}

Html machines_table(const ResultSet& results) {
  std::vector<size_t> members;
  std::set<std::vector<std::string>> seen;
  for (size_t i = 0; i < results.rows.size(); ++i) {
    const ResultRow& row = results.rows[i];
    std::vector<std::string> key;
    for (const char* column : {"run_id", "backend", "device", "driver", "threads", "dtype"})
      key.push_back(row.text(column));
    // Rows of one run share its ceilings; the first that has them speaks for it.
    if (!row.empty("device") && seen.insert(key).second) members.push_back(i);
  }
  return rows_table(results, members,
                    {"run_id", "backend", "device", "driver", "threads", "clock_before_mhz",
                     "clock_after_mhz", "dtype", "ceiling_bandwidth_bytes_per_s",
                     "ceiling_matrix_flops_per_s", "ceiling_cache_bytes_per_s", "ceiling_launch_seconds"},
                    "Machines and their ceilings, as measured in each run", false);
}

Html runs_table(const ResultSet& results) {
  HtmlTable table;
  table.caption = {"Every process that wrote a row"};
  table.columns = {{"run", "", true},    {"first row", "UTC", true}, {"rows", ""},
                   {"commit", "", true}, {"tree", "", true},         {"command", "", true}};
  std::map<std::string, size_t> index;
  std::vector<int> counts;
  for (const ResultRow& row : results.rows) {
    const auto [at, fresh] = index.try_emplace(row.text("run_id"), counts.size());
    if (fresh) {
      counts.push_back(0);
      const std::string tree = row.text("dirty") == "1" ? "<strong>uncommitted changes</strong>" : "clean";
      table.rows.push_back({html_escape(row.text("run_id")), html_escape(row.text("time")), "",
                            fmt::format("<code>{}</code>", html_escape(row.text("commit").substr(0, 12))),
                            tree, fmt::format("<code>{}</code>", html_escape(row.text("argv")))});
    }
    table.rows[at->second][2] = std::to_string(++counts[at->second]);
  }
  return to_html(table);
}

Html columns_table() {
  HtmlTable table;
  table.columns = {{"column", "", true}, {"unit", "", true}, {"meaning", "", true}};
  for (const ResultColumn& column : result_columns()) {
    table.rows.push_back(
        {fmt::format("<code>{}</code>", column.name), html_escape(column.unit), html_escape(column.meaning)});
  }
  return to_html(table);
}

}  // namespace photon::analysis
