// SPDX-License-Identifier: Apache-2.0
#include "analysis/crossings.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "analysis/draw/format.h"
#include "core/base/error.h"

namespace photon::analysis {
namespace {

void check(const Ceilings& c) {
  if (!(c.bandwidth > 0.0) || !(c.matrix_rate > 0.0)) {
    throw Error(fmt::format("no crossing without ceilings: bandwidth {} B/s, matrix rate {} FLOP/s",
                            c.bandwidth, c.matrix_rate));
  }
}

using Predicate = std::function<bool(int64_t)>;

/// The first number in (low, high] at which `holds` is as at `high`, given that it turns round once in
/// between.
int64_t bisect(int64_t low, int64_t high, const Predicate& holds) {
  const bool at_high = holds(high);
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (holds(middle) == at_high ? high : low) = middle;
  }
  return high;
}

/// `knots` rise from the first number to the last; between two of them the comparison turns round at most
/// once.
Crossing solve(const std::vector<int64_t>& knots, const Predicate& holds) {
  Crossing crossing{
      .low = knots.front(), .high = knots.back(), .at_low = holds(knots.front()), .changes = {}};
  bool before = crossing.at_low;
  for (size_t i = 1; i < knots.size(); ++i) {
    const bool now = holds(knots[i]);
    if (now != before) crossing.changes.push_back(bisect(knots[i - 1], knots[i], holds));
    before = now;
  }
  return crossing;
}

/// Meta-contexts between which every sum is linear in their number.
std::vector<int64_t> knots_of(const ModelSpec& spec, int64_t most) {
  std::set<int64_t> knots{1, most};
  for (int l = 1; l <= spec.depth(); ++l) {
    const EncoderWindow& window = spec.level(l).encoder_window;
    if (window.kind != EncoderWindow::Kind::units) continue;
    // The units of one meta-context meet the window's end one after another.
    const int64_t units = spec.units_per_meta_context(l);
    for (int64_t m = (window.units - 1) / units - 1; m <= (window.units - 1) / units + 1; ++m) {
      if (m > 1 && m < most) knots.insert(m);
    }
  }
  return {knots.begin(), knots.end()};
}

bool is_product(const Operation& op) {
  return op.work.weight_bytes > 0.0;
}

}  // namespace

int64_t DecodeCase::whole(int64_t context) const {
  const int64_t meta = spec.meta_context();
  return std::max(context / meta * meta, meta);
}

Forwards DecodeCase::decode_step(int64_t context, int64_t batch) const {
  const Workload w{.prompt = context,
                   .new_tokens = spec.meta_context(),
                   .batch = batch,
                   .generation = generation,
                   .weight_bytes = element_bytes,
                   .kv_bytes = element_bytes};
  Forwards only;
  visit_request(
      spec, w, [](const Forwards&) {}, [&](const Forwards& forwards) { only = forwards; });
  return only;
}

bool Comparison::holds(const Forwards& forwards, const Ceilings& ceilings) const {
  Work sum;
  for (const Forward& forward : forwards) {
    for (const Operation& op : forward) {
      const bool same_place = part && op.level == part->level && op.decoder == part->decoder;
      const bool own_cache =
          kind == Kind::kv_over_weights && same_place && op.kind == Operation::Kind::attention;
      if (part && !own_cache && !(same_place && op.kind == part->operation)) continue;
      sum += op.work;
    }
  }
  if (kind == Kind::kv_over_weights) return sum.kv_bytes() > sum.weight_bytes;
  return sum.flops / ceilings.matrix_rate > sum.floor_bytes() / ceilings.bandwidth;
}

bool Crossing::holds_at(int64_t n) const {
  const auto turned = std::upper_bound(changes.begin(), changes.end(), n) - changes.begin();
  return at_low != (turned % 2 == 1);
}

std::string to_string(const Crossing& c) {
  const auto number = [](int64_t n) { return with_commas(std::to_string(n)); };
  if (c.changes.empty()) return c.at_low ? "always" : "never up to " + number(c.high);
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  size_t i = 0;
  // The last number at which it holds is one step before a change; the step is the caller's, so say "below".
  if (c.at_low) add("below " + number(c.changes[i++]));
  for (; i < c.changes.size(); i += 2) {
    const bool ends = i + 1 < c.changes.size();
    add("from " + number(c.changes[i]) + (ends ? " to below " + number(c.changes[i + 1]) : ""));
  }
  return out;
}

Crossing over_batch(const DecodeCase& c, const Comparison& comparison, const Ceilings& ceilings,
                    int64_t context, int64_t most) {
  check(ceilings);
  return solve({1, most}, [&](int64_t batch) {
    return comparison.holds(c.decode_step(c.whole(context), batch), ceilings);
  });
}

Crossing over_context(const DecodeCase& c, const Comparison& comparison, const Ceilings& ceilings,
                      int64_t batch, int64_t longest) {
  check(ceilings);
  const int64_t meta = c.spec.meta_context();
  Crossing crossing = solve(knots_of(c.spec, c.whole(longest) / meta), [&](int64_t m) {
    return comparison.holds(c.decode_step(m * meta, batch), ceilings);
  });
  crossing.low *= meta;
  crossing.high *= meta;
  for (int64_t& change : crossing.changes) change *= meta;
  return crossing;
}

std::vector<NamedPart> cached_parts(const DecodeCase& c) {
  if (c.spec.depth() == 0) return {{"stack", {Operation::Kind::stack, 1, true}}};
  std::vector<NamedPart> parts;
  for (int l = c.generation == Generation::recgen ? c.spec.depth() : 1; l <= c.spec.depth(); ++l)
    parts.push_back({fmt::format("encoder {}", l), {Operation::Kind::stack, l, false}});
  return parts;
}

std::vector<NamedPart> product_parts(const DecodeCase& c) {
  std::vector<NamedPart> parts;
  for (const Forward& forward : c.decode_step(c.spec.meta_context(), 1)) {
    for (const Operation& op : forward) {
      if (!is_product(op)) continue;
      const bool known = std::any_of(parts.begin(), parts.end(), [&](const NamedPart& p) {
        return p.part.operation == op.kind && p.part.level == op.level && p.part.decoder == op.decoder;
      });
      if (known) continue;
      std::string name;
      switch (op.kind) {
        case Operation::Kind::chunker:
          name = fmt::format("chunker {}", op.level);
          break;
        case Operation::Kind::converter:
          name = fmt::format("converter {}", op.level);
          break;
        case Operation::Kind::head:
          name = "head";
          break;
        default:
          name = c.spec.depth() == 0 ? "stack"
                                     : fmt::format("{} {}", op.decoder ? "decoder" : "encoder", op.level);
      }
      parts.push_back({name, {op.kind, op.level, op.decoder}});
    }
  }
  return parts;
}

}  // namespace photon::analysis
