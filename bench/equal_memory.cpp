// SPDX-License-Identifier: Apache-2.0
#include "bench/equal_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "bench/row.h"
#include "core/base/error.h"
#include "core/cost/cost.h"

namespace photon::bench {
namespace {

constexpr int64_t most_of_least = 4;

double unused(std::span<const double> prompt_bytes, double budget) {
  double worst = 0.0;
  for (const double prompt : prompt_bytes) {
    const double used = std::floor(budget / prompt) * prompt;
    worst = std::max(worst, 1.0 - used / budget);
  }
  return worst;
}

}  // namespace

double planned_bytes_per_row(const Case& c) {
  Case prompt = c;
  prompt.batch = c.samples_per_prompt;  // of a row it is all the same, and it may not be known yet
  Workload w = workload_of(prompt);
  const int64_t meta = c.spec.meta_context();
  const int64_t end = (w.prompt + w.new_tokens + meta - 1) / meta * meta;
  w.new_tokens = end - w.prompt;
  return kv_bytes_ideal(c.spec, w) + local_bytes(c.spec, w);
}

CacheBudget equal_budget(std::span<const double> prompt_bytes, int64_t least, double within) {
  const auto low = static_cast<double>(least);
  const double high = low * most_of_least;
  // The unused share jumps down where one more prompt fits and grows from there: the least budgets are such
  // points.
  std::vector<double> candidates{low};
  for (const double prompt : prompt_bytes) {
    if (!(prompt >= 1.0) || prompt > high) {
      throw Error(
          fmt::format("equal memory: a prompt takes {:.4g} MiB of caches; 1 byte to {:.4g} MiB are allowed",
                      prompt / 0x1p20, high / 0x1p20));
    }
    for (double count = std::ceil(low / prompt); count * prompt <= high; ++count) {
      candidates.push_back(std::ceil(count * prompt));
    }
  }
  std::sort(candidates.begin(), candidates.end());
  CacheBudget best{0, 1.0};
  for (const double budget : candidates) {
    const double share = unused(prompt_bytes, budget);
    if (best.bytes > 0 && share >= best.unused) continue;
    best = {static_cast<int64_t>(budget), share};
    if (share <= within) break;
  }
  return best;
}

void equalise(std::span<Case* const> cases, double within,
              const std::function<void(const std::string&)>& say) {
  using Group = std::tuple<std::string, int64_t, int64_t, DType, int64_t>;
  std::map<Group, std::vector<Case*>> groups;
  for (Case* c : cases) {
    groups[{c->regime.name, c->regime.prompt, c->regime.new_tokens, c->dtype, c->samples_per_prompt}]
        .push_back(c);
  }
  for (const auto& [key, group] : groups) {
    std::vector<double> prompts;
    for (const Case* c : group) {
      // A shared prefix is divided among its samples: whole bytes again, so that no rounding costs a prompt.
      prompts.push_back(std::round(planned_bytes_per_row(*c) * static_cast<double>(c->samples_per_prompt)));
    }
    const CacheBudget budget = equal_budget(prompts, group.front()->cache_bytes, within);
    for (Case* c : group) c->cache_bytes = budget.bytes;
    say(fmt::format(
        "{}, N={}: {:.4g} MiB of caches for each, of which at most {:.1f} % stay unused{}",
        group.front()->regime.name, group.front()->samples_per_prompt,
        static_cast<double>(budget.bytes) / 0x1p20, 100.0 * budget.unused,
        budget.unused > within ? fmt::format(": not the {:.3g} % asked for", 100.0 * within) : ""));
  }
}

}  // namespace photon::bench
