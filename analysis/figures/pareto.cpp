// SPDX-License-Identifier: Apache-2.0
// Speed against quality, ours beside the paper's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/draw/format.h"
#include "analysis/draw/html.h"
#include "analysis/figures/figures.h"
#include "analysis/join/measurements.h"
#include "analysis/join/method_series.h"
#include "analysis/join/pareto.h"
#include "analysis/join/row_link.h"
#include "analysis/page/page_template.h"
#include "analysis/paper/tables.h"

namespace photon::analysis {
namespace {

enum class Measure { tpm, throughput };

/// A speed and the quality it stands beside.
struct Joined {
  const Speed* speed = nullptr;
  const Quality* quality = nullptr;
};

struct Place {
  std::string regime_title, regime, machine, corpus;
  std::vector<Joined> points;
};

std::vector<Place> places_of(std::span<const Speed> speeds, std::span<const Quality> quality,
                             const std::vector<std::string>& corpora) {
  std::vector<Place> places;
  for (const std::string& corpus : corpora) {
    for (const Speed& speed : speeds) {
      for (const Quality* q : qualities_of(speed, quality, corpus)) {
        auto at = std::find_if(places.begin(), places.end(), [&](const Place& p) {
          return p.regime_title == speed.regime_title() && p.machine == speed.machine && p.corpus == corpus;
        });
        if (at == places.end()) {
          at = places.insert(places.end(), {speed.regime_title(), speed.regime, speed.machine, corpus, {}});
        }
        at->points.push_back({&speed, q});
      }
    }
  }
  return places;
}

/// Tokens of all points carry the same number of bytes: then perplexity is comparable, and one scale in two
/// units.
std::optional<double> common_bytes_per_token(const Place& place) {
  std::optional<double> common;
  for (const Joined& j : place.points) {
    const auto& mine = j.quality->bytes_per_token;
    if (!mine || !j.quality->perplexity || (common && std::abs(*mine / *common - 1.0) > 0.005))
      return std::nullopt;
    common = mine;
  }
  return common;
}

double bits_of_perplexity(double perplexity, double bytes_per_token) {
  return std::log2(perplexity) / bytes_per_token;
}
double perplexity_of_bits(double bits, double bytes_per_token) {
  return std::exp2(bits * bytes_per_token);
}

std::string label_of(const Joined& j, const Place& place) {
  std::string label = j.quality->model;
  const bool other_match = std::any_of(place.points.begin(), place.points.end(), [&](const Joined& k) {
    return k.quality->model == j.quality->model && k.quality->match != j.quality->match;
  });
  if (other_match && !j.quality->match.empty()) label += ", equal " + j.quality->match;
  if (j.speed->samples_per_prompt > 1) label += fmt::format(", {} samples", j.speed->samples_per_prompt);
  return label;
}

/// Adds the point to the series of its model and method.
void add_point(std::vector<Series>& all, const Looks& looks, const std::string& model,
               const std::string& method, PlotPoint point) {
  const std::string title = looks.title(model, method);
  auto at = std::find_if(all.begin(), all.end(), [&](const Series& s) { return s.title == title; });
  if (at == all.end()) {
    at = all.insert(all.end(), Series{title, looks.of(model, method), Series::Kind::points, {}, false});
  }
  at->points.push_back(std::move(point));
}

/// First, so that the points are drawn over it.
void add_frontier(std::vector<Series>& all) {
  std::vector<PlotPoint> points;
  std::vector<CostGain> values;
  for (const Series& series : all) {
    for (const PlotPoint& p : series.points) {
      points.push_back({.x = p.x, .y = p.y});
      values.push_back({p.x, p.y});
    }
  }
  Series frontier{"Pareto frontier", {"#999999", 0, 1}, Series::Kind::steps, {}, false};
  for (const size_t i : pareto_frontier(values)) frontier.points.push_back(points[i]);
  all.insert(all.begin(), std::move(frontier));
}

void set_range(std::optional<double>& low, std::optional<double>& high, const Spread& spread) {
  if (spread.count < 2) return;
  low = spread.low;
  high = spread.high;
}

std::string measure_label(Measure measure) {
  return measure == Measure::tpm ? "TPM (K tokens/s per GiB of ideal KV)" : "throughput (tokens/s)";
}

/// In the units of the axes.
std::string value_text(double speed, Measure measure) {
  return measure == Measure::tpm ? significant(speed) + " K tokens/s per GiB"
                                 : significant(speed) + " tokens/s";
}

std::string tip_of(const Joined& j, Measure measure, const std::string& method, double speed) {
  const Quality& q = *j.quality;
  const std::string seeds =
      q.bits_per_byte.count == 1 ? "one training" : fmt::format("{} trainings", q.bits_per_byte.count);
  std::string tip = fmt::format("{}, {}\n{}, batch {}\n{}\n", j.speed->model, method, j.speed->regime_title(),
                                j.speed->batch, value_text(speed, measure));
  if (q.perplexity) tip += fmt::format("perplexity {}, ", significant(q.perplexity.mean, 4));
  return tip + fmt::format("{:.4f} bits/byte, {}", q.bits_per_byte.mean, seeds);
}

PlotPanel our_panel(const Place& place, Measure measure, std::span<const Baseline> baselines,
                    const Looks& looks) {
  PlotPanel panel;
  panel.title = fmt::format("Measured here, {}", place.regime_title);
  const auto bytes_per_token = common_bytes_per_token(place);
  if (bytes_per_token) {
    panel.x = {.label = "perplexity a token (smaller is better)", .scale = PlotAxis::Scale::log};
    panel.top = TopAxis{"bits per byte", bits_of_perplexity, perplexity_of_bits, *bytes_per_token};
  } else {
    panel.x = {.label = "bits per byte (smaller is better)"};
  }
  panel.y = {.label = measure_label(measure), .scale = PlotAxis::Scale::log};
  for (const Joined& j : place.points) {
    const Spread& x = bytes_per_token ? j.quality->perplexity : j.quality->bits_per_byte;
    const Spread& y = measure == Measure::tpm ? j.speed->tpm_ideal : j.speed->throughput;
    if (!x || !y) continue;
    const std::string method = method_name(j.speed->architecture, j.speed->generation, j.speed->schedule);
    PlotPoint point{.x = x.mean,
                    .y = y.mean,
                    .label = label_of(j, place),
                    .tip = tip_of(j, measure, method, y.mean),
                    .link = j.speed->rows.empty() ? "" : row_link(j.speed->rows.back())};
    set_range(point.x_low, point.x_high, x);
    set_range(point.y_low, point.y_high, y);
    add_point(panel.series, looks, j.speed->model, method, std::move(point));
  }
  add_frontier(panel.series);
  for (const Baseline& b : baselines) {
    if (b.corpus != place.corpus) continue;
    const double at =
        bytes_per_token ? perplexity_of_bits(b.bits_per_byte, *bytes_per_token) : b.bits_per_byte;
    panel.references.push_back({at, fmt::format("{} {:.3f} bits/byte", b.name, b.bits_per_byte)});
  }
  return panel;
}

PlotPanel paper_panel(bool prefill_heavy, Measure measure, const Looks& looks) {
  PlotPanel panel;
  panel.title =
      prefill_heavy ? "The paper, PF: 2048 in, 128 out, H200" : "The paper, DE: 128 in, 2048 out, H200";
  panel.x = {.label = "WikiText perplexity (smaller is better)", .scale = PlotAxis::Scale::log};
  panel.y = {
      .label = measure == Measure::tpm ? "TPM (K tokens/s per GiB, measured)" : "throughput (tokens/s)",
      .scale = PlotAxis::Scale::log};
  const auto rows = paper_rows();
  for (size_t i = 0; i < rows.size(); ++i) {
    const PaperRow& row = rows[i];
    double perplexity = row.perplexity.value_or(0.0);
    if (!row.perplexity) {
      for (const PaperRow& same : rows) {
        if (same.table == 1 && same.architecture == row.architecture && same.size == row.size &&
            same.perplexity) {
          perplexity = *same.perplexity;
        }
      }
    }
    const double tpm = prefill_heavy ? row.tpm_pf : row.tpm_de;
    const double throughput = 1000.0 * (prefill_heavy ? row.throughput_pf : row.throughput_de);
    std::string label = row.size;
    if (row.table == 3) label += " 2x2";
    const double y = measure == Measure::tpm ? tpm : throughput;
    add_point(panel.series, looks, fmt::format("{}-{}", row.architecture, row.size), row.method(),
              {.x = perplexity,
               .y = y,
               .label = label,
               .tip = fmt::format("the paper, {}, {}\nits batch is not stated\n{}\nperplexity {}", label,
                                  row.method(), value_text(y, measure), significant(perplexity, 4)),
               .link = paper_row_link(i)});
  }
  add_frontier(panel.series);
  return panel;
}

Html caption_of(const Place& place, Measure measure, bool with_paper, bool same_tokenizer) {
  const PageTemplate& page = page_template();
  return page.fill("figure-pareto",
                   {{"measure", page.fill(measure == Measure::tpm ? "pareto-tpm" : "pareto-throughput")},
                    {"corpus", place.corpus},
                    {"quality", page.fill(same_tokenizer ? "pareto-one-tokenizer" : "pareto-tokenizers")},
                    {"paper", with_paper ? page.fill("pareto-paper") : Html{}},
                    {"machine", place.machine}});
}

std::string slug(std::string text) {
  for (char& c : text)
    c = std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(c)) : '-';
  return text;
}

}  // namespace

std::vector<CaptionedFigure> pareto_figures(std::span<const ResultRow> rows, Looks looks) {
  for (const ResultRow& row : rows) add_models(looks, row);
  const auto quality = qualities(rows);
  const auto speeds = best_speeds(rows);
  const auto base = baselines(rows);
  std::vector<CaptionedFigure> figures;
  std::map<std::string, int> used;
  for (const Place& place : places_of(speeds, quality, corpora(rows))) {
    const bool pf = place.regime.starts_with("PF");
    const bool with_paper = pf || place.regime.starts_with("DE");
    for (const Measure measure : {Measure::tpm, Measure::throughput}) {
      Figure figure;
      figure.name =
          fmt::format("pareto-{}-{}", measure == Measure::tpm ? "tpm" : "throughput", slug(place.regime));
      if (const int again = used[figure.name]++; again > 0) figure.name += fmt::format("-{}", again + 1);
      figure.title =
          fmt::format("{} against quality, {}",
                      measure == Measure::tpm ? "Throughput per memory" : "Throughput", place.regime);
      PlotPanel ours = our_panel(place, measure, base, looks);
      if (ours.series[0].points.empty()) continue;
      const bool same_tokenizer = ours.top.has_value();
      figure.panels.push_back(std::move(ours));
      if (with_paper) figure.panels.push_back(paper_panel(pf, measure, looks));
      figures.push_back({std::move(figure), caption_of(place, measure, with_paper, same_tokenizer)});
    }
  }
  return figures;
}

}  // namespace photon::analysis
