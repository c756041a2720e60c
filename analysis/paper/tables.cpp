// SPDX-License-Identifier: Apache-2.0
#include "analysis/paper/tables.h"

#include <algorithm>

#include "analysis/join/measurements.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "embedded.h"

namespace photon::analysis {

std::string PaperRow::method() const {
  return method_name(architecture, generation, "");
}

std::vector<PaperRow> paper_rows() {
  const CsvTable table = parse_csv(paper_tables_csv, "the paper's tables");
  std::vector<PaperRow> rows;
  for (const auto& cells : table.rows) {
    const auto cell = [&](const std::string& name) -> const std::string& {
      const auto at = std::find(table.header.begin(), table.header.end(), name);
      if (at == table.header.end()) throw Error("the paper's tables: no column " + name);
      return cells[at - table.header.begin()];
    };
    const auto number = [&](const std::string& name) {
      return csv_number(cell(name), "the paper's tables, " + name);
    };
    const auto maybe = [&](const std::string& name) {
      return cell(name).empty() ? std::nullopt : std::optional(number(name));
    };
    PaperRow row;
    row.table = static_cast<int>(number("table"));
    row.architecture = cell("architecture");
    row.size = cell("size");
    row.generation = cell("generation");
    row.chunks = cell("chunks");
    row.tpm_pf = number("tpm_pf");
    row.tpm_de = number("tpm_de");
    row.memory_pf = number("memory_pf_gib");
    row.memory_de = number("memory_de_gib");
    row.throughput_pf = number("throughput_pf_ktok_s");
    row.throughput_de = number("throughput_de_ktok_s");
    row.perplexity = maybe("wikitext_ppl");
    row.hellaswag = maybe("hellaswag");
    row.sciq = maybe("sciq");
    row.arc_easy = maybe("arc_easy");
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace photon::analysis
