// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "analysis/draw/format.h"
#include "analysis/draw/label_placement.h"
#include "analysis/report/ranking.h"
#include "core/base/table.h"

namespace photon::analysis {
namespace {

SummaryLine::Regime* regime_of(SummaryLine& line, const Speed& speed) {
  if (speed.regime.starts_with("PF")) return &line.pf;
  if (speed.regime.starts_with("DE")) return &line.de;
  return nullptr;
}

SummaryLine line_for(const Quality& q) {
  SummaryLine line;
  line.model = q.model;
  line.method = method_name(q.architecture, "", "");
  line.match = q.match;
  line.parameters = q.parameters;
  line.training_tokens = q.training_tokens;
  line.training_flops = q.training_flops;
  line.training_steps = q.training_steps;
  line.training_batch = q.training_batch;
  line.learning_rate = q.learning_rate;
  line.bits_per_byte = q.bits_per_byte;
  return line;
}

/// The lines of one model, or of those without quality: a way of generating each, with both regimes.
class WayLines {
 public:
  explicit WayLines(bool several_machines) : several_machines_(several_machines) {}

  /// `own`: the quality of this way of generating; `forced`: the teacher-forced one, which may be the same.
  /// Both are null where the model was not evaluated.
  void add(const Speed& s, const Quality* own, const Quality* forced) {
    const std::string way = fmt::format("{}|{}|{}|{}|{}|{}", s.model, s.reading, s.generation, s.schedule,
                                        s.samples_per_prompt, s.machine);
    auto at = std::find(ways_.begin(), ways_.end(), way);
    if (at == ways_.end()) {
      lines.push_back(line_of(s, own, forced));
      at = ways_.insert(ways_.end(), way);
    }
    SummaryLine::Regime* regime = regime_of(lines[at - ways_.begin()], s);
    if (regime == nullptr || regime->throughput) return;
    regime->throughput = s.throughput.mean;
    regime->kv_ideal = s.kv_ideal;
    regime->batch = s.batch;
    if (s.tpm_ideal) regime->tpm_ideal = s.tpm_ideal.mean;
  }

  std::vector<SummaryLine> lines;

 private:
  SummaryLine line_of(const Speed& s, const Quality* own, const Quality* forced) const {
    SummaryLine line = own != nullptr ? line_for(*own) : SummaryLine{};
    if (forced != nullptr && own != forced) {
      line.verdict = fmt::format("{:+.4f} against teacher forcing",
                                 own->bits_per_byte.mean - forced->bits_per_byte.mean);
    }
    line.model = s.model;
    line.method = method_name(s.architecture, s.generation, s.schedule);
    if (s.samples_per_prompt > 1) line.method += fmt::format(", {} samples", s.samples_per_prompt);
    if (several_machines_) line.method += ", " + s.machine;
    if (!line.parameters) line.parameters = s.parameters;
    return line;
  }

  std::vector<std::string> ways_;
  bool several_machines_;
};

std::string aligned(const std::vector<std::vector<std::string>>& table, size_t left_columns) {
  std::vector<size_t> widths(table[0].size());
  for (const auto& row : table) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], text_columns(row[c]));
  }
  std::string out;
  for (size_t r = 0; r < table.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < table[r].size(); ++c) {
      const std::string pad(widths[c] - text_columns(table[r][c]), ' ');
      const bool left = c < left_columns || c + 1 == table[r].size();
      if (c > 0) line += "  ";
      line += left ? table[r][c] + pad : pad + table[r][c];
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
    if (r == 0) {
      for (size_t c = 0; c < widths.size(); ++c)
        out += std::string(c == 0 ? 0 : 2, ' ') + std::string(widths[c], '-');
      out += '\n';
    }
  }
  return out;
}

/// In lines of at most table_width columns, the first two blanks in, those that follow four.
std::string wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string out, line = " ";
  for (std::string word; words >> word;) {
    if (text_columns(line) + 1 + text_columns(word) > table_width) {
      out += line + '\n';
      line = "   ";
    }
    line += " " + word;
  }
  return out + line + '\n';
}

template <class Format>
std::string cell(const std::optional<double>& value, Format format) {
  return value ? format(*value) : std::string("-");
}

std::string quality_cell(const Spread& bits) {
  if (!bits) return "-";
  if (bits.count == 1) return fmt::format("{:.4f} (1 seed)", bits.mean);
  return fmt::format("{:.4f} ± {:.4f}", bits.mean, bits.width() / 2.0);
}

}  // namespace

std::vector<SummaryLine> summarize(std::span<const ResultRow> rows) {
  const auto quality = qualities(rows);
  const auto base = baselines(rows);
  const auto speeds = best_speeds(rows);
  const auto names = corpora(rows);
  const std::string corpus = names.empty() ? "" : names[0];
  const auto ranked = rank_models(quality, base, corpus);

  std::set<std::string> machines;
  for (const Speed& s : speeds) machines.insert(s.machine);
  std::vector<SummaryLine> lines;
  std::vector<bool> placed(speeds.size(), false);
  for (const Ranked& r : ranked) {
    WayLines ways(machines.size() > 1);
    for (size_t i = 0; i < speeds.size(); ++i) {
      const Speed& s = speeds[i];
      if (r.quality->model != s.model || r.quality->reading != s.reading) continue;
      placed[i] = true;
      const Quality* own = nullptr;
      for (const Quality* found : qualities_of(s, quality, corpus)) {
        if (found->match == r.quality->match) own = found;
      }
      ways.add(s, own, r.quality);
    }
    if (ways.lines.empty()) ways.lines.push_back(line_for(*r.quality));
    for (SummaryLine& line : ways.lines) {
      if (line.verdict.empty()) line.verdict = r.verdict;
      lines.push_back(std::move(line));
    }
  }
  WayLines others(machines.size() > 1);
  for (size_t i = 0; i < speeds.size(); ++i) {
    if (!placed[i]) others.add(speeds[i], nullptr, nullptr);
  }
  for (SummaryLine& line : others.lines) {
    line.verdict = "quality not measured";
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string summary_text(std::span<const ResultRow> rows) {
  const auto lines = summarize(rows);
  if (lines.empty()) return "no results\n";
  const auto prefixed = [](double v) { return with_prefix(v); };
  const auto plain = [](double v) { return significant(v); };
  const auto count = [](double v) { return with_commas(fmt::format("{:.0f}", v)); };
  const auto general = [](double v) { return fmt::format("{:g}", v); };
  const auto bytes = [](double v) { return readable_bytes(v); };
  using Table = std::vector<std::vector<std::string>>;
  Table trained{{"model", "equal", "params", "tokens", "FLOPs", "steps", "batch", "rate"}};
  Table quality_of{{"model", "method", "bits/byte", "verdict"}};
  Table speed{
      {"model", "method", "PF tok/s", "batch", "DE tok/s", "batch", "PF KV", "DE KV", "PF TPM", "DE TPM"}};
  const auto batch = [](const SummaryLine::Regime& r) { return r.batch > 0 ? std::to_string(r.batch) : "-"; };
  for (const SummaryLine& line : lines) {
    // A training has one line, however many ways of generating follow.
    const std::vector<std::string>& before = trained.back();
    if (line.model != before[0] || line.match != before[1]) {
      trained.push_back({line.model, line.match, cell(line.parameters, prefixed),
                         cell(line.training_tokens, prefixed), cell(line.training_flops, prefixed),
                         cell(line.training_steps, count), cell(line.training_batch, general),
                         cell(line.learning_rate, general)});
    }
    quality_of.push_back({line.model, line.method, quality_cell(line.bits_per_byte), line.verdict});
    if (!line.pf.throughput && !line.de.throughput) continue;
    speed.push_back({line.model, line.method, cell(line.pf.throughput, plain), batch(line.pf),
                     cell(line.de.throughput, plain), batch(line.de), cell(line.pf.kv_ideal, bytes),
                     cell(line.de.kv_ideal, bytes), cell(line.pf.tpm_ideal, plain),
                     cell(line.de.tpm_ideal, plain)});
  }
  std::string out = aligned(trained, 2);
  out += "\nbatch: sequences a step. rate: the peak of the schedule.\n\n" + aligned(quality_of, 2);
  out += "\nbits/byte: mean ± half the range over training seeds.\n";
  if (speed.size() > 1) {
    out += "\n" + aligned(speed, 2);
    out +=
        "\nPF, DE: at the batch, beside them, of the largest throughput measured. KV: bytes a sample, "
        "ideal.\n"
        "TPM: K tokens/s/GiB of ideal KV.\n";
  }
  const auto base = baselines(rows);
  const auto quality = qualities(rows);
  for (const std::string& corpus : corpora(rows)) {
    out += fmt::format("\nOn {}:", corpus);
    for (const Baseline& b : base) {
      if (b.corpus == corpus) out += fmt::format("  {} {:.4f} bits/byte", b.name, b.bits_per_byte);
    }
    out += '\n';
    const auto ranked = rank_models(quality, base, corpus);
    for (const auto& statement : ranking_statements(ranked)) out += wrapped(statement);
    for (const auto& caveat : training_caveats(ranked)) out += wrapped("note: " + caveat);
  }
  return out;
}

}  // namespace photon::analysis
