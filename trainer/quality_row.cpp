// SPDX-License-Identifier: Apache-2.0
#include "trainer/quality_row.h"

namespace photon::trainer {

ResultRow quality_row(const ModelSpec& spec, const ScoredCheckpoint& q) {
  ResultRow row;
  row.set("kind", "eval");
  set_model(row, spec);
  row.set("checkpoint", q.checkpoint.string());
  row.set("dtype", to_string(q.dtype));
  if (spec.depth() > 0) row.set("generation", to_string(q.generation));
  if (q.schedule) row.set("schedule", to_string(*q.schedule));
  if (q.prompt) {
    row.set("prompt", *q.prompt);
    row.set("new_tokens", q.context - *q.prompt);
  }
  row.set("corpus", q.corpus);
  if (q.training) {
    const auto& given = q.training->identity;
    if (const auto match = given.find("match"); match != given.end()) row.set("match", match->second);
    if (const auto seed = given.find("seed"); seed != given.end()) row.set("training_seed", seed->second);
    row.set("training_tokens", q.training->tokens);
    row.set("training_flops", q.training->flops);
    row.set("training_steps", q.training->steps);
    if (const auto batch = given.find("batch"); batch != given.end())
      row.set("training_batch", batch->second);
    if (const auto rate = given.find("learning_rate"); rate != given.end())
      row.set("learning_rate", rate->second);
  }
  row.set("token_nll", q.score.token_nll());
  if (q.score.token_nll_error) row.set("token_nll_error", *q.score.token_nll_error);
  row.set("perplexity", q.score.perplexity());
  if (const auto bits = q.score.bits_per_byte()) {
    row.set("bits_per_byte", *bits);
    row.set("bytes_scored", *q.score.bytes);
    if (q.score.bits_per_byte_error) row.set("bits_per_byte_error", *q.score.bits_per_byte_error);
  }
  row.set("tokens_scored", q.score.tokens);
  return row;
}

}  // namespace photon::trainer
