// SPDX-License-Identifier: Apache-2.0
// What a training run is given: one TOML file, every key written out in `to_toml` and stored beside the
// results.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/backend/trainable_model.h"
#include "trainer/schedule.h"

namespace photon::trainer {

/// When a run ends. Under a match it is the budget of the matched model, not of this one.
struct Budget {
  enum class Kind { steps, tokens, flops };
  Kind kind = Kind::steps;
  double amount = 0.0;
  bool operator==(const Budget&) const = default;
};

/// What this run gets as much of as the matched model spends under the budget.
enum class Match { none, flops, tokens };

struct TrainConfig {
  std::filesystem::path model;         ///< a model spec, or a checkpoint folder, whose weights it starts from
  std::vector<std::string> model_set;  ///< overrides of the spec's keys, "vocab=4096"
  std::filesystem::path data;          ///< a corpus folder
  std::filesystem::path out;           ///< of the run: checkpoint/, metrics.csv, train.toml
  std::string device = "cpu";
  uint64_t seed = 0;  ///< of weights and data order
  int64_t batch = 0;  ///< sequences a step
  /// Sequences that go through the model together; divides the batch; 0: as many as fit on a device that can
  /// foresee its memory
  int64_t micro_batch = 0;
  int64_t context = 0;         ///< T, tokens in a sequence
  double learning_rate = 0.0;  ///< peak
  int64_t warmup = 0;          ///< steps
  RateShape schedule = RateShape::cosine;
  /// Of the peak, the rate of the last step; of no effect under RateShape::constant
  double final_fraction = 0.1;
  double adam_beta1 = AdamWStep().beta1;
  double adam_beta2 = AdamWStep().beta2;
  double adam_epsilon = AdamWStep().epsilon;
  double weight_decay = AdamWStep().weight_decay;  ///< on parameters whose ParameterInfo says `decay`
  Budget budget;
  Match match = Match::none;
  std::filesystem::path match_model;  ///< a model spec; with a match only
  bool extend = false;                ///< a budget larger than that of the run in `out` makes that run longer
  LossConfig loss;
  Recompute recompute = Recompute::none;
  double clip = 1.0;                 ///< largest gradient norm; 0 is no limit
  int64_t validation_every = 0;      ///< steps; 0: at the end only
  int64_t validation_batches = 0;    ///< batches of `batch` sequences; 0: none
  int64_t checkpoint_every = 0;      ///< steps; 0: by time and at the end only
  double checkpoint_minutes = 10.0;  ///< 0: by steps and at the end only
  bool mfu = true;                   ///< measure the matrix rate first, some seconds, to give utilisation
};

/// Reads and validates. Paths are relative to the working directory. An override `model.KEY=VALUE` is one of
/// the model's spec and ends up in model_set. Throws Error with file, line and key.
TrainConfig load_train_config(const std::filesystem::path& file,
                              const std::vector<std::string>& overrides = {});
TrainConfig parse_train_config(std::string_view toml, const std::string& source_name,
                               const std::vector<std::string>& overrides = {});

/// Every key; parse_train_config of it gives the same config.
std::string to_toml(const TrainConfig& config);

std::string_view to_string(Match match);

}  // namespace photon::trainer
