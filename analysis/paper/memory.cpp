// SPDX-License-Identifier: Apache-2.0
// Candidates for what the paper's memory column counts, and their constants fitted to it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "analysis/paper/floor.h"

namespace photon::analysis {
namespace {

double to_double(int64_t n) {
  return static_cast<double>(n);
}

double row_bytes(const StackShape& shape, const Workload& w) {
  return to_double(2 * shape.kv_width() * w.kv_bytes);
}

double ideal(const PaperPoint& p) {
  return kv_bytes_ideal(p.spec, p.workload);
}

double with_local(const PaperPoint& p) {
  return ideal(p) + local_bytes(p.spec, p.workload);
}

double with_weights(const PaperPoint& p) {
  return ideal(p) + weights_bytes(p.spec, p.workload.weight_bytes) / to_double(p.largest.batch);
}

/// Keys and values of converter vectors that decoder l keeps over the whole context: `units(l)` times R_l.
double with_converters(const PaperPoint& p, int units_of_level_below) {
  double bytes = ideal(p);
  const int64_t tokens = p.workload.prompt + p.workload.new_tokens;
  for (int l = 1; l <= p.spec.depth(); ++l) {
    const LevelSpec& s = p.spec.level(l);
    const int64_t units = tokens / p.spec.cumulative_chunk(l - units_of_level_below);
    bytes += row_bytes(p.spec.shape(l - 1), p.workload) * to_double(s.decoder_layers * units * s.prefix);
  }
  return bytes;
}

/// Of the largest growing cache, one layer at the end of the request: what lies beside it while it is copied
/// to grow by a token.
double one_layer(const PaperPoint& p) {
  const int64_t tokens = p.workload.prompt + p.workload.new_tokens;
  double most = 0.0;
  for (int l = p.spec.first_encoder(); l <= p.spec.depth(); ++l) {
    if (p.workload.generation == Generation::recgen && l < p.spec.depth()) continue;
    most = std::max(most, row_bytes(p.spec.shape(l), p.workload) *
                              to_double(p.spec.visibility(l).held(tokens / p.spec.cumulative_chunk(l))));
  }
  return most;
}

double with_copy(const PaperPoint& p) {
  return ideal(p) + one_layer(p);
}

/// Encoders run one after another: the caches of those before, the own one, and of each row of the prompt the
/// tensors alive in a SwiGLU block: `wide` of the feed-forward width, `narrow` of the model's.
double prefill_peak(const PaperPoint& p, int64_t wide, int64_t narrow) {
  const auto alive = [&](const StackShape& s) {
    return to_double((wide * s.ffn + narrow * s.width) * p.workload.weight_bytes);
  };
  double kept = 0.0;
  double most = 0.0;
  for (int l = p.spec.first_encoder(); l <= p.spec.depth(); ++l) {
    const StackShape& shape = p.spec.shape(l);
    const double units = to_double(p.workload.prompt / p.spec.cumulative_chunk(l));
    kept += units * row_bytes(shape, p.workload) * to_double(p.spec.encoder_layers(l));
    most = std::max(most, kept + units * alive(shape));
  }
  return most;
}

/// 4 and 2: gate, its SiLU, up and their product, residual and its norm, all alive; 3: the gate is given back
/// once its SiLU is there.
double peak(const PaperPoint& p, int64_t wide, int64_t narrow = 2) {
  return std::max(prefill_peak(p, wide, narrow), with_copy(p));
}

double mean_log_error(const std::vector<double>& bytes, const std::vector<PaperPoint>& points) {
  double sum = 0.0;
  for (size_t i = 0; i < points.size(); ++i) sum += std::abs(std::log(bytes[i] / points[i].memory_bytes));
  return sum / to_double(static_cast<int64_t>(points.size()));
}

/// The constant at which the mean |ln| is least, between 0 and `most`: every place where it can be least, a
/// prediction meeting its row, is tried.
template <class Apply, class Meets>
double fit(const std::vector<PaperPoint>& points, const std::vector<double>& base, Apply apply, Meets meets) {
  double best = meets(base[0], base[0]);
  double least = mean_log_error(base, points);
  for (size_t i = 0; i < points.size(); ++i) {
    const double constant = meets(base[i], points[i].memory_bytes);
    if (!(constant >= 0.0)) continue;
    std::vector<double> bytes;
    for (const double b : base) bytes.push_back(apply(b, constant));
    if (const double error = mean_log_error(bytes, points); error < least) {
      least = error;
      best = constant;
    }
  }
  return best;
}

}  // namespace

std::vector<MemoryAccounting> memory_accountings(const std::vector<PaperPoint>& points) {
  std::vector<MemoryAccounting> list;
  const auto values = [&](const std::function<double(const PaperPoint&)>& of) {
    std::vector<double> bytes;
    for (const PaperPoint& p : points) bytes.push_back(of(p));
    return bytes;
  };
  const auto add = [&](const char* name, const char* terms, std::function<double(const PaperPoint&)> of) {
    list.push_back({.name = name, .terms = terms, .bytes = values(of)});
  };
  const auto add_scaled = [&](const char* name, const char* terms,
                              const std::function<double(const PaperPoint&)>& of) {
    const auto base = values(of);
    const auto apply = [](double b, double c) { return b * c; };
    const double c = fit(points, base, apply, [](double b, double m) { return m / b; });
    list.push_back({name, terms, c, "factor", {}});
    for (const double b : base) list.back().bytes.push_back(apply(b, c));
  };
  const auto add_raised = [&](const char* name, const char* terms,
                              const std::function<double(const PaperPoint&)>& of) {
    const auto base = values(of);
    const auto apply = [](double b, double c) { return b + c; };
    const double c = fit(points, base, apply, [](double b, double m) { return m - b; });
    list.push_back({name, terms, c, "bytes a sample", {}});
    for (const double b : base) list.back().bytes.push_back(apply(b, c));
  };

  add("ideal KV", "growing caches at the end of the request", ideal);
  add_scaled("ideal KV, scaled", "ideal KV times one factor", ideal);
  add_raised("ideal KV, raised", "ideal KV plus one constant", ideal);
  add("KV and local caches", "ideal KV, local decoder caches", with_local);
  add("KV and weights", "ideal KV, weights / largest batch", with_weights);
  add("KV and converter vectors, M_(l-1) R_l",
      "ideal KV; in decoder l, keys and values of R_l vectors for every unit of level l - 1 (the first "
      "version's sum)",
      [](const PaperPoint& p) { return with_converters(p, 1); });
  add("KV and converter vectors, M_l R_l",
      "ideal KV; in decoder l, keys and values of R_l vectors for every chunk",
      [](const PaperPoint& p) { return with_converters(p, 0); });
  add("KV and a copy", "ideal KV, one layer of the largest cache twice (a cache grown by concatenation)",
      with_copy);
  add("peak of prefill or decode",
      "the larger of prefill (caches of the prompt, 4 ffn + 2 width numbers a row of the encoder that runs, "
      "chosen on "
      "these cells) and decode (KV and a copy)",
      [](const PaperPoint& p) { return peak(p, 4); });
  add("peak of prefill or decode, 3 ffn", "the same with 3 ffn + 2 width",
      [](const PaperPoint& p) { return peak(p, 3); });
  add_raised("peak of prefill or decode, raised", "the first of these plus one constant",
             [](const PaperPoint& p) { return peak(p, 4); });
  std::stable_sort(list.begin(), list.end(), [&](const MemoryAccounting& a, const MemoryAccounting& b) {
    return error_of(a, points).median < error_of(b, points).median;
  });
  return list;
}

std::string fitted_text(const MemoryAccounting& a) {
  if (!a.fitted) return "";
  return a.fitted_unit == "factor" ? fmt::format("x {:.3g}", *a.fitted)
                                   : fmt::format("{:.3g} MiB", *a.fitted / 0x1p20);
}

AccountingError error_of(const MemoryAccounting& accounting, const std::vector<PaperPoint>& points) {
  std::vector<double> errors;
  AccountingError worst;
  for (size_t i = 0; i < points.size(); ++i) {
    errors.push_back(std::abs(accounting.error(points[i], i)));
    if (errors.back() <= worst.worst) continue;
    worst.worst = errors.back();
    worst.worst_point = i;
  }
  std::sort(errors.begin(), errors.end());
  const size_t n = errors.size();
  if (n > 0) worst.median = 0.5 * (errors[(n - 1) / 2] + errors[n / 2]);
  return worst;
}

std::vector<PeakNeighbour> peak_neighbours(const std::vector<PaperPoint>& points) {
  std::vector<PeakNeighbour> out;
  for (int64_t ffn = 2; ffn <= 5; ++ffn) {
    for (int64_t width = 0; width <= 7; ++width) {
      MemoryAccounting accounting;
      for (const PaperPoint& p : points) accounting.bytes.push_back(peak(p, ffn, width));
      out.push_back({ffn, width, error_of(accounting, points)});
    }
  }
  return out;
}

PeakNeighbour best_of(const std::vector<PeakNeighbour>& neighbours) {
  return *std::min_element(neighbours.begin(), neighbours.end(),
                           [](const auto& a, const auto& b) { return a.error.median < b.error.median; });
}

std::vector<size_t> exchanged_memory(const MemoryAccounting& accounting,
                                     const std::vector<PaperPoint>& points) {
  std::vector<size_t> rows;
  const auto log_error = [&](size_t told, size_t printed) {
    return std::abs(std::log(accounting.bytes[told] / points[printed].memory_bytes));
  };
  for (size_t i = 0; i + 1 < points.size(); i += 2) {
    const double as_printed = log_error(i, i) + log_error(i + 1, i + 1);
    const double exchanged = log_error(i, i + 1) + log_error(i + 1, i);
    if (2.0 * exchanged <= as_printed) rows.push_back(i);
  }
  return rows;
}

}  // namespace photon::analysis
