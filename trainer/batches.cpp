// SPDX-License-Identifier: Apache-2.0
#include "trainer/batches.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/read_file.h"

namespace photon::trainer {
namespace {

TokenFile open_split(const std::filesystem::path& file, const ModelSpec& spec, int64_t context) {
  TokenFile tokens(file);
  if (tokens.vocab() > spec.vocab) {
    throw Error(fmt::format("{}: a vocabulary of {}, {} has one of {}", file.string(), tokens.vocab(),
                            spec.name, spec.vocab));
  }
  if (tokens.size() < context) {
    throw Error(fmt::format("{}: {} tokens, less than one sequence of context = {}", file.string(),
                            tokens.size(), context));
  }
  const std::filesystem::path tokenizer = file.parent_path() / "tokenizer.model";
  if (std::filesystem::exists(tokenizer) && tokens.tokenizer_hash() != 0 &&
      tokens.tokenizer_hash() != stable_hash(read_file(tokenizer))) {
    throw Error(fmt::format("{}: made by another tokenizer than {}", file.string(), tokenizer.string()));
  }
  return tokens;
}

}  // namespace

Batches::Batches(const TrainConfig& config, const ModelSpec& spec)
    : batch_(config.batch),
      context_(config.context),
      train_(open_split(config.data / "train.tokens", spec, context_)),
      order_(config.seed, train_.size(), context_) {
  if (config.validation_batches == 0) return;
  validation_.emplace(open_split(config.data / "validation.tokens", spec, context_));
  validation_rows_ = std::min(config.validation_batches * config.batch, validation_->size() / context_);
}

TokenBatch Batches::training(int64_t step, int64_t first, int64_t rows) const {
  TokenBatch batch{.sequences = rows,
                   .length = context_,
                   .ids = std::vector<int32_t>(static_cast<size_t>(rows * context_))};
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t sequence = (step - 1) * batch_ + first + r;
    train_.read(order_.start(sequence),
                std::span(batch.ids).subspan(r * context_, static_cast<size_t>(context_)));
  }
  return batch;
}

TokenBatch Batches::validation(int64_t first, int64_t rows) const {
  const int64_t windows = validation_->size() / context_;
  TokenBatch batch{.sequences = rows,
                   .length = context_,
                   .ids = std::vector<int32_t>(static_cast<size_t>(rows * context_))};
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t window = (first + r) * windows / validation_rows_;
    validation_->read(window * context_,
                      std::span(batch.ids).subspan(r * context_, static_cast<size_t>(context_)));
  }
  return batch;
}

std::string Batches::identity() const {
  return fmt::format("{} tokens by tokenizer {:016x}, {} of validation", train_.size(),
                     train_.tokenizer_hash(), validation_ ? validation_->size() : 0);
}

}  // namespace photon::trainer
