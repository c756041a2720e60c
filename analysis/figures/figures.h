// SPDX-License-Identifier: Apache-2.0
// The figures of a report, each with the words that tell how to read it. All numbers come from results rows,
// from metrics files, from model specs through the cost model, or from the paper's tables. `looks` are those
// of the page; models that it does not know yet are added in the order of the rows.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "analysis/draw/html.h"
#include "analysis/draw/looks.h"
#include "analysis/draw/plots.h"
#include "analysis/simulation/row.h"
#include "core/model/model_spec.h"
#include "core/results/results.h"

namespace photon::analysis {

struct CaptionedFigure {
  Figure figure;
  Html caption;
};

/// Speed against quality: for each regime, machine and corpus a figure of TPM (ideal KV) and one of
/// throughput, our points beside the paper's. Empty if no model has both.
std::vector<CaptionedFigure> pareto_figures(std::span<const ResultRow> rows, Looks looks = {});

/// Measured time against the serial floor, prefill and decode, by regime. Empty if no row has both.
std::vector<CaptionedFigure> floor_figures(std::span<const ResultRow> rows, Looks looks = {});

/// Predicted against measured time, a machine at a time. Empty without predicted rows.
std::vector<CaptionedFigure> prediction_figures(std::span<const ResultRow> rows, Looks looks = {});

/// Throughput, time to the first token and memory of a sample against the samples of a prompt, for each
/// workload on each machine. Empty where no model was measured with two numbers of samples.
std::vector<CaptionedFigure> sample_figures(std::span<const ResultRow> rows, Looks looks = {});

/// A run's metrics.csv, whatever columns it has.
struct TrainingCurves {
  std::string name;                 ///< of the folder the file lies in
  std::string model, architecture;  ///< of the run's checkpoint; "" where there is none
  std::filesystem::path file;
  std::vector<std::string> columns;
  std::vector<std::vector<double>> rows;  ///< NaN where a cell is empty
};
TrainingCurves read_training_curves(const std::filesystem::path& file);

/// Losses, gradient norm and speed against tokens. Empty without a run of two steps.
std::vector<CaptionedFigure> training_figures(std::span<const TrainingCurves> runs, Looks looks = {});

/// A family of models in one panel.
struct SpecGroup {
  std::string title;
  std::vector<ModelSpec> specs;
};

/// KV bytes a sample and decode traffic a token against context length, from the cost model alone,
/// `element_bytes` bytes a number.
std::vector<CaptionedFigure> context_figures(std::span<const SpecGroup> groups, int element_bytes,
                                             const Looks& looks = {});

/// The same for one model size and everything else that shrinks a cache (analysis/alternatives). Throws Error
/// where `base` is no base for them.
std::vector<CaptionedFigure> alternative_figures(const ModelSpec& base, int element_bytes,
                                                 const Looks& looks = {});

/// Simulated fleets: latency against throughput where loads differ, and what a fleet does at most where
/// contexts or samples of a prompt differ. Empty where nothing does.
std::vector<CaptionedFigure> simulation_figures(std::span<const simulation::Row> rows, Looks looks = {});

}  // namespace photon::analysis
