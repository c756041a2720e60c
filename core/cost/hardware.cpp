// SPDX-License-Identifier: Apache-2.0
#include "core/cost/hardware.h"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <utility>

#include "core/base/config.h"
#include "core/base/error.h"

namespace photon {
namespace {

constexpr double most = 1e12;

Hardware::Rates read_rates(const std::optional<ConfigTable>& table) {
  Hardware::Rates r;
  if (!table) return r;
  const auto read = [&](std::string_view key, double unit) {
    return table->has(key) ? table->number(key, 1e-6, most) * unit : 0.0;
  };
  r.bandwidth = read("bandwidth_gb_per_s", 1e9);
  r.bfloat16_rate = read("bfloat16_tflops", 1e12);
  r.float32_rate = read("float32_tflops", 1e12);
  r.float64_rate = read("float64_tflops", 1e12);
  r.cache_bandwidth = read("cache_bandwidth_gb_per_s", 1e9);
  r.launch_seconds = read("launch_us", 1e-6);
  return r;
}

double rate(const Hardware::Rates& r, DType dtype) {
  switch (dtype) {
    case DType::float32:
      return r.float32_rate;
    case DType::float64:
      return r.float64_rate;
    case DType::bfloat16:
      return r.bfloat16_rate;
  }
  return 0.0;
}

struct Found {
  double value = 0.0;
  std::string_view origin;
};

/// The first of measured, reported and promised that is there.
Found find(const Hardware& h, bool data_sheet_only,
           const std::function<double(const Hardware::Rates&)>& value) {
  const auto places = std::to_array<std::pair<const Hardware::Rates*, std::string_view>>(
      {{&h.measured, "measured"}, {&h.reported, "reported"}, {&h.data_sheet, "data sheet"}});
  for (size_t i = data_sheet_only ? 2 : 0; i < places.size(); ++i) {
    const auto& [rates, origin] = places[i];
    if (const double found = value(*rates); found > 0.0) return {found, origin};
  }
  return {};
}

std::string rates_toml(const char* name, const Hardware::Rates& r) {
  std::string out = fmt::format("\n[{}]\n", name);
  const auto write = [&](const char* key, double value, double unit) {
    if (value > 0.0) out += fmt::format("{} = {:.6g}\n", key, value / unit);
  };
  write("bandwidth_gb_per_s", r.bandwidth, 1e9);
  write("bfloat16_tflops", r.bfloat16_rate, 1e12);
  write("float32_tflops", r.float32_rate, 1e12);
  write("float64_tflops", r.float64_rate, 1e12);
  write("cache_bandwidth_gb_per_s", r.cache_bandwidth, 1e9);
  write("launch_us", r.launch_seconds, 1e-6);
  return out;
}

}  // namespace

Ceilings Hardware::ceilings(DType dtype, bool data_sheet_only) const {
  const auto value = [&](const std::function<double(const Rates&)>& of) {
    return find(*this, data_sheet_only, of).value;
  };
  Ceilings c;
  c.bandwidth = value(&Rates::bandwidth);
  c.matrix_rate = value([&](const Rates& r) { return rate(r, dtype); });
  c.cache_bandwidth = value(&Rates::cache_bandwidth);
  c.launch_seconds = value(&Rates::launch_seconds);
  c.cache_bytes = cache_bytes;
  if (!(c.bandwidth > 0.0)) throw Error(fmt::format("hardware '{}' has no bandwidth_gb_per_s", name));
  if (!(c.matrix_rate > 0.0))
    throw Error(fmt::format("hardware '{}' has no {}_tflops", name, to_string(dtype)));
  return c;
}

Hardware::Origins Hardware::origins(DType dtype, bool data_sheet_only) const {
  return {find(*this, data_sheet_only, &Rates::bandwidth).origin,
          find(*this, data_sheet_only, [&](const Rates& r) { return rate(r, dtype); }).origin,
          find(*this, data_sheet_only, &Rates::launch_seconds).origin};
}

Hardware load_hardware(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  const ConfigDocument document = load_config(file, overrides);
  const ConfigTable root = document.root();
  Hardware h;
  h.name = root.text("name");
  h.memory_bytes = static_cast<int64_t>(root.number("memory_gb", 1e-3, 1e6) * 1e9);
  h.cache_bytes = static_cast<int64_t>(root.number("cache_mib", 0.0, 1e6, 0.0) * 0x1p20);
  if (root.has("power_watts")) h.power_watts = root.number("power_watts", 1e-3, 1e6);
  if (root.has("price_per_hour")) h.price_per_hour = root.number("price_per_hour", 0.0, 1e6);
  h.data_sheet = read_rates(root.table("data_sheet"));
  h.measured = read_rates(root.table("measured"));
  if (const auto reported = root.table("reported")) {
    h.reported_source = reported->text("source");
    if (h.reported_source.empty())
      reported->fail("source", "is empty: say whose measurement it is, and where");
    h.reported = read_rates(reported);
  }
  root.finish();
  if (h.data_sheet.bandwidth == 0.0 && h.reported.bandwidth == 0.0 && h.measured.bandwidth == 0.0) {
    throw Error(
        fmt::format("{}: no bandwidth_gb_per_s in [data_sheet], [reported] or [measured]", file.string()));
  }
  return h;
}

std::string to_toml(const Hardware& h) {
  std::string out =
      fmt::format("name = {}\nmemory_gb = {:.6g}\ncache_mib = {:.6g}\n", toml_text(h.name),
                  static_cast<double>(h.memory_bytes) / 1e9, static_cast<double>(h.cache_bytes) / 0x1p20);
  if (h.power_watts) out += fmt::format("power_watts = {:.6g}\n", *h.power_watts);
  if (h.price_per_hour) out += fmt::format("price_per_hour = {:.6g}\n", *h.price_per_hour);
  out += rates_toml("data_sheet", h.data_sheet);
  if (!h.reported_source.empty()) {
    out += rates_toml("reported", h.reported) + fmt::format("source = {}\n", toml_text(h.reported_source));
  }
  return out + rates_toml("measured", h.measured);
}

}  // namespace photon
