// SPDX-License-Identifier: Apache-2.0
#include "app/floor/paper.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "analysis/paper/floor.h"
#include "app/floor/ceilings.h"
#include "app/json.h"
#include "core/cost/hardware.h"

namespace photon::app {
namespace {

using namespace analysis;

struct Options {
  std::filesystem::path hardware;
  std::string ceilings = "measured";
  std::string format = "md";
  std::vector<std::string> overrides;
};

struct Result {
  FloorCeilings ceilings;
  std::vector<PaperPoint> points;
  std::vector<PaperRatio> ratios;
  std::vector<MemoryAccounting> accountings;
  std::vector<PeakNeighbour> neighbours;
};

std::string name_of(const PaperPoint& p) {
  return fmt::format("{} {}{}", p.row.method(), p.row.size, p.row.chunks == "2x2" ? " 2x2" : "");
}

nlohmann::ordered_json to_json(const FloorAtBatch& f) {
  return {{"batch", f.batch},
          {"throughput_tokens_per_s", f.tokens_per_s},
          {"serial_throughput_tokens_per_s", f.serial_tokens_per_s}};
}

nlohmann::ordered_json to_json(const Result& r) {
  auto rows = nlohmann::ordered_json::array();
  for (const PaperPoint& p : r.points) {
    rows.push_back({{"table", p.row.table},
                    {"model", p.spec.name},
                    {"generation", to_string(p.workload.generation)},
                    {"regime", p.regime},
                    {"paper_throughput_tokens_per_s", p.tokens_per_s},
                    {"paper_memory_bytes_per_sample", p.memory_bytes},
                    {"paper_tpm_ktok_per_s_per_gib", p.tpm},
                    {"kv_bytes_ideal_per_sample", kv_bytes_ideal(p.spec, p.workload)},
                    {"largest_batch", to_json(p.largest)},
                    {"implied_batch", to_json(p.implied)},
                    {"serial_fraction", p.fraction()},
                    {"implied_serial_fraction", p.implied_fraction()},
                    {"overlap_fraction", p.overlap_fraction()},
                    {"floor_tpm_ktok_per_s_per_gib", p.floor_tpm()},
                    {"overlap_tpm_ktok_per_s_per_gib", p.overlap_tpm()}});
  }
  auto ratios = nlohmann::ordered_json::array();
  for (const PaperRatio& q : r.ratios) {
    auto batches = nlohmann::ordered_json::array();
    for (size_t i = 0; i < paper_batches.size(); ++i) {
      batches.push_back({{"batch", paper_batches[i]},
                         {"serial", or_null(q.serial_at[i])},
                         {"overlap", or_null(q.overlap_at[i])}});
    }
    ratios.push_back({{"ratio", q.what},
                      {"size", q.size},
                      {"regime", q.regime},
                      {"throughput_paper", q.throughput},
                      {"throughput_floor", q.throughput_floor},
                      {"throughput_overlap", q.throughput_overlap},
                      {"throughput_implied_batch", q.throughput_implied},
                      {"memory_paper", q.memory},
                      {"memory_ideal", q.memory_ideal},
                      {"tpm_paper", q.tpm},
                      {"tpm_floor", q.tpm_floor},
                      {"tpm_overlap", q.tpm_overlap},
                      {"throughput_at_equal_batch", batches}});
  }
  auto accountings = nlohmann::ordered_json::array();
  for (const MemoryAccounting& a : r.accountings) {
    const AccountingError error = error_of(a, r.points);
    nlohmann::ordered_json entry = {{"name", a.name},
                                    {"terms", a.terms},
                                    {"median_error", error.median},
                                    {"worst_error", error.worst},
                                    {"worst_row", name_of(r.points[error.worst_point])},
                                    {"worst_regime", r.points[error.worst_point].regime},
                                    {"bytes", a.bytes}};
    if (a.fitted) entry["fitted"] = {{"constant", *a.fitted}, {"unit", a.fitted_unit}};
    accountings.push_back(std::move(entry));
  }
  auto neighbours = nlohmann::ordered_json::array();
  for (const PeakNeighbour& n : r.neighbours) {
    neighbours.push_back({{"ffn", n.ffn},
                          {"width", n.width},
                          {"median_error", n.error.median},
                          {"worst_error", n.error.worst}});
  }
  nlohmann::ordered_json json = {{"hardware", r.ceilings.hardware.name}};
  json.update(to_json(r.ceilings));
  json["rows"] = rows;
  json["ratios"] = ratios;
  json["memory_accountings"] = accountings;
  json["peak_neighbours"] = neighbours;
  return json;
}

void print_rows(const Result& r) {
  fmt::print(
      "| row | regime | paper k tok/s | batch | serial floor k tok/s | paper / serial | floor k tok/s | "
      "paper / floor | "
      "batch implied | serial floor k tok/s | paper / serial | paper TPM | serial TPM | floor TPM |\n"
      "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
  for (const PaperPoint& p : r.points) {
    fmt::print(
        "| {} | {} | {:.2f} | {} | {:.4g} | {:.1f} % | {:.4g} | {:.1f} % | {} | {:.4g} | {:.1f} % | {:.2f} | "
        "{:.4g} | "
        "{:.4g} |\n",
        name_of(p), p.regime, p.tokens_per_s / 1e3, p.largest.batch, p.largest.serial_tokens_per_s / 1e3,
        100.0 * p.fraction(), p.largest.tokens_per_s / 1e3, 100.0 * p.overlap_fraction(), p.implied.batch,
        p.implied.serial_tokens_per_s / 1e3, 100.0 * p.implied_fraction(), p.tpm, p.floor_tpm(),
        p.overlap_tpm());
  }
}

void print_ratios(const Result& r) {
  fmt::print(
      "\nRatios as printed, and with each row at its own largest batch and its floor. Serial: perfect "
      "kernels, one after "
      "another. Overlap:\nbytes and arithmetic at the same time.\n\n"
      "| ratio | size | regime | throughput, paper | serial | | overlap | | at implied batches | memory, "
      "paper | ideal KV "
      "| TPM, paper | serial | | overlap | "
      "|\n|---|---|---|--:|--:|---|--:|---|--:|--:|--:|--:|--:|---|--:|---|\n");
  for (const PaperRatio& q : r.ratios) {
    fmt::print(
        "| {} | {} | {} | {:.3g} | {:.3g} | {} | {:.3g} | {} | {:.3g} | {:.3g} | {:.3g} | {:.4g} | {:.4g} | "
        "{} | {:.4g} | "
        "{} |\n",
        q.what, q.size, q.regime, q.throughput, q.throughput_floor, verdict(q.throughput, q.throughput_floor),
        q.throughput_overlap, verdict(q.throughput, q.throughput_overlap), q.throughput_implied, q.memory,
        q.memory_ideal, q.tpm, q.tpm_floor, verdict(q.tpm, q.tpm_floor), q.tpm_overlap,
        verdict(q.tpm, q.tpm_overlap));
  }
}

/// The same ratios at one batch for both sides: they are made by it.
void print_batches(const Result& r) {
  fmt::print(
      "\nThroughput ratios at one batch for both, serial / overlap; a dash: it does not fit both. The last "
      "column is each "
      "at its own\nlargest.\n\n| ratio | size | regime |");
  for (const int64_t batch : paper_batches) fmt::print(" batch {} |", batch);
  fmt::print(" largest |\n|---|---|---|");
  for (size_t i = 0; i <= paper_batches.size(); ++i) fmt::print("--:|");
  fmt::print("\n");
  for (const PaperRatio& q : r.ratios) {
    fmt::print("| {} | {} | {} |", q.what, q.size, q.regime);
    for (size_t i = 0; i < paper_batches.size(); ++i) {
      fmt::print(" {} |",
                 q.serial_at[i] ? fmt::format("{:.3g} / {:.3g}", *q.serial_at[i], *q.overlap_at[i]) : "-");
    }
    fmt::print(" {:.3g} / {:.3g} |\n", q.throughput_floor, q.throughput_overlap);
  }
}

/// The mechanism was chosen with the table at hand: what lies beside it.
void print_neighbours(const Result& r) {
  const PeakNeighbour best = best_of(r.neighbours);
  fmt::print(
      "\n4 ffn + 2 width was chosen with these same {} cells at hand. Other numbers of tensors alive, median "
      "error "
      "(worst); {} ffn + {} width\nfits best: the cells tell about how many bytes, not which tensors.\n\n| |",
      r.points.size(), best.ffn, best.width);
  std::string line;
  int64_t last = 0;
  for (const PeakNeighbour& n : r.neighbours) {
    if (n.ffn == r.neighbours.front().ffn) fmt::print(" {} width |", n.width);
    if (n.ffn != last) line += fmt::format("{}| {} ffn |", last == 0 ? "" : "\n", n.ffn);
    last = n.ffn;
    line += fmt::format(" {:.1f} % ({:.0f} %) |", 100.0 * n.error.median, 100.0 * n.error.worst);
  }
  fmt::print("\n|---|");
  for (const PeakNeighbour& n : r.neighbours) {
    if (n.ffn == r.neighbours.front().ffn) fmt::print("--:|");
  }
  fmt::print("\n{}\n", line);
}

void print_memory(const Result& r) {
  fmt::print(
      "\nThe memory column, {} cells, accounted for:\n\n| accounting | median error | worst | at | fitted | "
      "what is "
      "added up |\n|---|--:|--:|---|---|---|\n",
      r.points.size());
  for (const MemoryAccounting& a : r.accountings) {
    const AccountingError error = error_of(a, r.points);
    const PaperPoint& worst = r.points[error.worst_point];
    fmt::print("| {} | {:.1f} % | {:.1f} % | {}, {} | {} | {} |\n", a.name, 100.0 * error.median,
               100.0 * error.worst, name_of(worst), worst.regime, fitted_text(a), a.terms);
  }
  const MemoryAccounting& best = r.accountings.front();
  fmt::print(
      "\nBy \"{}\", GiB a sample:\n\n| row | regime | paper | accounted | error |\n|---|---|--:|--:|--:|\n",
      best.name);
  for (size_t i = 0; i < r.points.size(); ++i) {
    fmt::print("| {} | {} | {:.3f} | {:.4f} | {:+.1f} % |\n", name_of(r.points[i]), r.points[i].regime,
               r.points[i].memory_bytes / 0x1p30, best.bytes[i] / 0x1p30, 100.0 * best.error(r.points[i], i));
  }
  for (const size_t i : exchanged_memory(best, r.points)) {
    fmt::print(
        "\n{}: exchanged, PF and DE fit to {:+.1f} % and {:+.1f} %: the paper seems to have them the wrong "
        "way round.\n",
        name_of(r.points[i]), 100.0 * (best.bytes[i] / r.points[i + 1].memory_bytes - 1.0),
        100.0 * (best.bytes[i + 1] / r.points[i].memory_bytes - 1.0));
  }
}

void run(const Options& o) {
  Result r{.ceilings = {load_hardware(o.hardware), DType::bfloat16, o.ceilings == "datasheet"},
           .points = {},
           .ratios = {},
           .accountings = {},
           .neighbours = {}};
  r.points =
      paper_points(config_folder(ConfigKind::model), r.ceilings.hardware, r.ceilings.values(), o.overrides);
  r.ratios = paper_ratios(r.points);
  r.accountings = memory_accountings(r.points);
  r.neighbours = peak_neighbours(r.points);
  if (o.format != "md") {
    const auto json = to_json(r);
    return print_json(json, json["rows"], o.format);
  }
  fmt::print(
      "Tables 1 to 3 of arXiv 2512.20687v2 beside the model on {}, bfloat16.\nceilings: {}\nThe paper states "
      "no batch. "
      "First the largest that fits beside the weights with ideal KV, then the one that fits with the "
      "memory\nthat the "
      "paper prints. Launches are in no floor.\n\n",
      r.ceilings.hardware.name, describe(r.ceilings));
  print_rows(r);
  print_ratios(r);
  print_batches(r);
  print_memory(r);
  print_neighbours(r);
}

}  // namespace

void add_floor_paper(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_hardware(o->hardware).required();
  command.add_ceilings(o->ceilings);
  command.add_format(o->format);
  command.add_overrides(o->overrides, "Override a key of every spec");
  command.footer(
      "csv has the rows of Tables 1 to 3; ratios and memory accountings are in md and json.\n"
      "Example:\n  photon floor paper --hardware h200");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
