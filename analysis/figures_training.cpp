// Training curves from the trainer's metrics files, read by their header.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/figures.h"
#include "core/csv.h"
#include "core/error.h"

namespace photon::analysis {
namespace {

struct Curve {
  const char* column;
  const char* title;
  const char* label;
  PlotAxis::Scale scale;
  bool smooth;  ///< one value a batch: noisy
};

constexpr Curve curves[] = {
    {"token_loss", "Training loss", "token loss (nats), mean of neighbours", PlotAxis::Scale::linear, true},
    {"validation_loss", "Validation loss", "token loss (nats)", PlotAxis::Scale::linear, false},
    {"rec", "Reconstruction loss", "L_rec, unweighted", PlotAxis::Scale::linear, true},
    {"ctx", "Context loss", "L_context, unweighted", PlotAxis::Scale::linear, true},
    {"gradient_norm", "Gradient norm", "norm before clipping", PlotAxis::Scale::log, true},
    {"tokens_per_second", "Training speed", "tokens/s", PlotAxis::Scale::linear, true},
    {"mfu", "Model FLOPs utilisation", "training FLOPs / time / measured matrix rate",
     PlotAxis::Scale::linear, true},
};

/// At most this many points a curve: what a figure of this width can show.
constexpr size_t resolution = 200;

std::optional<size_t> column_of(const TrainingCurves& run, std::string_view name) {
  const auto at = std::find(run.columns.begin(), run.columns.end(), name);
  return at == run.columns.end() ? std::nullopt
                                 : std::optional(static_cast<size_t>(at - run.columns.begin()));
}

/// The finite values of a column against tokens; means over equal stretches where there are more than fit.
std::vector<PlotPoint> points_of(const TrainingCurves& run, const Curve& curve) {
  const auto x = column_of(run, "tokens");
  const auto y = column_of(run, curve.column);
  std::vector<PlotPoint> all;
  if (!x || !y) return all;
  for (const auto& row : run.rows) {
    if (std::isfinite(row[*x]) && std::isfinite(row[*y])) all.push_back({.x = row[*x], .y = row[*y]});
  }
  if (!curve.smooth || all.size() <= resolution) return all;
  std::vector<PlotPoint> means;
  for (size_t bin = 0; bin < resolution; ++bin) {
    const size_t first = bin * all.size() / resolution;
    const size_t last = (bin + 1) * all.size() / resolution;
    PlotPoint mean;
    for (size_t i = first; i < last; ++i) {
      mean.x += all[i].x;
      mean.y += all[i].y;
    }
    mean.x /= static_cast<double>(last - first);
    mean.y /= static_cast<double>(last - first);
    means.push_back(mean);
  }
  return means;
}

/// "photon-tiny" of "photon-tiny-seed1": what the seeds of one model have in common.
std::string without_seed(const std::string& name) {
  size_t end = name.size();
  while (end > 0 && std::isdigit(static_cast<unsigned char>(name[end - 1]))) --end;
  if (end == name.size()) return name;
  const std::string_view stem = std::string_view(name).substr(0, end);
  const size_t word = stem.ends_with("seed") ? end - 4 : stem.ends_with("s") ? end - 1 : end;
  return word > 1 && (name[word - 1] == '-' || name[word - 1] == '_') ? name.substr(0, word - 1) : name;
}

/// Seeds of one model share a name in the legend and a style: what differs between models must show, and the
/// spread between seeds shows as the distance of equal lines.
std::vector<std::pair<std::string, SeriesStyle>> looks_of(std::span<const TrainingCurves> runs) {
  std::vector<std::string> names;
  std::vector<std::pair<std::string, SeriesStyle>> looks;
  for (const TrainingCurves& run : runs) {
    const std::string stem = without_seed(run.name);
    const auto seeds = std::count_if(runs.begin(), runs.end(),
                                     [&](const TrainingCurves& r) { return without_seed(r.name) == stem; });
    const std::string name = seeds > 1 ? fmt::format("{} ({} seeds)", stem, seeds) : run.name;
    auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) at = names.insert(names.end(), name);
    looks.push_back({name, style_of_index(static_cast<size_t>(at - names.begin()))});
  }
  return looks;
}

bool all_zero(const std::vector<PlotPoint>& points) {
  return std::all_of(points.begin(), points.end(), [](const PlotPoint& p) { return p.y == 0.0; });
}

}  // namespace

TrainingCurves read_training_curves(const std::filesystem::path& file) {
  CsvReader reader(file);
  TrainingCurves run;
  run.file = file;
  run.name = std::filesystem::absolute(file).lexically_normal().parent_path().filename().string();
  run.columns = reader.header();
  for (const char* needed : {"step", "tokens"}) {
    if (!column_of(run, needed))
      throw Error(fmt::format("{}: no column {}: not a metrics file", file.string(), needed));
  }
  std::vector<std::string> cells;
  while (reader.next(cells)) {
    std::vector<double> row;
    for (size_t i = 0; i < cells.size(); ++i) {
      row.push_back(cells[i].empty()
                        ? std::numeric_limits<double>::quiet_NaN()
                        : csv_number(cells[i], fmt::format("{}, column {}", reader.where(), run.columns[i])));
    }
    run.rows.push_back(std::move(row));
  }
  return run;
}

std::vector<CaptionedFigure> training_figures(std::span<const TrainingCurves> runs) {
  Figure figure;
  figure.name = "training-curves";
  figure.title = "Training";
  figure.panel_height = 300;
  const auto looks = looks_of(runs);
  for (const Curve& curve : curves) {
    PlotPanel panel;
    panel.title = curve.title;
    panel.x = {.label = "training tokens", .ticks = PlotAxis::Ticks::prefixed};
    panel.y = {.label = curve.label, .scale = curve.scale};
    bool meaningful = false;
    for (size_t r = 0; r < runs.size(); ++r) {
      auto points = points_of(runs[r], curve);
      if (points.size() < 2) continue;
      meaningful |= !all_zero(points);
      const auto kind = curve.smooth ? Series::Kind::line : Series::Kind::line_points;
      panel.series.push_back({looks[r].first, looks[r].second, kind, std::move(points), false});
    }
    if (meaningful) figure.panels.push_back(std::move(panel));
  }
  if (figure.panels.empty()) return {};
  return {{std::move(figure),
           fmt::format(
               "What the trainer wrote at every step, against the tokens seen; where a run has more than {} "
               "steps, a curve shows means over equal stretches. Losses are in nats a token on the run's own "
               "tokenizer; the curves of two models compare only at equal tokens or, with equal FLOPs, at "
               "their ends. Validation uses the same fixed batches throughout.",
               resolution)}};
}

}  // namespace photon::analysis
