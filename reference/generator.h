// SPDX-License-Identifier: Apache-2.0
// Generation with caches (PHOTON, appendix A): HierGen re-encodes what was emitted and keeps every encoder
// cache, RecGen keeps the top one and feeds its own reconstructions upward. One meta-context (vanilla: one
// token) at a time; rows of a batch enter it together, each at its own index. The order of work within one is
// the walk's (core/model/decode_walk.h); here stand which rows go on, and what is handed out when.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/model/generation.h"
#include "reference/machine.h"

namespace photon::reference {

template <class S>
class Generator {
 public:
  /// Both must outlive the generator.
  Generator(const ModelSpec& spec, const Weights<S>& weights) : spec_(spec), machine_(spec, weights) {}

  /// Throws Error on a request that cannot be served, before any work.
  GenerationResult run(const GenerationRequest& request);

 private:
  struct Row {
    int64_t prompt_length = 0;
    int64_t start = 0;    // of the meta-context that is next
    int64_t target = 0;   // no token is emitted from this position on
    int64_t emitted = 0;  // position behind the last emitted token
    bool finished = false;
  };

  void set_up(const GenerationRequest& request);
  void prefill_prompts();
  void decode_streamed();
  void decode_unrolled();
  std::vector<int64_t> active_rows() const;
  void advance(std::span<const int64_t> rows);
  bool emit();  // false: the receiver wants no more
  GenerationResult finish();

  Row& row(int64_t r) { return rows_[r]; }

  const ModelSpec& spec_;
  Machine<S> machine_;

  const GenerationRequest* request_ = nullptr;
  std::optional<DecodePlan> plan_;
  std::vector<Row> rows_;
  std::vector<CacheRows> prefill_rows_;
  double started_ = 0.0;
  double prefilled_ = 0.0;
  double last_burst_ = 0.0;
  double first_burst_ = 0.0;
  std::vector<double> burst_seconds_;
};

}  // namespace photon::reference
