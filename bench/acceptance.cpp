// SPDX-License-Identifier: Apache-2.0
#include "bench/acceptance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bench/sweep.h"
#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/known_configs.h"

namespace photon::bench {
namespace {

constexpr int64_t most_tokens = int64_t{1} << 20;
constexpr int64_t most_rows = int64_t{1} << 24;

Target read_target(const ConfigTable& t, const Acceptance& a) {
  Target out;
  out.what = t.text("what");
  std::vector<std::string> models;
  for (const auto& [name, path] : a.models) models.push_back(name);
  out.model = t.choice("model", models);
  out.measured = t.choice("measured", {"decode_serial_fraction", "prefill_serial_fraction", "decode_mfu",
                                       "prefill_mfu", "decode_mbu", "prefill_mbu", "step_mfu"});
  if (out.is_training()) {
    out.length = t.integer("length", 1, most_tokens);
    out.recompute = parse_recompute(t.choice("recompute", {"none", "inner", "layer"}, "none"));
  } else if (t.has("regime")) {
    const auto regimes = parse_regimes(t.text("regime"));
    if (regimes.size() != 1) t.fail("regime", "names several; one a target");
    out.regime = regimes.front();
  } else {
    out.regime = {"custom", t.integer("prompt", 0, most_tokens), t.integer("new", 1, most_tokens)};
  }
  if (!out.is_training()) {
    out.generation = parse_generation(t.choice("generation", {"hiergen", "recgen"}, "hiergen"));
    out.schedule = parse_schedule(t.choice("schedule", {"streamed", "unrolled"}, "streamed"));
  }
  if (t.is_text("batch")) {
    t.choice("batch", {"max"});
    out.batch = sweep_max;
  } else {
    out.batch = t.integer("batch", 1, most_rows);
  }
  out.at_least = t.number("at_least", 1e-6, 1.0);
  if (t.has("expected_ktok_per_s"))
    out.expected_tokens_per_s = 1000.0 * t.number("expected_ktok_per_s", 1e-6, 1e9);
  return out;
}

std::string phase_of(const Target& t) {
  return t.measured.substr(0, t.measured.find('_'));
}

/// What a share is of.
std::string limit_of(const Target& t) {
  if (t.measured.ends_with("mfu")) return "matrix rate";
  if (t.measured.ends_with("mbu")) return "bandwidth";
  return "serial floor";
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100.0 * share);
}

std::string thousands(double tokens_per_s) {
  return fmt::format("{:.4g}", tokens_per_s / 1000.0);
}

std::string verdict(const Outcome& o) {
  if (!o.row) return "not measured: " + o.why_not;
  const auto share = o.row->number(o.target.measured);
  if (!share) return fmt::format("not measured: this case has no {}", o.target.measured);
  return o.reached() ? "reached"
                     : fmt::format("missed by {:.1f} points", 100.0 * (o.target.at_least - *share));
}

}  // namespace

Acceptance load_acceptance(const std::filesystem::path& preset) {
  const ConfigDocument document = load_config(preset);
  const ConfigTable root = document.root();
  const auto section = [&](std::string_view key) {
    const auto found = root.table(key);
    if (!found) throw Error(fmt::format("{}: no [{}] section", root.where(), key));
    return *found;
  };
  Acceptance a;
  a.device = root.text("device");
  a.dtype = parse_dtype(root.choice("dtype", {"bfloat16", "float32", "float64"}));
  a.rule.max_seconds = root.number("max_seconds", 1e-3, 1e5);
  a.rule.min_samples = root.integer("min_samples", 1, 1000);
  const ConfigTable models = section("models");
  for (const std::string architecture : {"vanilla", "block", "photon"}) {
    for (const std::string& name : {architecture, architecture + "-small"}) {
      if (models.has(name)) a.models[name] = find_config(ConfigKind::model, models.text(name));
    }
  }
  const ConfigTable check = section("check");
  for (const std::string& path : check.texts("models"))
    a.check.models.push_back(find_config(ConfigKind::model, path));
  a.check.rows = check.integer("rows", 1, 1024);
  if (check.has("steps")) {
    a.check.steps = check.integer("steps", 1, 1000);
    a.check.length = check.integer("length", 1, most_tokens);
  } else {
    a.check.prompt = check.integer("prompt", 0, most_tokens);
    a.check.new_tokens = check.integer("new", 1, most_tokens);
  }
  a.check.largest_error = check.number("largest_error", 0.0, 10.0);
  for (const ConfigTable& t : root.tables("target")) a.targets.push_back(read_target(t, a));
  if (a.targets.empty()) throw Error(fmt::format("{}: no [[target]]", root.where()));
  root.finish();
  return a;
}

bool Outcome::reached() const {
  const auto share = row ? row->number(target.measured) : std::nullopt;
  return share && *share >= target.at_least;
}

std::string table(const std::vector<Outcome>& outcomes) {
  std::string out =
      "| what | batch | at least | of the | reached | k tok/s | expected | bound | verdict |\n"
      "|---|--:|--:|---|--:|--:|--:|---|---|\n";
  for (const Outcome& o : outcomes) {
    const std::string phase = phase_of(o.target);
    const auto number = [&](const std::string& column) {
      return o.row ? o.row->number(column) : std::nullopt;
    };
    const auto share = number(o.target.measured);
    const auto rate = number(phase + "_tokens_per_s");
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", o.target.what,
                       o.row ? o.row->text("batch") : "", percent(o.target.at_least), limit_of(o.target),
                       share ? percent(*share) : "", rate ? thousands(*rate) : "",
                       o.target.expected_tokens_per_s ? thousands(*o.target.expected_tokens_per_s) : "",
                       o.row && !o.target.is_training() ? o.row->text(phase + "_bound") : "", verdict(o));
  }
  return out;
}

}  // namespace photon::bench
