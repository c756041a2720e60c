// What `photon reproduce` runs: one TOML file (configs/reproduce/) with the corpus, the trainings and the
// benchmark of a whole study.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/model_spec.h"
#include "trainer/config.h"

namespace photon {

struct StudyModel {
  std::filesystem::path file;
  ModelSpec spec;
  size_t matched = 0;  ///< index of the model whose budget it shares; its own where it sets one
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

  TrainConfig training;  ///< of every model; model, data, out, seed and match_model are set for each run

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

/// Paths of models and hardware are relative to share_folder() unless they exist from here. Throws Error.
StudyConfig load_study(const std::filesystem::path& file, const std::vector<std::string>& overrides);

}  // namespace photon
