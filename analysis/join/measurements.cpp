// SPDX-License-Identifier: Apache-2.0
#include "analysis/join/measurements.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

namespace photon::analysis {
namespace {

using Key = std::vector<std::string>;

Key key_of(const ResultRow& row, std::initializer_list<std::string_view> columns) {
  Key key;
  for (const auto column : columns) key.push_back(row.text(column));
  return key;
}

/// Groups of row indices in order of first appearance.
class Groups {
 public:
  std::vector<size_t>& operator[](const Key& key) {
    const auto [at, fresh] = index_.try_emplace(key, members_.size());
    if (fresh) members_.emplace_back();
    return members_[at->second];
  }
  const std::vector<std::vector<size_t>>& all() const { return members_; }

 private:
  std::map<Key, size_t> index_;
  std::vector<std::vector<size_t>> members_;
};

/// Of rows with the same value in `columns` the last one measured.
std::vector<size_t> latest_by(std::span<const ResultRow> rows, const std::vector<size_t>& members,
                              std::initializer_list<std::string_view> columns) {
  Groups groups;
  for (const size_t i : members) groups[key_of(rows[i], columns)].push_back(i);
  std::vector<size_t> latest;
  for (const auto& group : groups.all()) {
    latest.push_back(*std::max_element(group.begin(), group.end(), [&](size_t a, size_t b) {
      return std::pair(rows[a].text("time"), a) < std::pair(rows[b].text("time"), b);
    }));
  }
  return latest;
}

/// Over the rows that have the column.
Spread spread_of(std::span<const ResultRow> rows, const std::vector<size_t>& members,
                 std::string_view column) {
  std::vector<double> values;
  for (const size_t i : members) {
    if (const auto value = rows[i].number(column)) values.push_back(*value);
  }
  return photon::analysis::spread_of(values);
}

std::optional<double> mean_of(std::span<const ResultRow> rows, const std::vector<size_t>& members,
                              std::string_view column) {
  const Spread spread = spread_of(rows, members, column);
  return spread ? std::optional(spread.mean) : std::nullopt;
}

int64_t count_of(const ResultRow& row, std::string_view column, int64_t otherwise) {
  const auto value = row.number(column);
  return value ? std::llround(*value) : otherwise;
}

/// What tells trainings of one model apart.
std::string training_of(const ResultRow& row) {
  return row.empty("training_seed") ? row.text("checkpoint") : "seed " + row.text("training_seed");
}

Quality quality_of(std::span<const ResultRow> rows, std::vector<size_t> members) {
  const ResultRow& first = rows[members[0]];
  Quality q;
  q.model = first.text("model");
  q.architecture = first.text("architecture");
  q.reading = first.text("reading");
  q.match = first.text("match");
  q.corpus = first.text("corpus");
  q.parameters = first.number("parameters");
  q.training_tokens = mean_of(rows, members, "training_tokens");
  q.training_flops = mean_of(rows, members, "training_flops");
  q.training_steps = mean_of(rows, members, "training_steps");
  q.training_batch = mean_of(rows, members, "training_batch");
  q.learning_rate = mean_of(rows, members, "learning_rate");
  q.ladder = first.text("ladder");
  for (const size_t i : members) {
    if (rows[i].text("ladder") != q.ladder) q.ladder.clear();
  }
  q.bits_per_byte = spread_of(rows, members, "bits_per_byte");
  q.perplexity = spread_of(rows, members, "perplexity");
  const auto bytes = mean_of(rows, members, "bytes_scored");
  const auto tokens = mean_of(rows, members, "tokens_scored");
  if (bytes && tokens && *tokens > 0) q.bytes_per_token = *bytes / *tokens;
  q.rows = std::move(members);
  return q;
}

/// The last row of the same training as `like` with this generation after this prompt.
const ResultRow* partner(std::span<const ResultRow> rows, const std::vector<size_t>& prompted,
                         const ResultRow& like, std::string_view generation, const std::string& prompt) {
  const ResultRow* found = nullptr;
  for (const size_t i : prompted) {
    if (rows[i].text("generation") == generation && training_of(rows[i]) == training_of(like) &&
        (prompt.empty() || rows[i].text("prompt") == prompt)) {
      found = &rows[i];
    }
  }
  return found;
}

/// Recgen's quality from the teacher-forced one and pairs of rows scored after prompts; empty if a seed lacks
/// them.
std::optional<Quality> recgen_quality(std::span<const ResultRow> rows, const Quality& forced,
                                      const std::vector<size_t>& prompted) {
  std::vector<double> bits, perplexity;
  for (const size_t i : forced.rows) {
    const ResultRow* recgen = partner(rows, prompted, rows[i], "recgen", "");
    const ResultRow* hiergen =
        recgen == nullptr ? nullptr : partner(rows, prompted, rows[i], "hiergen", recgen->text("prompt"));
    if (hiergen == nullptr) return std::nullopt;
    const auto loss = [](const ResultRow& row) { return row.number("token_nll"); };
    if (!loss(*recgen) || !loss(*hiergen)) return std::nullopt;
    const double lost = *loss(*recgen) - *loss(*hiergen);  // nats a token
    if (const auto value = rows[i].number("perplexity")) perplexity.push_back(*value * std::exp(lost));
    const auto value = rows[i].number("bits_per_byte");
    if (value && forced.bytes_per_token) {
      bits.push_back(*value + lost / std::numbers::ln2 / *forced.bytes_per_token);
    }
  }
  Quality q = forced;
  q.generation = "recgen";
  q.bits_per_byte = photon::analysis::spread_of(bits);
  q.perplexity = photon::analysis::spread_of(perplexity);
  q.rows.insert(q.rows.end(), prompted.begin(), prompted.end());
  return q;
}

std::string upper_regime(const ResultRow& row) {
  std::string regime = row.text("regime");
  if (regime.starts_with("pf") || regime.starts_with("de")) {
    regime[0] = static_cast<char>(std::toupper(regime[0]));
    regime[1] = static_cast<char>(std::toupper(regime[1]));
  }
  return regime.empty() ? "custom" : regime;
}

Speed speed_of(std::span<const ResultRow> rows, std::vector<size_t> members) {
  const ResultRow& first = rows[members[0]];
  Speed s;
  s.model = first.text("model");
  s.architecture = first.text("architecture");
  s.reading = first.text("reading");
  s.generation = first.text("generation");
  s.schedule = first.text("schedule");
  s.regime = upper_regime(first);
  s.machine = machine_of(first);
  s.prompt = count_of(first, "prompt", 0);
  s.new_tokens = count_of(first, "new_tokens", 0);
  s.batch = count_of(first, "batch", 0);
  s.samples_per_prompt = count_of(first, "samples_per_prompt", 1);
  s.parameters = first.number("parameters");
  s.throughput = spread_of(rows, members, "throughput_tokens_per_s");
  s.tpm_ideal = spread_of(rows, members, "tpm_ideal_ktok_per_s_per_gib");
  s.tpm_planned = spread_of(rows, members, "tpm_planned_ktok_per_s_per_gib");
  s.tpm_measured = spread_of(rows, members, "tpm_measured_ktok_per_s_per_gib");
  s.kv_ideal = first.number("kv_bytes_ideal_per_sample");
  s.kv_planned = first.number("kv_bytes_planned_per_sample");
  s.kv_measured = first.number("kv_bytes_measured_per_sample");
  s.rows = std::move(members);
  return s;
}

int regime_rank(const std::string& regime) {
  return regime.starts_with("PF") ? 0 : regime.starts_with("DE") ? 1 : 2;
}

}  // namespace

Spread spread_of(std::span<const double> values) {
  Spread spread;
  for (const double value : values) {
    spread.low = spread.count == 0 ? value : std::min(spread.low, value);
    spread.high = spread.count == 0 ? value : std::max(spread.high, value);
    spread.mean += value;
    ++spread.count;
  }
  if (spread.count > 0) spread.mean /= spread.count;
  return spread;
}

std::string method_name(const std::string& architecture, const std::string& generation,
                        const std::string& schedule) {
  std::string name = architecture == "photon" ? "PHOTON" : architecture == "block" ? "Block" : architecture;
  if (architecture == "vanilla") return "Vanilla";
  if (architecture == "block" || generation.empty()) return name;
  name += generation == "hiergen" ? " HierGen" : generation == "recgen" ? " RecGen" : " " + generation;
  return schedule.empty() ? name : name + " " + schedule;
}

std::string machine_of(const ResultRow& row) {
  return fmt::format("{} · {} · {}", row.text("backend"), row.text("device"), row.text("dtype"));
}

std::vector<Quality> qualities(std::span<const ResultRow> rows) {
  Groups groups;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].text("kind") != "eval") continue;
    groups[key_of(rows[i], {"model", "reading", "match", "corpus"})].push_back(i);
  }
  std::vector<Quality> all;
  for (const auto& group : groups.all()) {
    std::vector<size_t> whole, prompted;
    for (const size_t i : group) {
      const bool forced = rows[i].empty("prompt") && rows[i].text("generation") != "recgen";
      (forced ? whole : prompted).push_back(i);
    }
    if (whole.empty()) continue;
    std::vector<size_t> seeded, other;
    for (const size_t i : whole) (rows[i].empty("training_seed") ? other : seeded).push_back(i);
    auto members = latest_by(rows, seeded, {"training_seed"});
    for (const size_t i : latest_by(rows, other, {"checkpoint"})) members.push_back(i);
    all.push_back(quality_of(rows, std::move(members)));
    if (auto recgen = recgen_quality(rows, all.back(), prompted)) all.push_back(std::move(*recgen));
  }
  return all;
}

std::vector<Speed> best_speeds(std::span<const ResultRow> rows) {
  Groups workloads;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].text("kind") != "bench" || rows[i].empty("throughput_tokens_per_s")) continue;
    workloads[key_of(rows[i], {"model", "reading", "generation", "schedule", "regime", "prompt", "new_tokens",
                               "samples_per_prompt", "backend", "device", "dtype"})]
        .push_back(i);
  }
  std::vector<Speed> best;
  for (const auto& workload : workloads.all()) {
    Groups batches;
    for (const size_t i : latest_by(rows, workload, {"batch", "checkpoint"})) {
      batches[key_of(rows[i], {"batch"})].push_back(i);
    }
    std::optional<Speed> fastest;
    for (const auto& members : batches.all()) {
      Speed speed = speed_of(rows, members);
      if (!fastest || speed.throughput.mean > fastest->throughput.mean) fastest = std::move(speed);
    }
    best.push_back(std::move(*fastest));
  }
  std::stable_sort(best.begin(), best.end(), [](const Speed& a, const Speed& b) {
    return regime_rank(a.regime) < regime_rank(b.regime);
  });
  return best;
}

std::string Speed::regime_title() const {
  return fmt::format("{}: {} tokens in, {} out", regime, prompt, new_tokens);
}

std::vector<const Quality*> qualities_of(const Speed& speed, std::span<const Quality> all,
                                         const std::string& corpus) {
  std::map<std::string, const Quality*> by_match;
  for (const Quality& q : all) {
    if (q.model != speed.model || q.reading != speed.reading || q.corpus != corpus) continue;
    // Recgen's own follows the teacher-forced one and replaces it.
    if (q.generation.empty() || q.generation == speed.generation) by_match[q.match] = &q;
  }
  std::vector<const Quality*> found;
  for (const auto& [match, quality] : by_match) found.push_back(quality);
  return found;
}

std::vector<Baseline> baselines(std::span<const ResultRow> rows) {
  std::vector<Baseline> all;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].text("kind") != "baseline") continue;
    const auto bits = rows[i].number("bits_per_byte");
    if (!bits) continue;
    const Baseline fresh{rows[i].text("model"), rows[i].text("corpus"), *bits, i};
    const auto same = std::find_if(all.begin(), all.end(), [&](const Baseline& b) {
      return b.name == fresh.name && b.corpus == fresh.corpus;
    });
    if (same == all.end()) {
      all.push_back(fresh);
    } else if (rows[same->row].text("time") <= rows[i].text("time")) {
      *same = fresh;
    }
  }
  return all;
}

std::vector<std::string> corpora(std::span<const ResultRow> rows) {
  std::vector<std::string> names;
  for (const ResultRow& row : rows) {
    if (row.text("kind") != "eval") continue;
    if (std::find(names.begin(), names.end(), row.text("corpus")) == names.end())
      names.push_back(row.text("corpus"));
  }
  return names;
}

}  // namespace photon::analysis
