// SPDX-License-Identifier: Apache-2.0
// Training curves from the trainer's metrics files, read by their header.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "analysis/draw/format.h"
#include "analysis/figures/figures.h"
#include "analysis/join/measurements.h"
#include "analysis/join/row_link.h"
#include "analysis/page/page_template.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/model/model_config.h"

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
/// At most so many of them tell their values.
constexpr size_t telling = 40;

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

struct Look {
  std::string title;
  SeriesStyle style;
};

/// Seeds of one training share a name in the legend and a style: what differs between models must show, and
/// the spread between seeds shows as the distance of equal lines. Colour and mark are the model's, as in
/// every other figure; several trainings of one model differ by their dashes.
std::vector<Look> looks_of(std::span<const TrainingCurves> runs, const Looks& looks) {
  std::vector<std::string> strangers;
  std::map<std::string, std::vector<std::string>> trainings;  // of a model
  std::vector<Look> out;
  const auto number_in = [](std::vector<std::string>& names, const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), name);
    const auto number = static_cast<size_t>(at - names.begin());
    if (at == names.end()) names.push_back(name);
    return number;
  };
  for (const TrainingCurves& run : runs) {
    const std::string stem = without_seed(run.name);
    const auto seeds = std::count_if(runs.begin(), runs.end(),
                                     [&](const TrainingCurves& r) { return without_seed(r.name) == stem; });
    const std::string title = seeds > 1 ? fmt::format("{} ({} seeds)", stem, seeds) : run.name;
    const std::string model = run.model.empty() ? looks.model_of_run(run.name) : run.model;
    if (model.empty()) {
      out.push_back({title, style_of_index(number_in(strangers, title))});
      continue;
    }
    SeriesStyle style = looks.of(model, looks.architecture_of(model));
    style.dash = 1 + (style.dash - 1 + static_cast<int>(number_in(trainings[model], title))) % 5;
    out.push_back({title, style});
  }
  return out;
}

/// L_rec and L_context do not exist for every architecture. Older trainers wrote 0 at every step for one that
/// does not, which no real one reaches once.
bool exists(const std::vector<PlotPoint>& points) {
  return std::any_of(points.begin(), points.end(), [](const PlotPoint& p) { return p.y != 0.0; });
}

void tell(std::vector<PlotPoint>& points, const std::string& title, const Curve& curve) {
  const size_t stride = (points.size() + telling - 1) / telling;
  for (size_t i = points.size() - 1;; i -= stride) {  // the last one in any case
    points[i].tip = fmt::format("{}\n{} tokens\n{}: {}", title, with_prefix(points[i].x), curve.title,
                                significant(points[i].y, 4));
    if (i < stride) break;
  }
}

/// What the run's checkpoint says it is; nothing without one.
void name_model(TrainingCurves& run) {
  const std::filesystem::path config = run.file.parent_path() / "checkpoint" / "config.toml";
  if (!std::filesystem::exists(config)) return;
  const ModelSpec spec = load_model_spec(config);
  run.model = spec.name;
  run.architecture = spec.architecture();
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
  name_model(run);
  return run;
}

std::vector<CaptionedFigure> training_figures(std::span<const TrainingCurves> runs, Looks page_looks) {
  for (const TrainingCurves& run : runs)
    if (!run.model.empty()) page_looks.add(run.model, method_name(run.architecture, "", ""));
  Figure figure;
  figure.name = "training-curves";
  figure.title = "Training";
  figure.panel_height = 300;
  const auto looks = looks_of(runs, page_looks);
  bool above_one = false;
  for (const Curve& curve : curves) {
    PlotPanel panel;
    panel.title = curve.title;
    panel.x = {.label = "training tokens", .ticks = PlotAxis::Ticks::prefixed};
    panel.y = {.label = curve.label, .scale = curve.scale};
    for (size_t r = 0; r < runs.size(); ++r) {
      auto points = points_of(runs[r], curve);
      if (points.size() < 2 || !exists(points)) continue;
      above_one |= std::string_view(curve.column) == "mfu" &&
                   std::any_of(points.begin(), points.end(), [](const PlotPoint& p) { return p.y > 1.0; });
      tell(points, looks[r].title, curve);
      const auto kind = curve.smooth ? Series::Kind::line : Series::Kind::line_points;
      panel.series.push_back({looks[r].title, looks[r].style, kind, std::move(points), false});
    }
    if (!panel.series.empty()) figure.panels.push_back(std::move(panel));
  }
  if (figure.panels.empty()) return {};
  return {{std::move(figure),
           page_template().fill("figure-training",
                                {{"points", fmt::to_string(resolution)},
                                 {"above-one", above_one ? fmt::format(" {}", above_one_text) : ""}})}};
}

}  // namespace photon::analysis
