// The paper's tables beside the model, as tables of a report.
#include <fmt/format.h>

#include "analysis/format.h"
#include "analysis/html.h"
#include "analysis/report_tables.h"

namespace photon::analysis {
namespace {

std::string name_of(const PaperPoint& p) {
  return html_escape(p.row.chunks == "2x2" ? p.row.method() + " 2x2" : p.row.method());
}

std::string percent(double share) {
  return fmt::format("{:.1f}", 100.0 * share);
}

std::string floors(const std::vector<PaperPoint>& points, const std::string& hardware) {
  HtmlTable table;
  table.caption = fmt::format(
      "The paper's throughput beside the serial floor on {}, bfloat16: perfect kernels, one after another. "
      "The paper "
      "states no batch; the largest that fits beside the weights with ideal KV, and the one that fits with "
      "the memory "
      "that it prints. Both are so large that the floors agree. TPM at the floor is per GiB of ideal KV.",
      html_escape(hardware));
  table.columns = {{"row", "", true},      {"size", "", true},           {"regime", "", true},
                   {"paper", "ktok/s"},    {"largest batch", ""},        {"serial floor", "ktok/s"},
                   {"paper / floor", "%"}, {"implied batch", ""},        {"serial floor", "ktok/s"},
                   {"paper / floor", "%"}, {"TPM, paper", "ktok/s/GiB"}, {"TPM, floor", "ktok/s/GiB"}};
  for (const PaperPoint& p : points) {
    table.rows.push_back(
        {name_of(p), p.row.size, p.regime == "pf" ? "PF" : "DE", fmt::format("{:.2f}", p.tokens_per_s / 1e3),
         with_commas(std::to_string(p.largest.batch)), significant(p.largest.serial_tokens_per_s / 1e3, 4),
         percent(p.fraction()), with_commas(std::to_string(p.implied.batch)),
         significant(p.implied.serial_tokens_per_s / 1e3, 4), percent(p.implied_fraction()),
         fmt::format("{:.2f}", p.tpm), significant(p.floor_tpm(), 4)});
  }
  return to_html(table);
}

std::string ratios(const std::vector<PaperPoint>& points) {
  HtmlTable table;
  table.caption =
      "Ratios between architectures: as printed, and when each stands at its serial floor and largest batch. "
      "“Stays” is within a factor of 1.25, “shrinks” nearer to 1, “grows” farther from it.";
  table.columns = {{"ratio", "", true},
                   {"size", "", true},
                   {"regime", "", true},
                   {"throughput", "paper"},
                   {"throughput", "at the floors"},
                   {"", "", true},
                   {"memory", "paper"},
                   {"memory", "ideal KV"},
                   {"TPM", "paper"},
                   {"TPM", "at the floors"},
                   {"", "", true}};
  for (const PaperRatio& r : paper_ratios(points)) {
    table.rows.push_back({html_escape(r.what), r.size, r.regime == "pf" ? "PF" : "DE",
                          significant(r.throughput), significant(r.throughput_floor),
                          std::string(verdict(r.throughput, r.throughput_floor)), significant(r.memory),
                          significant(r.memory_ideal), significant(r.tpm), significant(r.tpm_floor),
                          std::string(verdict(r.tpm, r.tpm_floor))});
  }
  return to_html(table);
}

std::string memory(const std::vector<PaperPoint>& points) {
  const auto accountings = memory_accountings(points);
  HtmlTable table;
  table.caption = fmt::format(
      "What the memory column may count: candidates against its {} cells. Constants are fitted to those same "
      "cells "
      "and marked so.",
      points.size());
  table.columns = {{"accounting", "", true}, {"median error", "%"}, {"worst", "%"},
                   {"at", "", true},         {"fitted", "", true},  {"what is added up", "", true}};
  for (const MemoryAccounting& a : accountings) {
    const AccountingError error = error_of(a, points);
    const PaperPoint& worst = points[error.worst_point];
    table.rows.push_back(
        {html_escape(a.name), percent(error.median), percent(error.worst),
         fmt::format("{} {}, {}", name_of(worst), worst.row.size, worst.regime == "pf" ? "PF" : "DE"),
         html_escape(fitted_text(a)), html_escape(a.terms)});
  }
  std::string out = to_html(table);
  const MemoryAccounting& best = accountings.front();
  HtmlTable cells;
  cells.caption = fmt::format("The memory column by “{}”.", html_escape(best.name));
  cells.columns = {{"row", "", true}, {"size", "", true},   {"regime", "", true},
                   {"paper", "GiB"},  {"accounted", "GiB"}, {"error", "%"}};
  for (size_t i = 0; i < points.size(); ++i) {
    const PaperPoint& p = points[i];
    cells.rows.push_back({name_of(p), p.row.size, p.regime == "pf" ? "PF" : "DE",
                          fmt::format("{:.3f}", p.memory_bytes / 0x1p30),
                          fmt::format("{:.4f}", best.bytes[i] / 0x1p30),
                          fmt::format("{:+.1f}", 100.0 * best.error(p, i))});
  }
  out += to_html(cells);
  for (const size_t i : exchanged_memory(best, points)) {
    out += fmt::format(
        "<p>{} {}: exchanged, its PF and DE cells fit to {:+.1f} % and {:+.1f} %; the paper seems to have "
        "them the "
        "wrong way round.</p>\n",
        name_of(points[i]), points[i].row.size, 100.0 * (best.bytes[i] / points[i + 1].memory_bytes - 1.0),
        100.0 * (best.bytes[i + 1] / points[i].memory_bytes - 1.0));
  }
  return out;
}

}  // namespace

std::string paper_floor_tables(const std::vector<PaperPoint>& points, const std::string& hardware) {
  return floors(points, hardware) + ratios(points) + memory(points);
}

}  // namespace photon::analysis
