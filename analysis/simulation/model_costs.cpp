// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/model_costs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace photon::analysis::simulation {
namespace {

/// Prompts whose costs tell what a unit adds and what a prompt does once.
constexpr int64_t short_prompt = 64;
constexpr int64_t long_prompt = 128;  // units

bool is_attention(const Operation& op) {
  return op.kind == Operation::Kind::attention;
}

double launches(const Forwards& forwards) {
  double sum = 0.0;
  for (const Forward& forward : forwards) {
    for (const Operation& op : forward) sum += op.launches;
  }
  return sum;
}

/// Attention of one level in a prefill or a decode step.
Work attention_work(const Forwards& forwards, int level) {
  Work sum;
  for (const Forward& forward : forwards) {
    for (const Operation& op : forward) {
      if (is_attention(op) && op.level == std::max(level, 1)) sum += op.work;
    }
  }
  return sum;
}

/// Keys that the unit at position n of level l sees besides itself.
double visible_before(const ModelSpec& spec, int l, int64_t n) {
  return visible_pairs(spec, l, n + 1) - visible_pairs(spec, l, n) - 1.0;
}

void check(const Service& s, const Efficiency& e) {
  const auto fraction = [](double x) { return x > 0.0 && x <= 1.0; };
  if (!fraction(e.prefill) || !fraction(e.decode)) {
    throw UsageError(fmt::format("efficiencies of {} in prefill and {} in decode; above 0 and up to 1",
                                 e.prefill, e.decode));
  }
  if (s.samples < 1 || s.samples > int64_t{1} << 20) {
    throw UsageError(fmt::format("{} samples a prompt; 1 to {} are allowed", s.samples, int64_t{1} << 20));
  }
  if (s.shared_prefix < 0 || s.shared_prefix > longest_text) {
    throw UsageError(
        fmt::format("a shared prefix of {} tokens; 0 to {} are allowed", s.shared_prefix, longest_text));
  }
  if (s.prefill_tokens < 1) throw UsageError(fmt::format("{} tokens of prefill a step", s.prefill_tokens));
}

}  // namespace

ModelCosts::ModelCosts(const Service& service, const Ceilings& ceilings, const Efficiency& efficiency,
                       int64_t longest)
    : s_(service), c_(ceilings), efficiency_(efficiency) {
  check(s_, efficiency);
  prefix_units_ = s_.shared_prefix / s_.spec.meta_context();
  if (!(c_.bandwidth > 0.0) || !(c_.matrix_rate > 0.0)) {
    throw Error(fmt::format("no step times without ceilings: bandwidth {} B/s, matrix rate {} FLOP/s",
                            c_.bandwidth, c_.matrix_rate));
  }
  compile_decode(longest / s_.spec.meta_context() + 2);
  compile_prefill();
}

Workload ModelCosts::workload(int64_t prompt, int64_t answer, int64_t samples) const {
  return {.prompt = prompt,
          .new_tokens = answer,
          .samples = samples,
          .generation = s_.generation,
          .weight_bytes = s_.weight_bytes,
          .kv_bytes = s_.kv_bytes};
}

/// The decode step of `batch` rows that make unit number `unit`.
Forwards ModelCosts::decode_step(int64_t unit, Generation generation, int64_t batch) const {
  Workload w = workload(unit * s_.spec.meta_context(), s_.spec.meta_context(), 1);
  w.batch = batch;
  w.generation = generation;
  Forwards forwards;
  visit_request(
      s_.spec, w, [](const Forwards&) {}, [&](const Forwards& p) { forwards = p; });
  return forwards;
}

void ModelCosts::compile_decode(int64_t last_unit) {
  const ModelSpec& spec = s_.spec;
  const Forwards forwards = decode_step(1, s_.generation);
  for (size_t rows = 1; rows <= decode_launch_seconds_.size(); ++rows) {
    decode_launch_seconds_[rows - 1] =
        launches(decode_step(1, s_.generation, static_cast<int64_t>(rows))) * c_.launch_seconds;
  }
  for (const Forward& forward : forwards) {
    for (const Operation& op : forward) {
      if (is_attention(op)) continue;
      const Product made{op.work.weight_bytes / c_.bandwidth, op.work.flops / c_.matrix_rate, 0.0, 1.0};
      const auto same = std::find_if(decode_products_.begin(), decode_products_.end(), [&](const Product& p) {
        return p.memory == made.memory && p.per_row == made.per_row;
      });
      if (same != decode_products_.end()) {
        same->count += 1.0;
      } else {
        decode_products_.push_back(made);
      }
    }
  }
  // What a level writes and computes is the same in both generations; recgen leaves the lower ones out.
  const Forwards all = decode_step(1, Generation::hiergen);
  for (int l = spec.first_encoder(); l <= spec.depth(); ++l) {
    Level level;
    level.level = l;
    level.units = spec.units_per_meta_context(l);
    level.unit_bytes = attention_work(all, l).kv_write_bytes / static_cast<double>(level.units);
    level.decodes = s_.generation == Generation::hiergen || l == spec.depth();
    const auto work = [&](int64_t unit) {
      // A vanilla model has no unit 0: its first one sees an empty cache.
      if (l == 0 && unit == 0) return Work{};
      return attention_work(decode_step(unit, s_.generation), l);
    };
    if (level.decodes) {
      level.read_bytes.emplace(last_unit, [&](int64_t unit) { return work(unit).kv_read_bytes; });
      level.flops.emplace(last_unit, [&](int64_t unit) { return work(unit).flops; });
    }
    levels_.push_back(std::move(level));
  }
}

void ModelCosts::compile_prefill() {
  const auto prefill_of = [&](int64_t units) {
    Forwards forwards;
    visit_request(
        s_.spec, workload(units * s_.spec.meta_context(), 0, 1), [&](const Forwards& p) { forwards = p; },
        [](const Forwards&) {});
    return forwards;
  };
  const Forwards small = prefill_of(short_prompt);
  const Forwards large = prefill_of(long_prompt);
  prefill_launch_seconds_ = launches(small) * c_.launch_seconds;
  for (size_t f = 0; f < small.size(); ++f) {
    for (size_t i = 0; i < small[f].size(); ++i) {
      const Operation& op = small[f][i];
      if (is_attention(op)) continue;
      const double per_unit = (large[f][i].work.flops - op.work.flops) / (long_prompt - short_prompt);
      const double once = op.work.flops - per_unit * short_prompt;
      prefill_products_.push_back({op.work.weight_bytes / c_.bandwidth, per_unit / c_.matrix_rate,
                                   once > 1e-9 * op.work.flops ? once / c_.matrix_rate : 0.0, 1.0});
    }
  }
  for (Level& level : levels_) {
    level.pair_flops = attention_work(small, level.level).flops /
                       visible_pairs(s_.spec, level.level, short_prompt * level.units);
  }
}

double ModelCosts::kept_units(const Level& level, int64_t unit) const {
  return static_cast<double>(s_.spec.visibility(level.level).held(unit * level.units));
}

double ModelCosts::prefill_seconds(std::span<const PrefillPiece> pieces) const {
  if (pieces.empty()) return 0.0;
  double units = 0.0;
  double prompts = 0.0;
  for (const PrefillPiece& piece : pieces) {
    units += static_cast<double>(piece.to - piece.from);
    prompts += piece.last ? 1.0 : 0.0;
  }
  double seconds = 0.0;
  for (const Product& p : prefill_products_) {
    const double arithmetic = p.per_row * units + p.per_prompt * prompts;
    if (arithmetic > 0.0) seconds += std::max(p.memory, arithmetic);
  }
  for (const Level& level : levels_) {
    double pairs = 0.0;
    double moved = 0.0;  // units of cache
    for (const PrefillPiece& piece : pieces) {
      pairs += visible_pairs(s_.spec, level.level, piece.to * level.units) -
               visible_pairs(s_.spec, level.level, piece.from * level.units);
      // A prompt in several pieces leaves every level's keys for the pieces after it.
      const bool whole = piece.from == 0 && piece.last;
      if (level.decodes || !whole) moved += kept_units(level, piece.to) - kept_units(level, piece.from);
      if (piece.from > 0) moved += visible_before(s_.spec, level.level, piece.from * level.units);
    }
    seconds += std::max(moved * level.unit_bytes / c_.bandwidth, pairs * level.pair_flops / c_.matrix_rate);
  }
  return std::max(seconds / efficiency_.prefill, prefill_launch_seconds_);
}

double ModelCosts::decode_seconds(std::span<const DecodeRow> rows) const {
  if (rows.empty()) return 0.0;
  const auto samples = static_cast<double>(s_.samples);
  const double all_rows = samples * static_cast<double>(rows.size());
  double seconds = 0.0;
  for (const Product& p : decode_products_) seconds += p.count * std::max(p.memory, p.per_row * all_rows);
  for (const Level& level : levels_) {
    if (!level.decodes) continue;
    const ContextTable& read = *level.read_bytes;
    double bytes = all_rows * static_cast<double>(level.units) * level.unit_bytes;
    double flops = 0.0;
    double common = 0.0;
    for (const DecodeRow& r : rows) {
      const double all = read.at(r.unit);
      flops += level.flops->at(r.unit);
      bytes += all;
      if (s_.samples > 1) bytes += (samples - 1.0) * read.at(r.unit - r.start);  // what each made itself
      if (r.shared > 0) {
        const double prefix = all - read.at(r.unit - r.shared);
        bytes -= prefix;
        common = std::max(common, prefix);  // once for all
      }
    }
    seconds += std::max((bytes + common) / c_.bandwidth, samples * flops / c_.matrix_rate);
  }
  const size_t launched =
      std::min(rows.size() * static_cast<size_t>(s_.samples), decode_launch_seconds_.size());
  return std::max(seconds / efficiency_.decode, decode_launch_seconds_[launched - 1]);
}

double ModelCosts::step_seconds(std::span<const PrefillPiece> prefill, std::span<const DecodeRow> rows) {
  return prefill_seconds(prefill) + decode_seconds(rows);
}

ServicePlan ModelCosts::plan(const Request& r) const {
  const int64_t unit = s_.spec.meta_context();
  const int64_t shift = s_.spec.target_shift();
  ServicePlan plan;
  plan.prompt_units = r.prompt / unit;
  // The last unit is always encoded: what follows is conditioned on its state.
  plan.shared_units = std::min(prefix_units_, std::max<int64_t>(0, plan.prompt_units - 1));
  plan.prefill_emits = shift > 0;
  // As in the cost model, a vanilla model is fed its last token, too, as a hierarchy encodes its last unit.
  plan.decode_steps = (r.prompt % unit + r.answer + unit - 1) / unit;
  plan.silent_steps = shift;

  const auto samples = static_cast<double>(s_.samples);
  const Workload w = workload(r.prompt, r.answer, s_.samples);
  double bytes = samples * (kv_bytes_ideal(s_.spec, w) + local_bytes(s_.spec, w));
  if (plan.shared_units > 0) {
    // Of what one row holds at the end, the part that lies in the prefix: two samples would share just that.
    const int64_t prefix = plan.shared_units * unit;
    const Workload one = workload(prefix, r.prompt + r.answer - prefix, 1);
    Workload two = one;
    two.samples = 2;
    bytes -= 2.0 * (kv_bytes_ideal(s_.spec, one) - kv_bytes_ideal(s_.spec, two));
  }
  plan.held_bytes = std::ceil(std::max(0.0, bytes));
  plan.prefill_bytes = plan.held_bytes;
  if (s_.generation == Generation::recgen && plan.prompt_units - plan.shared_units > prefill_units()) {
    // In several pieces the lower encoders' keys are needed until the last one, then dropped.
    Workload whole = workload(r.prompt, 0, 1);
    whole.generation = Generation::hiergen;
    plan.prefill_bytes = std::max(plan.held_bytes, std::ceil(kv_bytes_ideal(s_.spec, whole)));
  }
  return plan;
}

double ModelCosts::room_bytes(int64_t memory_bytes) const {
  const double weights = weights_bytes(s_.spec, s_.weight_bytes);
  double room = usable_share * static_cast<double>(memory_bytes) - weights;
  if (prefix_units_ > 0) {
    // With every level's keys: encoders go on behind it, under recgen too.
    Workload prefix = workload(prefix_units_ * s_.spec.meta_context(), 0, 1);
    prefix.generation = Generation::hiergen;
    room -= kv_bytes_ideal(s_.spec, prefix);
  }
  if (!(room > 0.0)) {
    throw Error(fmt::format("model '{}': weights of {:.2f} GiB leave nothing of {} of {:.2f} GiB",
                            s_.spec.name, weights / 0x1p30, usable_share,
                            static_cast<double>(memory_bytes) / 0x1p30));
  }
  return room;
}

}  // namespace photon::analysis::simulation
