// SPDX-License-Identifier: Apache-2.0
// The batches of a run: training sequences in their seeded order, validation sequences always the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/model/token_batch.h"
#include "core/text/token_file.h"
#include "trainer/config.h"
#include "trainer/data_order.h"

namespace photon::trainer {

class Batches {
 public:
  /// Opens the splits of config.data. Throws Error if their vocabulary is larger than the model's or a split
  /// is shorter than one sequence.
  Batches(const TrainConfig& config, const ModelSpec& spec);

  /// Rows [first, first + rows) of the batch of `step` (from 1): (rows, context).
  TokenBatch training(int64_t step, int64_t first, int64_t rows) const;

  /// Sequences for validation: as many as the config asks for and the split has, spread evenly over it.
  int64_t validation_rows() const { return validation_rows_; }
  TokenBatch validation(int64_t first, int64_t rows) const;

  /// Stands for the training data in a run's identity.
  std::string identity() const;

 private:
  int64_t batch_ = 0;
  int64_t context_ = 0;
  TokenFile train_;
  std::optional<TokenFile> validation_;
  DataOrder order_;
  int64_t validation_rows_ = 0;
};

}  // namespace photon::trainer
