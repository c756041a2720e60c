// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <set>
#include <sstream>

#include "analysis/draw/figure_html.h"
#include "analysis/draw/html.h"
#include "analysis/draw/looks.h"
#include "analysis/figures/figures.h"
#include "analysis/join/counters.h"
#include "analysis/join/measurements.h"
#include "analysis/join/method_series.h"
#include "analysis/paper/floor.h"
#include "analysis/report/tables.h"
#include "core/base/atomic_file.h"
#include "core/base/build_info.h"
#include "core/base/error.h"
#include "core/model/model_config.h"
#include "embedded.h"

namespace photon::analysis {
namespace {
namespace fs = std::filesystem;

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw Error(fmt::format("{}: cannot be read", file.string()));
  return text.str();
}

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

  /// Draws all; gives their HTML.
  std::string draw(const std::vector<CaptionedFigure>& figures) {
    std::string out;
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

struct Section {
  std::string id, title, body;
};

std::string notice(const std::string& html) {
  return "<div class=\"notice\">" + html + "</div>\n";
}

/// What a reader must know before any number.
std::string notices(const std::vector<ResultRow>& rows) {
  std::set<std::string> markov, machines, scaled;
  bool emulated = false, dirty = false, unknown = false, seeded = false;
  for (const ResultRow& row : rows) {
    if (row.text("corpus").find("markov") != std::string::npos ||
        row.text("corpus").find("Markov") != std::string::npos) {
      markov.insert(row.text("corpus"));
    }
    if (row.text("kind") == "bench") machines.insert(row.text("backend") + " on " + row.text("device"));
    if (row.text("regime").find('/') != std::string::npos) scaled.insert(row.text("regime"));
    emulated |= row.text("backend") == "emulated";
    dirty |= row.text("dirty") == "1";
    unknown |= row.text("commit").empty() || row.text("commit") == "unknown";
  }
  for (const Quality& q : qualities(rows)) seeded |= q.bits_per_byte.count < 2;
  std::string out;
  for (const std::string& name : markov) {
    out += notice(
        fmt::format("<strong>This is not text.</strong> The corpus “{}” is a synthetic Markov source, a test "
                    "fixture with known entropy. Its perplexities show that training works; they say nothing "
                    "about language.",
                    html_escape(name)));
  }
  if (emulated) {
    out += notice(
        "<strong>Emulated back end.</strong> Rows with backend <code>emulated</code> ran CUDA kernels on the "
        "host, for testing; their times mean nothing.");
  }
  if (!scaled.empty()) {
    std::string names;
    for (const std::string& name : scaled) names += (names.empty() ? "" : ", ") + name;
    out += notice(
        fmt::format("<strong>Scaled regimes.</strong> {}: PF and DE with lengths divided by the number after "
                    "the stroke; not the paper's lengths.",
                    html_escape(names)));
  }
  if (dirty || unknown) {
    out += notice(
        dirty ? "<strong>Uncommitted changes.</strong> Some rows come from a program whose source tree "
                "differed from its commit; see <a href=\"#runs\">what was run</a>."
              : "<strong>Commit unknown.</strong> Some rows come from a program built outside a git "
                "checkout; see <a href=\"#runs\">what was run</a>.");
  }
  if (machines.size() > 1) {
    std::string names;
    for (const std::string& name : machines) names += (names.empty() ? "" : "; ") + name;
    out += notice(
        fmt::format("<strong>Several machines.</strong> Figures never mix them, the summary lists each: {}.",
                    html_escape(names)));
  }
  if (seeded) {
    out += notice(
        "<strong>One training seed.</strong> Some models were trained once: the spread over seeds is unknown "
        "and their rank cannot be told.");
  }
  return out;
}

/// Each group holds an architecture once, so that a method is one line in a panel.
std::vector<SpecGroup> grouped(const std::vector<ModelSpec>& specs) {
  std::vector<SpecGroup> groups;
  for (const ModelSpec& spec : specs) {
    auto at = std::find_if(groups.begin(), groups.end(), [&](const SpecGroup& g) {
      return std::none_of(g.specs.begin(), g.specs.end(),
                          [&](const ModelSpec& s) { return s.architecture() == spec.architecture(); });
    });
    if (at == groups.end()) at = groups.insert(groups.end(), SpecGroup{});
    at->title += (at->title.empty() ? "" : ", ") + spec.name;
    at->specs.push_back(spec);
  }
  return groups;
}

std::vector<ModelSpec> own_specs(const ReportRequest& request, const std::vector<ResultRow>& rows) {
  std::vector<ModelSpec> specs;
  const auto add = [&](const ModelSpec& spec) {
    if (std::find(specs.begin(), specs.end(), spec) == specs.end()) specs.push_back(spec);
  };
  for (const fs::path& file : request.models) add(load_model_spec(file));
  if (!request.models.empty()) return specs;
  for (const ResultRow& row : rows) {
    const fs::path config = fs::path(row.text("checkpoint")) / "config.toml";
    if (!row.empty("checkpoint") && fs::exists(config)) add(load_model_spec(config));
  }
  return specs;
}

std::vector<SpecGroup> spec_groups(const ReportRequest& request, const std::vector<ResultRow>& rows) {
  auto groups = grouped(own_specs(request, rows));
  if (request.paper_models.empty()) return groups;
  for (const char* size : {"600m", "900m", "1.2b"}) {
    SpecGroup group{fmt::format("The paper's models, {}", size), {}};
    for (const char* architecture : {"vanilla", "block", "photon"}) {
      const fs::path file = request.paper_models / fmt::format("{}-{}.toml", architecture, size);
      if (fs::exists(file)) group.specs.push_back(load_model_spec(file));
    }
    if (!group.specs.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

/// Two bytes a number, unless every measured row agrees on another type.
int element_bytes(const std::vector<ResultRow>& rows) {
  std::set<std::string> types;
  for (const ResultRow& row : rows) {
    if (row.text("kind") == "bench") types.insert(row.text("dtype"));
  }
  if (types.size() != 1) return 2;
  return *types.begin() == "float32" ? 4 : *types.begin() == "float64" ? 8 : 2;
}

std::string otherwise(const std::string& html, const std::string& text) {
  return html.empty() ? "<p>" + text + "</p>\n" : html;
}

std::string raw_files(const std::vector<fs::path>& files) {
  std::string html;
  for (const fs::path& file : files) {
    html += fmt::format(
        "<details class=\"file\" data-name=\"{}\"><summary>{}, as it was read</summary><pre "
        "tabindex=\"0\">{}</pre></details>\n",
        html_escape(file.filename().string()), html_escape(file.string()), html_escape(read_text(file)));
  }
  return html;
}

std::string counters_body(const ReportRequest& request) {
  std::vector<LaunchSum> launches;
  std::vector<KernelCounters> kernels;
  for (const fs::path& file : request.launches)
    for (LaunchSum& l : read_launch_sums(file)) launches.push_back(std::move(l));
  for (const fs::path& file : request.counters)
    for (KernelCounters& k : read_kernel_counters(file)) kernels.push_back(std::move(k));
  if (!request.launches.empty()) check_same_run(launches, kernels);
  return counter_tables(launches, kernels) +
         "<p>Counted bytes are what Nsight Compute read of the memory's and the cache's counters, kernel by "
         "kernel; the model's are weights and growing caches, and activations apart, which may never reach "
         "memory. Launches without kernels were not profiled; kernels without launches belong to none of the "
         "model's ops.</p>\n";
}

/// Empty without the paper's specs or its card.
std::string paper_floors(const ReportRequest& request) {
  if (request.paper_models.empty() || request.paper_hardware.empty()) return "";
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

std::vector<Section> sections_of(const ReportRequest& request, const ResultSet& results,
                                 const std::vector<TrainingCurves>& runs) {
  const auto simulated = simulated_rows(request.simulations);
  const Looks looks = looks_of(request, results, runs, simulated);
  Figures figures(request.out);
  std::vector<Section> sections;
  sections.push_back({"summary", "Summary",
                      otherwise(summary_table(results), "No row of kind eval or bench.") +
                          "<p>Bits per byte is the mean over training seeds; a gap below the seed spread "
                          "prints “cannot tell”. Speeds "
                          "are at the batch of the largest throughput measured. KV bytes are ideal: growing "
                          "caches at the end of the "
                          "request. TPM is throughput per GiB of it.</p>\n" +
                          ranking_list(results)});
  sections.push_back(
      {"pareto", "Speed against quality",
       otherwise(
           figures.draw(pareto_figures(results.rows, looks)),
           "No model has both a row of kind eval and a row of kind bench, so there is no point to plot.") +
           "<p>Each point is a model and a way of generating, at the batch of its largest throughput. "
           "Quality is "
           "teacher-forced; RecGen’s own likelihood takes its place where it was scored, as the "
           "teacher-forced one plus what "
           "RecGen lost on the tokens after a prompt. Speed does not depend on what was "
           "learned, "
           "so a benchmark of fresh weights stands for every checkpoint of its model. In the paper’s panels "
           "memory is "
           "as it was allocated there, and RecGen stands at the perplexity of its weights under teacher "
           "forcing, since "
           "the paper scores no other.</p>\n"});
  const auto groups = spec_groups(request, results.rows);
  sections.push_back({"context", "Memory and traffic against context",
                      otherwise(figures.draw(context_figures(groups, element_bytes(results.rows), looks)),
                                "No model spec was at hand: name some with <code>--models</code>.")});
  if (const fs::path base = request.paper_models / "vanilla-600m.toml";
      !request.paper_models.empty() && fs::exists(base)) {
    sections.push_back({"alternatives", "What else shrinks a cache",
                        figures.draw(alternative_figures(load_model_spec(base), 2, looks))});
  }
  const std::string samples = figures.draw(sample_figures(results.rows, looks));
  if (!samples.empty()) sections.push_back({"samples", "Samples of one prompt", samples});
  if (!request.simulations.empty()) {
    sections.push_back({"fleets", "Simulated fleets",
                        otherwise(figures.draw(simulation_figures(simulated, looks)),
                                  "No two rows differ in load, context or samples alone.") +
                            simulated_table(simulated) + raw_files(request.simulations)});
  }
  sections.push_back({"floors", "Model against measurement",
                      otherwise(figures.draw(floor_figures(results.rows, looks)) + floor_table(results),
                                "No row has both a time and a floor.")});
  const std::string predictions = figures.draw(prediction_figures(results.rows, looks));
  if (!predictions.empty()) {
    sections.push_back(
        {"predictions", "Predicted against measured", predictions + prediction_tables(results)});
  }
  if (!request.counters.empty() || !request.launches.empty())
    sections.push_back({"counters", "Hardware counters beside the model", counters_body(request)});
  sections.push_back({"training", "Training",
                      otherwise(figures.draw(training_figures(runs, looks)),
                                "No training curves were given: name <code>metrics.csv</code> files with "
                                "<code>--metrics</code>.")});
  sections.push_back({"paper", "The paper's tables", paper_table() + paper_floors(request)});
  sections.push_back(
      {"rows", "Every row",
       "<p>Numbers are rounded for reading; the files below hold every digit and every column.</p>\n" +
           all_rows_tables(results) + raw_files(request.results)});
  sections.push_back(
      {"runs", "What was run, on what, at which commit", runs_table(results) + machines_table(results)});
  sections.push_back(
      {"definitions", "Definitions",
       "<p>Every column in a line; formulas and assumptions are in <code>docs/numbers.md</code>.</p>\n"
       "<details><summary>All columns</summary>" +
           columns_table() + "</details>\n"});
  return sections;
}

std::string page_of(const ReportRequest& request, const ResultSet& results,
                    const std::vector<Section>& sections) {
  const BuildInfo build = build_info();
  std::string files;
  for (const fs::path& file : request.results) {
    files += fmt::format("{}<code>{}</code>", files.empty() ? "" : ", ", html_escape(file.string()));
  }
  if (request.results.size() > 3) files = fmt::format("{} files", request.results.size());
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>photon: results</title>\n"
      "<style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>Vanilla, Block Transformer, PHOTON</h1>\n"
      "<p class=\"lead\">Throughput per memory against quality: {} rows from {}. Page made {:%Y-%m-%d %H:%M} "
      "UTC by "
      "photon {} at commit <code>{:.12}</code>{}.</p>\n</header>\n",
      report_style, results.rows.size(), files, fmt::gmtime(std::time(nullptr)), build.version, build.commit,
      build.dirty ? " with uncommitted changes" : "");
  out += notices(results.rows) + "<nav aria-label=\"Contents\"><ol>\n";
  for (const Section& section : sections)
    out += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, section.title);
  out += "</ol></nav>\n<main>\n";
  for (const Section& section : sections) {
    out += fmt::format(
        "<section>\n<h2 id=\"{0}\">{1} <a class=\"permalink\" href=\"#{0}\" aria-label=\"Link to “{1}”\" "
        "title=\"Link to this section\">#</a></h2>\n{2}</section>\n",
        section.id, section.title, section.body);
  }
  return out + fmt::format("</main>\n<script>\n{}</script>\n</body>\n</html>\n", report_script);
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
  write_file_atomically(page, page_of(request, results, sections_of(request, results, runs)));
  return page;
}

}  // namespace photon::analysis
