// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <set>

#include "analysis/draw/figure_html.h"
#include "analysis/draw/html.h"
#include "analysis/draw/looks.h"
#include "analysis/figures/figures.h"
#include "analysis/join/counters.h"
#include "analysis/join/measurements.h"
#include "analysis/join/method_series.h"
#include "analysis/page/page_template.h"
#include "analysis/paper/floor.h"
#include "analysis/report/notices.h"
#include "analysis/report/page_specs.h"
#include "analysis/report/tables.h"
#include "core/base/atomic_file.h"
#include "core/base/build_info.h"
#include "core/base/error.h"
#include "core/base/read_file.h"
#include "core/model/model_config.h"
#include "embedded.h"

namespace photon::analysis {
namespace {
namespace fs = std::filesystem;

/// Draws into a folder aside and moves finished files to figures/, so that no half-drawn figure stands there.
class Figures {
 public:
  explicit Figures(const fs::path& out)
      : folder_(out / "figures"), aside_(out / fmt::format(".figures-{}", getpid())) {
    fs::create_directories(folder_);
    fs::create_directories(aside_);
  }
  Figures(const Figures&) = delete;
  Figures& operator=(const Figures&) = delete;
  ~Figures() {
    std::error_code ignored;
    fs::remove_all(aside_, ignored);
  }

  Html draw(const std::vector<CaptionedFigure>& figures) {
    Html out;
    for (const auto& [figure, caption] : figures) {
      draw_figure(figure, aside_);
      out += figure_html(figure, draw_panels(figure, aside_), caption, ++count_);
      for (const char* suffix : {".gp", ".svg", ".png"}) {
        fs::rename(aside_ / (figure.name + suffix), folder_ / (figure.name + suffix));
      }
    }
    return out;
  }

 private:
  fs::path folder_, aside_;
  int count_ = 0;
};

/// Two bytes a number, unless every measured row agrees on another type.
int element_bytes(const std::vector<ResultRow>& rows) {
  std::set<std::string> types;
  for (const ResultRow& row : rows) {
    if (row.text("kind") == "bench") types.insert(row.text("dtype"));
  }
  if (types.size() != 1) return 2;
  return *types.begin() == "float32" ? 4 : *types.begin() == "float64" ? 8 : 2;
}

Html raw_files(const std::vector<fs::path>& files) {
  Html out;
  for (const fs::path& file : files) {
    out += page_template().fill(
        "raw-file", {{"name", file.filename().string()}, {"path", file.string()}, {"text", read_file(file)}});
  }
  return out;
}

Html counters(const ReportRequest& request) {
  std::vector<LaunchSum> launches;
  std::vector<KernelCounters> kernels;
  for (const fs::path& file : request.launches)
    for (LaunchSum& l : read_launch_sums(file)) launches.push_back(std::move(l));
  for (const fs::path& file : request.counters)
    for (KernelCounters& k : read_kernel_counters(file)) kernels.push_back(std::move(k));
  if (!request.launches.empty()) check_same_run(launches, kernels);
  return counter_tables(launches, kernels);
}

/// Empty without the paper's specs or its card.
Html paper_floors(const ReportRequest& request) {
  if (request.paper_models.empty() || request.paper_hardware.empty()) return {};
  const Hardware hardware = load_hardware(request.paper_hardware);
  const Ceilings ceilings = hardware.ceilings(DType::bfloat16);
  const Hardware::Origins from = hardware.origins(DType::bfloat16);
  return paper_floor_tables(
      paper_points(request.paper_models, hardware, ceilings),
      fmt::format("{} ({:.4g} GB/s, {}; {:.4g} TFLOP/s, {})", hardware.name, ceilings.bandwidth / 1e9,
                  from.bandwidth, ceilings.matrix_rate / 1e12, from.matrix_rate));
}

/// Of everything on the page: measured models first.
Looks looks_of(const ReportRequest& request, const ResultSet& results,
               const std::vector<TrainingCurves>& runs, const std::vector<simulation::Row>& simulated) {
  Looks looks;
  for (const ResultRow& row : results.rows) add_models(looks, row);
  for (const ModelSpec& spec : own_specs(request, results.rows))
    looks.add(spec.name, method_name(std::string(spec.architecture()), "", ""));
  for (const TrainingCurves& run : runs)
    if (!run.model.empty()) looks.add(run.model, method_name(run.architecture, "", ""));
  for (const simulation::Row& row : simulated)
    looks.add(row.model, method_name(row.architecture, row.generation, ""));
  return looks;
}

std::vector<simulation::Row> simulated_rows(const std::vector<fs::path>& files) {
  std::vector<simulation::Row> rows;
  for (const fs::path& file : files)
    for (simulation::Row& row : simulation::read_rows(file)) rows.push_back(std::move(row));
  return rows;
}

/// The page's sections one after another, and the list of them.
struct Sections {
  Html contents, sections;

  void add(std::string_view id, const Values& values) {
    const Values heading{{"id", std::string(id)},
                         {"title", Html{std::string(page_template().piece(id).title)}}};
    Values section = heading;
    section["body"] = page_template().fill(id, values);
    contents += page_template().fill("contents", heading);
    sections += page_template().fill("section", section);
  }
};

Sections sections_of(const ReportRequest& request, const ResultSet& results,
                     const std::vector<TrainingCurves>& runs) {
  const auto simulated = simulated_rows(request.simulations);
  const Looks looks = looks_of(request, results, runs, simulated);
  Figures figures(request.out);
  Sections page;
  page.add("summary", {{"table", summary_table(results)}, {"rankings", rankings(results)}});
  page.add("pareto", {{"figures", figures.draw(pareto_figures(results.rows, looks))}});
  const auto groups = spec_groups(request, results.rows);
  page.add("context",
           {{"figures", figures.draw(context_figures(groups, element_bytes(results.rows), looks))}});
  if (const fs::path base = request.paper_models / "vanilla-600m.toml";
      !request.paper_models.empty() && fs::exists(base)) {
    page.add("alternatives",
             {{"figures", figures.draw(alternative_figures(load_model_spec(base), 2, looks))}});
  }
  if (const Html samples = figures.draw(sample_figures(results.rows, looks)); !samples.markup.empty())
    page.add("samples", {{"figures", samples}});
  if (!request.simulations.empty()) {
    page.add("fleets", {{"figures", figures.draw(simulation_figures(simulated, looks))},
                        {"table", simulated_table(simulated)},
                        {"files", raw_files(request.simulations)}});
  }
  page.add("floors",
           {{"figures", figures.draw(floor_figures(results.rows, looks))}, {"table", floor_table(results)}});
  if (const Html predictions = figures.draw(prediction_figures(results.rows, looks));
      !predictions.markup.empty()) {
    page.add("predictions", {{"figures", predictions}, {"tables", prediction_tables(results)}});
  }
  if (!request.counters.empty() || !request.launches.empty())
    page.add("counters", {{"tables", counters(request)}});
  page.add("training", {{"figures", figures.draw(training_figures(runs, looks))}});
  page.add("paper", {{"table", paper_table()}, {"floors", paper_floors(request)}});
  page.add("rows", {{"tables", all_rows_tables(results)}, {"files", raw_files(request.results)}});
  page.add("runs", {{"runs", runs_table(results)}, {"machines", machines_table(results)}});
  page.add("definitions", {{"columns", columns_table()}});
  return page;
}

/// The results files by name, or their number where they are many.
Html named_files(const std::vector<fs::path>& files) {
  if (files.size() > 3) return {fmt::format("{} files", files.size())};
  Html out;
  for (const fs::path& file : files) {
    if (!out.markup.empty()) out.markup += ", ";
    out += page_template().fill("file", {{"name", file.string()}});
  }
  return out;
}

Html page_of(const ReportRequest& request, const ResultSet& results, const Sections& sections) {
  const BuildInfo build = build_info();
  return page_template().fill("page",
                              {{"style", Html{report_style}},
                               {"rows", fmt::to_string(results.rows.size())},
                               {"files", named_files(request.results)},
                               {"time", fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(std::time(nullptr)))},
                               {"version", build.version},
                               {"commit", fmt::format("{:.12}", build.commit)},
                               {"changes", build.dirty ? " with uncommitted changes" : ""},
                               {"notices", notices(results.rows)},
                               {"contents", sections.contents},
                               {"sections", sections.sections},
                               {"script", Html{report_script}}});
}

}  // namespace

fs::path write_report(const ReportRequest& request) {
  ResultSet results;
  for (const fs::path& file : request.results) results.add(file);
  if (results.rows.empty()) throw Error("the results files hold no rows: there is nothing to report");
  std::vector<TrainingCurves> runs;
  for (const fs::path& file : request.metrics) runs.push_back(read_training_curves(file));
  std::error_code failed;
  fs::create_directories(request.out, failed);
  if (failed) throw Error(fmt::format("{}: cannot be made: {}", request.out.string(), failed.message()));
  const fs::path page = request.out / "index.html";
  write_file_atomically(page, page_of(request, results, sections_of(request, results, runs)).markup);
  return page;
}

}  // namespace photon::analysis
