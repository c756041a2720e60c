// SPDX-License-Identifier: Apache-2.0
// Results rows joined into what plots and tables compare: the quality of a model over its training seeds and
// the speed of a model in one regime. They meet by model name and reading: speed does not depend on what was
// learned, so a benchmark of fresh weights stands for every checkpoint of that model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/results/results.h"

namespace photon::analysis {

/// Mean and extremes over training seeds (or checkpoints).
struct Spread {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
  int count = 0;  ///< 0: not measured

  double width() const { return high - low; }
  explicit operator bool() const { return count > 0; }
};
Spread spread_of(std::span<const double> values);

/// What a point is drawn and listed as: architecture and, where they exist, generation and schedule.
std::string method_name(const std::string& architecture, const std::string& generation,
                        const std::string& schedule);

/// "cpu · Xeon · float32": back end, device, element type.
std::string machine_of(const ResultRow& row);

struct Quality {
  std::string model, architecture, reading, match, corpus;
  std::string generation;  ///< "" teacher-forced, or "recgen"
  std::optional<double> parameters, training_tokens, training_flops;
  std::optional<double> training_steps, training_batch, learning_rate;  ///< empty in rows of schema 3
  std::string ladder;  ///< the file in which batch and rate are the best of a ladder; "" if any row lacks it
  Spread bits_per_byte, perplexity;
  std::optional<double> bytes_per_token;  ///< of the scored text
  std::vector<size_t> rows;               ///< one a seed
};

/// Rows of kind eval by (model, reading, generation, match, corpus), in file order; of several rows of one
/// training seed the last counts.
std::vector<Quality> qualities(std::span<const ResultRow> rows);

struct Speed {
  std::string model, architecture, reading, generation, schedule;
  std::string regime;   ///< "PF", "DE/8", "custom"
  std::string machine;  ///< back end, device, element type
  int64_t prompt = 0, new_tokens = 0, batch = 0, samples_per_prompt = 1;
  std::optional<double> parameters;
  Spread throughput, tpm_ideal, tpm_planned, tpm_measured;  ///< tokens/s; K tokens/s/GiB
  std::optional<double> kv_ideal, kv_planned, kv_measured;  ///< bytes a sample
  std::vector<size_t> rows;                                 ///< one a checkpoint, all at the best batch

  std::string regime_title() const;  ///< "PF: 2048 in, 128 out"
};

/// Rows of kind bench by everything but batch and checkpoint, each at the batch of the largest throughput
/// measured; PF first, then DE, then the others.
std::vector<Speed> best_speeds(std::span<const ResultRow> rows);

/// The quality to set beside a speed, on `corpus`: of the same generation where that was scored,
/// teacher-forced otherwise. One for each `match`. Empty if the model was not evaluated.
std::vector<const Quality*> qualities_of(const Speed& speed, std::span<const Quality> all,
                                         const std::string& corpus);

/// A text model that is no network, from a row of kind baseline.
struct Baseline {
  std::string name, corpus;
  double bits_per_byte = 0.0;
  size_t row = 0;
};
std::vector<Baseline> baselines(std::span<const ResultRow> rows);

/// Names of the corpora that were scored, in file order.
std::vector<std::string> corpora(std::span<const ResultRow> rows);

}  // namespace photon::analysis
