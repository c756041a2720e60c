// SPDX-License-Identifier: Apache-2.0
// What `photon reproduce` runs: one TOML file (configs/reproduce/) with the corpus, the trainings and the
// benchmark of a whole study.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/model_spec.h"
#include "core/results/results.h"
#include "trainer/budget.h"
#include "trainer/config.h"
#include "trainer/ladder.h"

namespace photon::app {

struct StudyModel {
  std::filesystem::path file;
  ModelSpec spec;
  size_t matched = 0;       ///< index of the model whose budget it shares; its own where it sets one
  trainer::Rung rung = {};  ///< what it is trained with under the study's match
  /// The file in whose rows that is the best rung, an edge on no side; "" if in none
  std::string ladder = {};
};

/// What every training of a study has in common; batch and rate are the model's own.
struct StudyTraining {
  int64_t context = 0;      ///< T
  int64_t micro_batch = 0;  ///< sequences at once, at most; 0: as many as fit
  Recompute recompute = Recompute::none;
  /// Part of the run's steps: architectures differ in steps, not in the schedule's shape
  double warmup = 0.0;
  double tokens = 0.0;  ///< of the model that sets the budget
  trainer::Match match = trainer::Match::flops;
  LossConfig loss;
  int64_t validations = 0;      ///< times in a run
  int64_t validation_rows = 0;  ///< sequences each time
  double checkpoint_minutes = 1.0;
};

struct StudyConfig {
  std::string name;
  /// A PHOTON (two levels or more) sets the budget for itself and for the baselines listed after it.
  std::vector<StudyModel> models;
  std::vector<uint64_t> seeds;
  std::string device;

  // Corpus.
  std::string source;       ///< "debian", "markov" or a path of text, JSON lines or JSON lines.zst
  int64_t vocab = 0;        ///< pieces of the tokenizer; every model's vocabulary
  double validation = 0.0;  ///< fraction of the documents
  double test = 0.0;

  StudyTraining training;
  trainer::Ladder ladder;    ///< what `--ladder` begins with; empty: the study has none
  uint64_t ladder_seed = 0;  ///< of its trainings
  std::vector<std::string>
      ladder_models;  ///< names of those to try, so that a ladder can be run in parts; empty: all

  // Benchmark.
  std::string regimes;
  std::string batches;
  double bench_seconds = 0.0;  ///< of sampling, a row at most
  int64_t recgen_prompt = 0;   ///< tokens that recgen is given before it is scored; 0: not scored

  // Dry run: what it would take.
  std::filesystem::path hardware;
  double mfu = 0.0;

  std::string resolved;  ///< the whole config as TOML, defaults written out
};

/// Paths of models, hardware and ladder are relative to share_folder() unless they exist from here. Throws
/// Error; also where the ladder that the study names has a better rung for a model than the study gives it.
StudyConfig load_study(const std::filesystem::path& file, const std::vector<std::string>& overrides);

/// In the column stop of a row of kind ladder: that training diverged, and has no loss.
inline constexpr std::string_view diverged_stop = "diverged";

/// What a row of kind ladder says was tried; nothing of a row that lacks batch, rate or loss.
std::optional<trainer::Tried> tried_in(const ResultRow& row);

/// The config of one training of the study, writing into `out`.
trainer::TrainConfig train_config(const StudyConfig& study, const StudyModel& model,
                                  const trainer::Rung& rung, uint64_t seed, const std::filesystem::path& out);

/// How long such a training is.
trainer::RunLength training_length(const StudyConfig& study, const StudyModel& model,
                                   const trainer::Rung& rung);

}  // namespace photon::app
