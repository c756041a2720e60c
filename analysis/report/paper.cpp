// SPDX-License-Identifier: Apache-2.0
// The paper's tables beside the model, as tables of a report.
#include <fmt/format.h>

#include "analysis/draw/format.h"
#include "analysis/draw/html.h"
#include "analysis/page/page_template.h"
#include "analysis/report/tables.h"

namespace photon::analysis {
namespace {

std::string name_of(const PaperPoint& p) {
  return html_escape(p.row.chunks == "2x2" ? p.row.method() + " 2x2" : p.row.method());
}

std::string percent(double share) {
  return fmt::format("{:.1f}", 100.0 * share);
}

const char* name_of_regime(const std::string& regime) {
  return regime == "pf" ? "PF" : "DE";
}

Html floors(const std::vector<PaperPoint>& points, const std::string& ceilings) {
  HtmlTable table;
  table.caption = page_template().fill("paper-floors", {{"ceilings", ceilings}});
  table.columns = {{"row", "", true},
                   {"size", "", true},
                   {"regime", "", true},
                   {"paper", "ktok/s"},
                   {"largest batch", ""},
                   {"serial floor", "ktok/s"},
                   {"paper / serial", "%"},
                   {"floor", "ktok/s"},
                   {"paper / floor", "%"},
                   {"implied batch", ""},
                   {"serial floor", "ktok/s"},
                   {"paper / serial", "%"},
                   {"TPM, paper", "ktok/s/GiB"},
                   {"TPM, serial", "ktok/s/GiB"},
                   {"TPM, floor", "ktok/s/GiB"}};
  for (const PaperPoint& p : points) {
    table.rows.push_back(
        {name_of(p), p.row.size, name_of_regime(p.regime), fmt::format("{:.2f}", p.tokens_per_s / 1e3),
         with_commas(std::to_string(p.largest.batch)), significant(p.largest.serial_tokens_per_s / 1e3, 4),
         percent(p.fraction()), significant(p.largest.tokens_per_s / 1e3, 4), percent(p.overlap_fraction()),
         with_commas(std::to_string(p.implied.batch)), significant(p.implied.serial_tokens_per_s / 1e3, 4),
         percent(p.implied_fraction()), fmt::format("{:.2f}", p.tpm), significant(p.floor_tpm(), 4),
         significant(p.overlap_tpm(), 4)});
  }
  return to_html(table);
}

Html ratios(const std::vector<PaperPoint>& points) {
  HtmlTable table;
  table.caption = page_template().fill("paper-ratios");
  table.columns = {{"ratio", "", true},
                   {"size", "", true},
                   {"regime", "", true},
                   {"throughput", "paper"},
                   {"throughput", "serial floors"},
                   {"throughput", "verdict, serial", true},
                   {"throughput", "floors"},
                   {"throughput", "verdict", true},
                   {"memory", "paper"},
                   {"memory", "ideal KV"},
                   {"TPM", "paper"},
                   {"TPM", "serial floors"},
                   {"TPM", "verdict, serial", true},
                   {"TPM", "floors"},
                   {"TPM", "verdict", true}};
  for (const PaperRatio& r : paper_ratios(points)) {
    const auto told = [](double printed, double at_floor) { return std::string(verdict(printed, at_floor)); };
    table.rows.push_back({html_escape(r.what), r.size, name_of_regime(r.regime), significant(r.throughput),
                          significant(r.throughput_floor), told(r.throughput, r.throughput_floor),
                          significant(r.throughput_overlap), told(r.throughput, r.throughput_overlap),
                          significant(r.memory), significant(r.memory_ideal), significant(r.tpm),
                          significant(r.tpm_floor), told(r.tpm, r.tpm_floor), significant(r.tpm_overlap),
                          told(r.tpm, r.tpm_overlap)});
  }
  return to_html(table);
}

Html batches(const std::vector<PaperPoint>& points) {
  HtmlTable table;
  table.caption = page_template().fill("paper-batches");
  table.columns = {{"ratio", "", true}, {"size", "", true}, {"regime", "", true}};
  for (const int64_t batch : paper_batches) table.columns.push_back({fmt::format("batch {}", batch), ""});
  table.columns.push_back({"largest", ""});
  const auto pair = [](double serial, double overlap) {
    return HtmlCell(significant(serial) + " / " + significant(overlap), fmt::to_string(serial));
  };
  for (const PaperRatio& r : paper_ratios(points)) {
    std::vector<HtmlCell> row{html_escape(r.what), r.size, name_of_regime(r.regime)};
    for (size_t i = 0; i < paper_batches.size(); ++i)
      row.push_back(r.serial_at[i] ? pair(*r.serial_at[i], *r.overlap_at[i]) : "–");
    row.push_back(pair(r.throughput_floor, r.throughput_overlap));
    table.rows.push_back(std::move(row));
  }
  return to_html(table);
}

Html memory(const std::vector<PaperPoint>& points) {
  const auto accountings = memory_accountings(points);
  HtmlTable table;
  table.caption = page_template().fill("paper-memory", {{"cells", fmt::to_string(points.size())}});
  table.columns = {{"accounting", "", true}, {"median error", "%"}, {"worst", "%"},
                   {"at", "", true},         {"fitted", "", true},  {"what is added up", "", true}};
  for (const MemoryAccounting& a : accountings) {
    const AccountingError error = error_of(a, points);
    const PaperPoint& worst = points[error.worst_point];
    table.rows.push_back(
        {html_escape(a.name), percent(error.median), percent(error.worst),
         fmt::format("{} {}, {}", name_of(worst), worst.row.size, name_of_regime(worst.regime)),
         html_escape(fitted_text(a)), html_escape(a.terms)});
  }
  Html out = to_html(table);
  const MemoryAccounting& best = accountings.front();
  HtmlTable cells;
  cells.caption = page_template().fill("paper-memory-cells", {{"accounting", best.name}});
  cells.columns = {{"row", "", true}, {"size", "", true},   {"regime", "", true},
                   {"paper", "GiB"},  {"accounted", "GiB"}, {"error", "%"}};
  for (size_t i = 0; i < points.size(); ++i) {
    const PaperPoint& p = points[i];
    cells.rows.push_back(
        {name_of(p), p.row.size, name_of_regime(p.regime), fmt::format("{:.3f}", p.memory_bytes / 0x1p30),
         fmt::format("{:.4f}", best.bytes[i] / 0x1p30), fmt::format("{:+.1f}", 100.0 * best.error(p, i))});
  }
  out += to_html(cells);
  for (const size_t i : exchanged_memory(best, points)) {
    const auto fits = [&](size_t accounted, size_t printed) {
      return fmt::format("{:+.1f}", 100.0 * (best.bytes[accounted] / points[printed].memory_bytes - 1.0));
    };
    out += page_template().fill("paper-exchanged", {{"row", Html{name_of(points[i])}},
                                                    {"size", points[i].row.size},
                                                    {"pf", fits(i, i + 1)},
                                                    {"de", fits(i + 1, i)}});
  }
  return out;
}

/// What lies beside 4 ffn + 2 width.
Html neighbours(const std::vector<PaperPoint>& points) {
  const auto grid = peak_neighbours(points);
  const PeakNeighbour best = best_of(grid);
  HtmlTable table;
  table.caption = page_template().fill("paper-neighbours", {{"cells", fmt::to_string(points.size())},
                                                            {"ffn", fmt::to_string(best.ffn)},
                                                            {"width", fmt::to_string(best.width)}});
  table.columns = {{"alive", "", true}};
  for (const PeakNeighbour& n : grid) {
    const std::string ffn = fmt::format("{} ffn", n.ffn);
    if (table.rows.empty() || table.rows.back()[0].html != ffn) table.rows.push_back({ffn});
    if (table.rows.size() == 1) table.columns.push_back({fmt::format("{} width", n.width), ""});
    table.rows.back().push_back({fmt::format("{} ({:.0f})", percent(n.error.median), 100.0 * n.error.worst),
                                 percent(n.error.median)});
  }
  return to_html(table);
}

}  // namespace

Html paper_floor_tables(const std::vector<PaperPoint>& points, const std::string& ceilings) {
  return floors(points, ceilings) + ratios(points) + batches(points) + memory(points) + neighbours(points);
}

}  // namespace photon::analysis
