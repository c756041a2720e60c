// The stages of a study, from text to results files.
#pragma once

#include <filesystem>
#include <vector>

#include "app/reproduce_config.h"
#include "app/stage.h"
#include "core/backend.h"
#include "core/results.h"

namespace photon {

/// The config of one training of the study, writing into `out`.
TrainConfig train_config(const StudyConfig& study, const StudyModel& model, uint64_t seed,
                         const std::filesystem::path& out);

class StudyRun {
 public:
  /// Writes below `out`: corpus/, train/MODEL-seedN/, results/*.csv, report/.
  StudyRun(const StudyConfig& study, std::filesystem::path out, Backend& backend, Stages& stages);

  /// Corpus, text baselines, trainings, evaluations, benchmark; all rows. Throws Error when interrupted.
  std::vector<ResultRow> measure_all();

  /// The page.
  std::filesystem::path report();

 private:
  void build_corpus();
  void measure_text_baselines();
  void train(const StudyModel& model, uint64_t seed);
  void evaluate(const StudyModel& model, uint64_t seed);
  void benchmark(const StudyModel& model);
  std::filesystem::path run_folder(const StudyModel& model, uint64_t seed) const;
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

}  // namespace photon
