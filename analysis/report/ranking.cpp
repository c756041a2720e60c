// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/ranking.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"

namespace photon::analysis {
namespace {

const Baseline* unigram_of(std::span<const Baseline> baselines, const std::string& corpus) {
  const auto found = std::find_if(baselines.begin(), baselines.end(), [&](const Baseline& b) {
    return b.corpus == corpus && b.name.find("unigram") != std::string::npos;
  });
  return found == baselines.end() ? nullptr : &*found;
}

std::string name_of(const Quality& q, std::span<const Ranked> all) {
  const auto same =
      std::count_if(all.begin(), all.end(), [&](const Ranked& r) { return r.quality->model == q.model; });
  if (same == 1) return q.model;
  std::string detail = q.reading;
  if (!q.match.empty()) detail += (detail.empty() ? "equal " : ", equal ") + q.match;
  return detail.empty() ? q.model : fmt::format("{} ({})", q.model, detail);
}

/// Why a gap says nothing; "" if it does.
std::string doubt(const Ranked& better, const Ranked& worse) {
  if (better.quality->bits_per_byte.count < 2 || worse.quality->bits_per_byte.count < 2) {
    return fmt::format("gap {:.4f}, one training seed: spread unknown", worse.gap);
  }
  if (worse.gap < worse.resolution)
    return fmt::format("gap {:.4f} below the seed spread {:.4f}", worse.gap, worse.resolution);
  return "";
}

/// "" if a ladder stands behind every setting.
std::string_view settings_of(const Ranked& a, const Ranked& b) {
  return a.quality->ladder.empty() || b.quality->ladder.empty() ? " at these settings" : "";
}

/// The first run that is shorter than this is said to be.
constexpr double few_steps = 1000.0;

}  // namespace

std::vector<Ranked> rank_models(std::span<const Quality> all, std::span<const Baseline> baselines,
                                const std::string& corpus) {
  std::vector<Ranked> ranked;
  for (const Quality& q : all) {
    if (q.corpus == corpus && q.generation.empty() && q.bits_per_byte) ranked.push_back({.quality = &q});
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return a.quality->bits_per_byte.mean < b.quality->bits_per_byte.mean;
  });
  const Baseline* unigram = unigram_of(baselines, corpus);
  for (size_t i = 0; i < ranked.size(); ++i) {
    Ranked& r = ranked[i];
    if (i == 0) {
      r.tellable = r.quality->bits_per_byte.count >= 2;
      r.verdict = "best";  // until the next one is known
    } else {
      const Ranked& better = ranked[i - 1];
      r.gap = r.quality->bits_per_byte.mean - better.quality->bits_per_byte.mean;
      r.resolution = std::max(r.quality->bits_per_byte.width(), better.quality->bits_per_byte.width());
      const std::string why = doubt(better, r);
      r.tellable = why.empty();
      const std::string other = name_of(*better.quality, ranked);
      r.verdict = r.tellable ? fmt::format("{:.4f} behind {}{}", r.gap, other, settings_of(better, r))
                             : fmt::format("cannot tell from {}", other);
    }
    if (unigram && !(r.quality->bits_per_byte.mean < unigram->bits_per_byte))
      r.verdict = "loses to the unigram";
  }
  // The best of models that cannot be told apart is not a best.
  if (ranked.size() > 1 && !ranked[1].tellable && ranked[0].verdict == "best") {
    ranked[0].verdict = fmt::format("cannot tell from {}", name_of(*ranked[1].quality, ranked));
  } else if (ranked.size() > 1 && ranked[0].verdict == "best") {
    ranked[0].verdict += settings_of(ranked[0], ranked[1]);
  }
  return ranked;
}

std::vector<std::string> ranking_statements(std::span<const Ranked> ranked) {
  std::vector<std::string> lines;
  for (size_t i = 1; i < ranked.size(); ++i) {
    const std::string better = name_of(*ranked[i - 1].quality, ranked);
    const std::string worse = name_of(*ranked[i].quality, ranked);
    const std::string why = doubt(ranked[i - 1], ranked[i]);
    lines.push_back(why.empty()
                        ? fmt::format("{} is better than {} by {:.4f} bits/byte{} (seed spread {:.4f})",
                                      better, worse, ranked[i].gap, settings_of(ranked[i - 1], ranked[i]),
                                      ranked[i].resolution)
                        : fmt::format("{} against {}: cannot tell ({})", better, worse, why));
  }
  return lines;
}

std::vector<std::string> training_caveats(std::span<const Ranked> ranked) {
  std::vector<std::string> lines;
  const Quality *least = nullptr, *most = nullptr;
  std::string given;
  for (const Ranked& r : ranked) {
    const Quality& q = *r.quality;
    if (q.ladder.empty()) given += (given.empty() ? "" : ", ") + name_of(q, ranked);
    if (!q.training_steps) continue;
    if (*q.training_steps < few_steps) {
      lines.push_back(
          fmt::format("{} took {:.0f} steps, fewer than {:.0f}: how fast a model warms up is in this figure",
                      name_of(q, ranked), *q.training_steps, few_steps));
    }
    if (least == nullptr || *q.training_steps < *least->training_steps) least = &q;
    if (most == nullptr || *q.training_steps > *most->training_steps) most = &q;
  }
  if (least != nullptr && *least->training_steps < 0.5 * *most->training_steps) {
    lines.push_back(fmt::format("{} took {:.0f} steps and {} {:.0f}: they differ by more than half",
                                name_of(*most, ranked), *most->training_steps, name_of(*least, ranked),
                                *least->training_steps));
  }
  if (!given.empty() && ranked.size() > 1) {
    lines.push_back(
        fmt::format("no ladder of batch and rate stands behind {}: the order is one of these settings, and "
                    "another batch may turn it round",
                    given));
  }
  return lines;
}

void require_better_than_unigram(std::span<const ResultRow> rows) {
  const auto all = qualities(rows);
  const auto base = baselines(rows);
  std::string losers;
  for (const std::string& corpus : corpora(rows)) {
    const Baseline* unigram = unigram_of(base, corpus);
    if (unigram == nullptr) {
      throw Error(fmt::format(
          "no row of kind baseline for the unigram on corpus \"{}\": the models scored on it were "
          "not checked against it",
          corpus));
    }
    for (const Quality& q : all) {
      if (q.corpus != corpus || !q.generation.empty()) continue;
      if (!q.bits_per_byte || !(q.bits_per_byte.mean < unigram->bits_per_byte)) {
        losers += fmt::format("{}{} ({:.4f} bits/byte; unigram {:.4f} on {})", losers.empty() ? "" : ", ",
                              q.model, q.bits_per_byte.mean, unigram->bits_per_byte, corpus);
      }
    }
  }
  if (!losers.empty()) throw Error("a model loses to the unigram and has learned nothing: " + losers);
}

}  // namespace photon::analysis
