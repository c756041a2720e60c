// SPDX-License-Identifier: Apache-2.0
// photon report: the page with figures and tables, from CSV files.
#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "analysis/join/prediction.h"
#include "analysis/report/report.h"
#include "app/command.h"

namespace photon::app {
namespace {

void setup(CommandLine& app) {
  const auto request = std::make_shared<analysis::ReportRequest>();
  CommandLine command = app.add_subcommand("report", "Make a page of figures and tables from results files");
  command.add_option("results", request->results, "Results files (CSV)")
      .required()
      .type_name("RESULTS.csv...");
  command.add_out(request->out, "DIR", "Folder for index.html and figures/").required();
  command.add_option("--metrics", request->metrics, "Metrics files of trainings").type_name("METRICS.csv...");
  command.add_option("--simulations", request->simulations, "Rows of photon simulate")
      .type_name("SIMULATION.csv...");
  command.add_option("--counters", request->counters, "Nsight Compute's raw pages (docs/profiling.md)")
      .type_name("NCU.csv...");
  command.add_option("--launches", request->launches, "What photon bench --profile launched meanwhile")
      .type_name("LAUNCHES.csv...");
  command
      .add_option("--models", request->models,
                  "Specs for the figures over context length; default: those of the checkpoints in the rows")
      .type_name("MODEL")
      .names(ConfigKind::model);
  command.footer("Example:\n  photon report results.csv --out page");
  command.callback([request] {
    request->paper_models = config_folder(ConfigKind::model);
    request->paper_hardware = find_config(ConfigKind::hardware, "h200");
    fmt::print("{}\n", analysis::write_report(*request).string());
    std::vector<ResultRow> rows;
    for (const auto& file : request->results) {
      for (ResultRow& row : read_results(file)) rows.push_back(std::move(row));
    }
    for (const std::string& line : analysis::prediction_summary(rows)) fmt::print(stderr, "{}\n", line);
  });
}

const RegisterCommand registered{80, setup};

}  // namespace
}  // namespace photon::app
