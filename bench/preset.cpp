// SPDX-License-Identifier: Apache-2.0
#include "bench/preset.h"

#include <fmt/format.h>

#include <algorithm>

#include "bench/sweep.h"
#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/known_configs.h"

namespace photon::bench {
namespace {

constexpr int64_t most_mib = int64_t{1} << 30;

/// `parse` on the words of a key; what it throws gets file and line.
template <class Parse>
auto parsed(const ConfigTable& t, std::string_view key, Parse parse) {
  const std::string words = t.text(key);
  try {
    return parse(words);
  } catch (const Error& e) {
    t.fail(key, e.what());
  }
}

std::vector<std::filesystem::path> model_files(const ConfigTable& t) {
  std::vector<std::filesystem::path> out;
  for (const std::string& path : t.texts("models")) {
    try {
      out.push_back(find_config(ConfigKind::model, path));
    } catch (const Error& e) {
      t.fail("models", e.what());
    }
  }
  if (out.empty()) t.fail("models", "is an empty list: nothing would be measured");
  return out;
}

/// Reads limits and lists; with `partial` only those that are there.
void read(const ConfigTable& limits, const std::optional<ConfigTable>& lists, bool partial, SweepPreset& p) {
  const auto given = [&](const ConfigTable& t, std::string_view key) { return !partial || t.has(key); };
  if (given(limits, "max_seconds")) p.rule.max_seconds = limits.number("max_seconds", 1e-3, 1e5);
  if (given(limits, "min_samples")) p.rule.min_samples = limits.integer("min_samples", 1, 1000);
  if (limits.has("cache_mib")) p.cache_bytes = limits.integer("cache_mib", 1, most_mib) << 20;
  if (limits.has("equal_within")) {
    p.equal_within = limits.number("equal_within", 1e-3, 0.5);
    if (p.cache_bytes == 0)
      limits.fail("equal_within", "goes with cache_mib, the caches that are to be equal");
  }
  if (!lists) return;
  const ConfigTable& t = *lists;
  const auto numbers = [&](std::string_view key, bool allow_max) {
    return parsed(t, key, [&](const std::string& words) { return parse_sweep(words, key, allow_max); });
  };
  if (given(t, "models")) p.models = model_files(t);
  if (given(t, "regimes")) p.sweep.regimes = parsed(t, "regimes", parse_regimes);
  if (given(t, "generations"))
    p.sweep.generations = parsed(
        t, "generations", [](const std::string& words) { return parse_list(words, parse_generation); });
  if (given(t, "schedules"))
    p.sweep.schedules =
        parsed(t, "schedules", [](const std::string& words) { return parse_list(words, parse_schedule); });
  if (given(t, "batches")) p.sweep.batches = numbers("batches", true);
  if (given(t, "samples_per_prompt")) p.sweep.samples_per_prompt = numbers("samples_per_prompt", false);
}

std::string name(const std::filesystem::path& model) {
  return model.stem().string();
}
std::string name(const Regime& r) {
  return fmt::format("{} ({} in, {} out)", r.name, r.prompt, r.new_tokens);
}
std::string name(Generation generation) {
  return std::string(to_string(generation));
}
std::string name(Schedule schedule) {
  return std::string(to_string(schedule));
}
std::string name(int64_t number) {
  return number == sweep_max ? "max" : std::to_string(number);
}

template <class T>
void compare_lists(const char* what, const std::vector<T>& full, const std::vector<T>& scaled,
                   std::vector<std::string>& out) {
  if (scaled == full) return;
  const auto all = [](const std::vector<T>& values) {
    std::string text;
    for (const T& value : values) text += (text.empty() ? "" : ", ") + name(value);
    return text;
  };
  out.push_back(fmt::format("{}: {} for {}", what, all(scaled), all(full)));
}

/// What a reader has to know before comparing the rows with those of the full size.
std::vector<std::string> differences(const SweepPreset& full, const SweepPreset& scaled) {
  std::vector<std::string> out;
  compare_lists("models", full.models, scaled.models, out);
  compare_lists("regimes", full.sweep.regimes, scaled.sweep.regimes, out);
  compare_lists("generations", full.sweep.generations, scaled.sweep.generations, out);
  compare_lists("schedules", full.sweep.schedules, scaled.sweep.schedules, out);
  compare_lists("batches", full.sweep.batches, scaled.sweep.batches, out);
  compare_lists("samples per prompt", full.sweep.samples_per_prompt, scaled.sweep.samples_per_prompt, out);
  if (scaled.cache_bytes != full.cache_bytes)
    out.push_back(fmt::format("largest batch: what {} MiB of caches hold", scaled.cache_bytes >> 20));
  if (scaled.rule.max_seconds != full.rule.max_seconds)
    out.push_back(
        fmt::format("samples: {:g} s a row for {:g} s", scaled.rule.max_seconds, full.rule.max_seconds));
  return out;
}

}  // namespace

bool is_sweep_preset(const std::filesystem::path& file) {
  return load_config(file).root().has("sweep");
}

SweepPreset load_sweep_preset(const std::filesystem::path& file, const std::string& device) {
  const ConfigDocument document = load_config(file);
  const ConfigTable root = document.root();
  SweepPreset full;
  const std::string own_device = root.text("device");
  full.device = device.empty() ? own_device : device;
  if (root.has("dtype")) full.dtype = parse_dtype(root.choice("dtype", {"bfloat16", "float32", "float64"}));
  const auto sweep = root.table("sweep");
  if (!sweep) throw Error(fmt::format("{}: no [sweep] section", root.where()));
  read(root, sweep, false, full);

  SweepPreset scaled = full;
  bool is_scaled = false;
  if (const auto table = root.table("scaled")) {
    const auto devices = table->texts("devices");
    if (devices.empty()) table->fail("devices", "is an empty list");
    is_scaled = std::find(devices.begin(), devices.end(), full.device) != devices.end();
    read(*table, table->table("sweep"), true, scaled);
  }
  root.finish();
  if (!is_scaled) return full;
  scaled.scaled = differences(full, scaled);
  return scaled;
}

}  // namespace photon::bench
