// SPDX-License-Identifier: Apache-2.0
#include "bench/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bench/row.h"
#include "bench/sweep.h"

namespace photon::bench {

std::vector<Case> cases_of(const Case& like, const Sweep& sweep, const Say& say) {
  std::vector<Case> out;
  const auto add_batches = [&](Case c) {
    for (const int64_t samples : sweep.samples_per_prompt) {
      for (const int64_t batch : sweep.batches) {
        if (batch != sweep_max && batch % samples != 0) {
          say(fmt::format("{}: skipped B={}, which does not divide into {} samples per prompt", c.spec.name,
                          batch, samples));
          continue;
        }
        c.samples_per_prompt = samples;
        c.batch = batch;
        out.push_back(c);
      }
    }
  };
  for (const Regime& regime : sweep.regimes) {
    Case c = like;
    c.regime = regime;
    for (const Generation generation : sweep.generations) {
      c.generation = generation;
      c.schedule = Schedule::streamed;
      if (generation == Generation::hiergen) {
        add_batches(c);
      } else if (c.spec.depth() >= 2) {
        for (const Schedule schedule : sweep.schedules) {
          c.schedule = schedule;
          add_batches(c);
        }
      } else if (&regime == &sweep.regimes.front()) {
        say(fmt::format("{}: skipped recgen, which needs two levels; this model has {}", c.spec.name,
                        c.spec.depth()));
      }
    }
  }
  return out;
}

const ResultRow* measured_before(std::span<const ResultRow> rows, const Case& c, const ResultRow& identity) {
  ResultRow wanted = identity;
  set_case(wanted, c);
  static constexpr auto key = std::to_array<std::string_view>({"kind",         "commit",
                                                               "dirty",        "backend",
                                                               "device",       "threads",
                                                               "model",        "checkpoint",
                                                               "architecture", "reading",
                                                               "parameters",   "width",
                                                               "chunks",       "prefix",
                                                               "dtype",        "regime",
                                                               "generation",   "schedule",
                                                               "prompt",       "new_tokens",
                                                               "batch",        "samples_per_prompt"});
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const ResultRow& row) {
    return std::all_of(key.begin(), key.end(),
                       [&](std::string_view column) { return row.text(column) == wanted.text(column); });
  });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace photon::bench
