// SPDX-License-Identifier: Apache-2.0
// metrics.csv of a run: a row a step. A resumed run's file equals that of a run never stopped, but for the
// timing columns, which stand last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/backend/trainable_model.h"

namespace photon::trainer {

struct MetricsRow {
  int64_t step = 0;            ///< from 1
  int64_t tokens = 0;          ///< seen so far
  double flops = 0.0;          ///< of training so far, by the cost model
  Losses train = {};           ///< of this step's batch, before its update
  double gradient_norm = 0.0;  ///< before clipping
  double learning_rate = 0.0;
  std::optional<Losses> validation = {};  ///< after the update
  double tokens_per_second = 0.0;
  std::optional<double> mfu = {};  ///< training FLOPs / time / measured matrix rate
  double seconds = 0.0;            ///< of this step, without validation and checkpoint
};

class MetricsFile {
 public:
  /// Opens `file` for appending and keeps the rows up to `last_step` that an earlier run wrote; later ones,
  /// and a torn last line, are dropped. The losses that a model of this depth does not have stay empty.
  /// Throws Error if the file has other columns.
  MetricsFile(const std::filesystem::path& file, int64_t last_step, int depth);

  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Rows that were kept: `last_step` unless the file lost some.
  int64_t kept() const { return kept_; }
  /// A row goes to the system whole: a killed process leaves it there or not.
  void append(const MetricsRow& row);

 private:
  std::filesystem::path path_;
  int depth_;
  int64_t kept_ = 0;
  int descriptor_ = -1;
};

}  // namespace photon::trainer
