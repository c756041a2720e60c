// SPDX-License-Identifier: Apache-2.0
// photon reproduce: a whole study from one config. Corpus, tokenizer, trainings, evaluation, benchmark and
// report, each stage skipped where its result is there and its inputs have not changed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "analysis/report/ranking.h"
#include "analysis/report/report.h"
#include "analysis/report/summary.h"
#include "app/command.h"
#include "app/reproduce/config.h"
#include "app/reproduce/stage.h"
#include "app/reproduce/stages.h"
#include "bench/regime.h"
#include "bench/sweep.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/table.h"
#include "core/cost/floor.h"
#include "core/cost/hardware.h"
#include "core/model/parameters.h"
#include "trainer/budget.h"
#include "trainer/ladder.h"

namespace photon::app {
namespace {

using namespace trainer;

struct Options {
  std::filesystem::path config;
  std::filesystem::path out = "out/reproduce";
  std::vector<std::string> overrides;
  bool dry_run = false;
  bool ladder = false;
};

/// What the study would take on the hardware it names, from the cost model alone.
void print_dry_run(const StudyConfig& study) {
  const Hardware hardware = load_hardware(study.hardware);
  const DType dtype =
      study.device == "cpu" && hardware.data_sheet.bfloat16_rate == 0.0 ? DType::float32 : DType::bfloat16;
  const Ceilings ceilings = hardware.ceilings(dtype);
  fmt::print("{}: {} models, {} seeds, matched by {}; on {} at {:.0f} % of {:.4g} TFLOP/s\n\n", study.name,
             study.models.size(), study.seeds.size(), to_string(study.training.match), hardware.name,
             100 * study.mfu, ceilings.matrix_rate / 1e12);
  std::vector<TableColumn> table{{"model", {}, true},  {"parameters", {}},
                                 {"batch", {}},        {"rate", {}},
                                 {"ladder", {}, true}, {"steps", {}},
                                 {"tokens", {}},       {"training FLOPs", {}},
                                 {"hours a seed", {}}, {"training memory GiB", {}}};
  double hours_of_all = 0.0;
  std::string trainings;
  for (const StudyModel& model : study.models) {
    const RunLength length = training_length(study, model, model.rung);
    const double hours = length.flops(length.steps) / (study.mfu * ceilings.matrix_rate) / 3600.0;
    hours_of_all += hours * static_cast<double>(study.seeds.size());
    trainings +=
        fmt::format("| train {} | {}{} steps of {} rows of {} tokens | {:.3g} |\n", model.spec.name,
                    study.seeds.size() == 1 ? "" : fmt::format("each of {} seeds: ", study.seeds.size()),
                    length.steps, model.rung.batch, study.training.context, 60.0 * hours);
    // bf16 weights and gradients, fp32 master weights and two moments; activations come on top.
    const double memory = static_cast<double>(parameter_elements(model.spec)) * (2 + 2 + 4 + 4 + 4) / 0x1p30;
    const std::vector<std::string> cells{
        model.spec.name,
        std::to_string(parameters_total(model.spec)),
        std::to_string(model.rung.batch),
        fmt::format("{:g}", model.rung.learning_rate),
        model.ladder.empty() ? "none" : model.ladder,
        std::to_string(length.steps),
        fmt::format("{:.4g}", static_cast<double>(length.tokens(length.steps))),
        fmt::format("{:.4g}", length.flops(length.steps)),
        fmt::format("{:.4g}", hours),
        fmt::format("{:.3g}", memory)};
    for (size_t i = 0; i < cells.size(); ++i) table[i].cells.push_back(cells[i]);
  }
  fmt::print("{}", markdown_table(table, 1));
  fmt::print(
      "\n{:.4g} hours of training in all; memory is weights, gradients and moments, without activations\n",
      hours_of_all);
  const auto regimes = static_cast<int64_t>(bench::parse_regimes(study.regimes).size());
  const auto batches = static_cast<int64_t>(bench::parse_sweep(study.batches, "bench.batches", true).size());
  fmt::print("\n| stage | size | minutes |\n|---|---|--:|\n");
  fmt::print("| corpus | {}: vocabulary of {}, {:.3g} of the documents for validation, {:.3g} for test | |\n",
             study.source, study.vocab, study.validation, study.test);
  fmt::print("| text baselines | unigram, trigram and a compressor on the test text | |\n{}", trainings);
  fmt::print("| evaluate | {} checkpoints, windows of {} tokens{} | |\n",
             study.models.size() * study.seeds.size(), study.training.context,
             study.recgen_prompt > 0 ? fmt::format(", recgen after {}", study.recgen_prompt) : "");
  for (const StudyModel& model : study.models) {
    const int64_t rows = regimes * batches * (model.spec.depth() >= 2 ? 3 : 1);
    fmt::print("| benchmark {} | {} rows, at most {:.3g} s of samples each | {:.3g} |\n", model.spec.name,
               rows, study.bench_seconds, static_cast<double>(rows) * study.bench_seconds / 60.0);
  }
  fmt::print("| report | figures and tables of all rows | |\n");
}

/// Losses by batch and rate, a table a model, and the study's lines of the best.
std::string ladder_text(const StudyConfig& study, std::span<const ResultRow> rows) {
  std::string out, chosen = fmt::format("[chosen.{}]\n", to_string(study.training.match));
  for (const StudyModel& model : study.models) {
    std::vector<Tried> tried;
    for (const ResultRow& row : rows) {
      if (row.text("model") == model.spec.name) tried.push_back(tried_in(row).value());
    }
    if (tried.empty()) continue;
    const Ladder ladder = ladder_of(tried);
    const Rung best = best_of(tried).rung;
    out += fmt::format("{}: nats a token of the validation text, by batch and rate\n\n| batch | steps |",
                       model.spec.name);
    for (const double rate : ladder.learning_rates) out += fmt::format(" {:g} |", rate);
    out += "\n|--:|--:|";
    for (size_t i = 0; i < ladder.learning_rates.size(); ++i) out += "--:|";
    for (const int64_t batch : ladder.batches) {
      out += fmt::format("\n| {} | {} |", batch, training_length(study, model, {batch, 1e-3}).steps);
      for (const double rate : ladder.learning_rates) {
        const Rung rung{batch, rate};
        const auto found =
            std::find_if(tried.begin(), tried.end(), [&](const Tried& t) { return t.rung == rung; });
        const std::string mark = rung == best ? "**" : "";
        out += found == tried.end()         ? " |"
               : std::isfinite(found->loss) ? fmt::format(" {}{:.4f}{} |", mark, found->loss, mark)
                                            : " diverged |";
      }
    }
    out += "\n\n";
    chosen += fmt::format("{} = {{batch = {}, learning_rate = {:g}}}\n", model.spec.name, best.batch,
                          best.learning_rate);
  }
  return out + "the best of each, for the study:\n\n" + chosen;
}

void run(const Options& options) {
  const auto config = options.config.empty() ? find_config(ConfigKind::study, "default") : options.config;
  const StudyConfig study = load_study(config, options.overrides);
  if (options.dry_run) {
    print_dry_run(study);
    return;
  }
  std::filesystem::create_directories(options.out);
  write_file_atomically(options.out / "study.toml", study.resolved);
  fmt::print(stderr, "study '{}' in {}\n", study.name, options.out.string());

  if (options.ladder && study.ladder.batches.empty())
    throw Error(fmt::format("{}: no [ladder] section", config.string()));
  Stages stages;
  const auto backend = backends().make(study.device);
  StudyRun work(study, options.out, *backend, stages);
  if (options.ladder) {
    const std::vector<ResultRow> rows = work.climb();
    fmt::print("{}\nrows: {}\n", ladder_text(study, rows), (options.out / "ladder.csv").string());
    return;
  }
  const std::vector<ResultRow> rows = work.measure_all();
  const std::filesystem::path page = work.report();

  fmt::print("{}\n", analysis::summary_text(rows));
  fmt::print("stages:\n{}\n", stages.table());
  fmt::print("report: {}\n", page.string());
  analysis::require_better_than_unigram(rows);
}

void setup(CommandLine& app) {
  const auto o = std::make_shared<Options>();
  CommandLine command = app.add_subcommand("reproduce", "Train, measure and compare all three architectures");
  command.add_option("study", o->config, "Study: a name (photon list studies) or a file; unset: default")
      .type_name("STUDY")
      .names(ConfigKind::study);
  command.add_out(o->out, "DIR", "Folder of everything it makes").capture_default_str();
  command.add_overrides(o->overrides, "Override a key of the study: training.tokens=1e6");
  command.add_flag(
      "--ladder", o->ladder,
      "Find the batch and the rate of each model: the study's [ladder], which grows until no best is "
      "at an edge, and the lines to put into the study");
  command.add_flag("--dry-run", o->dry_run,
                   "Parameters, tokens, FLOPs, memory, and the stages with their sizes; nothing is run");
  command.footer("Example, what the paper's own setting would take:\n  photon reproduce paper --dry-run");
  command.callback([o] { run(*o); });
}

const RegisterCommand registered{10, setup};

}  // namespace
}  // namespace photon::app
