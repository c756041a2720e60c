// SPDX-License-Identifier: Apache-2.0
// The stages of a study, from text to results files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "app/reproduce/config.h"
#include "app/reproduce/stage.h"
#include "core/backend/backend.h"
#include "core/results/results.h"

namespace photon::app {

/// A training of the study: what, with which batch and rate, from which seed, and where.
struct StudyTrainingRun {
  const StudyModel& model;
  trainer::Rung rung;
  uint64_t seed = 0;
  std::filesystem::path folder;
  bool on_trial = false;  ///< on a rung of the ladder: that it diverges is a result; no mfu is measured
};

class StudyRun {
 public:
  /// Writes below `out`: corpus/, train/MODEL-seedN/, results/*.csv, report/; the ladder into ladder/ and
  /// ladder.csv.
  StudyRun(const StudyConfig& study, std::filesystem::path out, Backend& backend, Stages& stages);

  /// Corpus, text baselines, trainings, evaluations, benchmark; all rows. Throws Error when interrupted.
  std::vector<ResultRow> measure_all();

  /// The page.
  std::filesystem::path report();

  /// Trains every model on every rung of the study's ladder, and of what the ladder grows to, and scores it
  /// on the validation text: all rows, which are in ladder.csv too. Throws Error when interrupted.
  std::vector<ResultRow> climb();

 private:
  void build_corpus();
  void measure_text_baselines();
  /// False if it diverged, on trial; otherwise that is an Error.
  bool train(const StudyTrainingRun& run);
  void evaluate(const StudyTrainingRun& run);
  ResultRow validation_row(const StudyModel& model, const std::filesystem::path& checkpoint) const;
  ResultRow diverged_row(const StudyTrainingRun& run) const;
  ResultRow try_rung(const StudyModel& model, const trainer::Rung& rung);
  void benchmark(const StudyModel& model);
  StudyTrainingRun run_of(const StudyModel& model, uint64_t seed) const;
  std::filesystem::path results_file(const std::string& name);
  void identify(ResultRow& row) const;

  const StudyConfig& study_;
  std::filesystem::path out_;
  Backend& backend_;
  Stages& stages_;
  std::filesystem::path corpus_;
  std::string corpus_inputs_;  ///< changes when the corpus does
  std::string corpus_name_;
  std::vector<std::filesystem::path> results_;
  std::vector<std::filesystem::path> metrics_;
};

}  // namespace photon::app
