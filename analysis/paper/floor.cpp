// SPDX-License-Identifier: Apache-2.0
#include "analysis/paper/floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "core/base/error.h"
#include "core/model/model_config.h"

namespace photon::analysis {
namespace {

constexpr int64_t bfloat16_bytes = 2;

std::string spec_name(const PaperRow& row) {
  std::string name = row.architecture + "-" + row.size;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return row.chunks == "2x2" ? name + "-2x2" : name;
}

FloorAtBatch floor_at(const ModelSpec& spec, Workload w, int64_t batch, const Ceilings& ceilings) {
  w.batch = batch;
  const RequestFloor f = request_floor(spec, w, ceilings);
  const auto tokens = static_cast<double>(w.sequences() * w.new_tokens);
  return {batch, tokens / f.seconds(), tokens / (f.prefill.serial_seconds + f.decode.serial_seconds)};
}

}  // namespace

double PaperPoint::floor_tpm() const {
  return largest.serial_tokens_per_s / 1e3 / (kv_bytes_ideal(spec, workload) / 0x1p30);
}

double PaperPoint::overlap_tpm() const {
  return largest.tokens_per_s / 1e3 / (kv_bytes_ideal(spec, workload) / 0x1p30);
}

std::vector<PaperPoint> paper_points(const std::filesystem::path& models, const Hardware& hardware,
                                     const Ceilings& ceilings, const std::vector<std::string>& overrides) {
  std::vector<PaperPoint> points;
  for (const PaperRow& row : paper_rows()) {
    const ModelSpec spec = load_model_spec(models / (spec_name(row) + ".toml"), overrides);
    for (const bool prefill_heavy : {true, false}) {
      PaperPoint p{.row = row,
                   .regime = prefill_heavy ? "pf" : "de",
                   .spec = spec,
                   .workload = {},
                   .largest = {},
                   .implied = {},
                   .fixed = {}};
      p.workload = {.prompt = prefill_heavy ? 2048 : 128,
                    .new_tokens = prefill_heavy ? 128 : 2048,
                    .generation = row.generation == "recgen" ? Generation::recgen : Generation::hiergen,
                    .weight_bytes = bfloat16_bytes,
                    .kv_bytes = bfloat16_bytes};
      p.tokens_per_s = 1e3 * (prefill_heavy ? row.throughput_pf : row.throughput_de);
      p.memory_bytes = 0x1p30 * (prefill_heavy ? row.memory_pf : row.memory_de);
      p.tpm = prefill_heavy ? row.tpm_pf : row.tpm_de;
      p.largest =
          floor_at(spec, p.workload, largest_batch(spec, p.workload, hardware.memory_bytes), ceilings);
      const double room =
          usable_share * static_cast<double>(hardware.memory_bytes) - weights_bytes(spec, bfloat16_bytes);
      const auto implied = static_cast<int64_t>(room / p.memory_bytes);
      if (implied < 1) {
        throw Error(fmt::format("{}: a sample of {:.3f} GiB, as printed, does not fit beside {}'s weights",
                                hardware.name, p.memory_bytes / 0x1p30, spec.name));
      }
      p.implied = floor_at(spec, p.workload, implied, ceilings);
      for (const int64_t batch : paper_batches) {
        p.fixed.push_back(batch <= p.largest.batch ? floor_at(spec, p.workload, batch, ceilings)
                                                   : FloorAtBatch{});
      }
      points.push_back(std::move(p));
    }
  }
  return points;
}

std::vector<PaperRatio> paper_ratios(const std::vector<PaperPoint>& points) {
  std::vector<PaperRatio> ratios;
  const auto add = [&](const std::string& what, const PaperPoint& a, const PaperPoint& b) {
    ratios.push_back({.what = what,
                      .size = a.row.size,
                      .regime = a.regime,
                      .throughput = a.tokens_per_s / b.tokens_per_s,
                      .throughput_floor = a.largest.serial_tokens_per_s / b.largest.serial_tokens_per_s,
                      .throughput_overlap = a.largest.tokens_per_s / b.largest.tokens_per_s,
                      .throughput_implied = a.implied.serial_tokens_per_s / b.implied.serial_tokens_per_s,
                      .memory = a.memory_bytes / b.memory_bytes,
                      .memory_ideal = kv_bytes_ideal(a.spec, a.workload) / kv_bytes_ideal(b.spec, b.workload),
                      .tpm = a.tpm / b.tpm,
                      .tpm_floor = a.floor_tpm() / b.floor_tpm(),
                      .tpm_overlap = a.overlap_tpm() / b.overlap_tpm(),
                      .serial_at = {},
                      .overlap_at = {}});
    for (size_t i = 0; i < paper_batches.size(); ++i) {
      const FloorAtBatch& x = a.fixed[i];
      const FloorAtBatch& y = b.fixed[i];
      const bool fits = x.batch > 0 && y.batch > 0;
      PaperRatio& r = ratios.back();
      r.serial_at.push_back(fits ? std::optional(x.serial_tokens_per_s / y.serial_tokens_per_s)
                                 : std::nullopt);
      r.overlap_at.push_back(fits ? std::optional(x.tokens_per_s / y.tokens_per_s) : std::nullopt);
    }
  };
  for (const PaperPoint& b : points) {
    for (const PaperPoint& a : points) {
      if (&a == &b || a.regime != b.regime || a.row.size != b.row.size) continue;
      const std::string& over = b.row.architecture;
      const bool first_table = a.row.table == 1 && b.row.table == 1;
      if (first_table && ((over == "vanilla") || (over == "block" && a.row.architecture == "photon"))) {
        add(a.row.method() + " / " + b.row.method(), a, b);
      }
      const bool base = b.row.table == 1 && over == "photon";
      if (base && a.row.generation == "recgen") add(a.row.method() + " / " + b.row.method(), a, b);
      if (base && a.row.table == 3) add(a.row.method() + " 2x2 / 4x4", a, b);
    }
  }
  std::map<std::string, size_t> order;
  for (const PaperRatio& r : ratios) order.emplace(r.what, order.size());
  std::stable_sort(ratios.begin(), ratios.end(), [&](const PaperRatio& a, const PaperRatio& b) {
    return order.at(a.what) < order.at(b.what);
  });
  return ratios;
}

std::string_view verdict(double printed, double at_floor) {
  const double sign = std::log(printed) * std::log(at_floor);
  if (sign < 0.0) return "turns round";
  const double share = std::log(at_floor) / std::log(printed);
  const double factor = std::max(printed / at_floor, at_floor / printed);
  return factor <= 1.25 ? "stays" : share < 1.0 ? "shrinks" : "grows";
}

}  // namespace photon::analysis
