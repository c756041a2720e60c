// Generation with caches (PHOTON, appendix A): HierGen re-encodes what was emitted and keeps every encoder
// cache, RecGen keeps the top one and feeds its own reconstructions upward. One meta-context (vanilla: one
// token) at a time; rows of a batch enter it together, each at its own index.
#pragma once

#include <vector>

#include "core/generation.h"
#include "core/model_spec.h"
#include "reference/kv_cache.h"
#include "reference/latent_history.h"
#include "reference/sampler.h"
#include "reference/stack_runner.h"
#include "reference/weights.h"

namespace photon::reference {

template <class S>
class Generator {
 public:
  /// Both must outlive the generator.
  Generator(const ModelSpec& spec, const Weights<S>& weights);

  /// Throws Error on a request that cannot be served, before any work.
  GenerationResult run(const GenerationRequest& request);

 private:
  struct Row {
    int64_t prompt_length = 0;
    int64_t known = 0;    // tokens below this position are given
    int64_t target = 0;   // no token is emitted from this position on
    int64_t emitted = 0;  // position behind the last emitted token
    bool finished = false;
    std::vector<int32_t> tokens;
    std::vector<double> log_probs;
  };
  /// Chunks of one level under several rows: counts[i] consecutive ones of rows[i].
  struct Chunks {
    std::vector<int64_t> rows;
    std::vector<int64_t> counts;
    Index total() const;
  };

  void check(const GenerationRequest& request) const;
  void set_up(const GenerationRequest& request);
  int64_t new_units(int l) const;
  GenerationResult finish();

  // Prefill (generator_prefill.cpp).
  void prefill();
  void prefill_prompts(std::span<const int64_t> prompts, int64_t meta_contexts);
  void prefill_vanilla(std::span<const int64_t> prompts, int64_t length);
  void prefill_decoders(std::span<const int64_t> prompts, const std::vector<Matrix<S>>& x);
  std::vector<int64_t> latents_needed() const;

  // Decode (generator_decode.cpp).
  void decode_streamed();
  void decode_unrolled();
  void decode_vanilla();
  const Matrix<S>& decode_chunk_and_encode(int l, std::span<const int64_t> rows);
  void decode_level(int l, const Chunks& chunks);
  void gather_conditioning(int l, const Chunks& chunks);
  void run_window(int l, Index chunks, Index j);
  void pick_tokens(const Matrix<S>& states, const Chunks& chunks, Index unit, Index units);
  const Matrix<S>& encode_step(int l, const Matrix<S>& below, std::span<const int64_t> rows);
  void encode_emitted(std::span<const int64_t> rows);
  void encode_reconstructed(std::span<const int64_t> rows);
  void append_top(const Matrix<S>& x, std::span<const int64_t> rows);

  // Shared by both.
  void chunk(int l, const Matrix<S>& below, Matrix<S>& out);
  void convert(int l, const Matrix<S>& conditioning, Matrix<S>& prefix);
  void pick_token(Row& row, int64_t row_index, int64_t position, std::span<const double> log_probs);
  void log_probs_of(const Matrix<S>& states);
  std::vector<int64_t> active_rows() const;
  bool emit(std::span<const int64_t> rows);  // false: the receiver wants no more

  int depth() const { return spec_.depth(); }
  bool recgen() const { return request_->generation == Generation::recgen; }
  bool observed_upward() const { return !recgen() || request_->recgen_observes_upward; }
  /// At levels >= 2: the reading's feedback, which recgen replaces by reconstructions.
  bool observed_feedback(int l) const {
    return (!recgen() || request_->recgen_keeps_reading_feedback) && spec_.feedback(l) == Feedback::observed;
  }
  /// Reading `causal` with its own feedback: every chunk waits for the encoder states of the one before it.
  bool one_after_another() const { return depth() >= 2 && observed_feedback(depth()); }
  Visibility visibility(int l) const {
    return {spec_.level(l).encoder_window, spec_.units_per_meta_context(l)};
  }
  Rope<S>& rope(int l) { return ropes_[static_cast<size_t>(l)]; }
  Row& row(int64_t r) { return rows_[static_cast<size_t>(r)]; }

  const ModelSpec& spec_;
  const Weights<S>& w_;
  std::vector<Rope<S>> ropes_;             // by level, 0 .. L
  std::vector<WindowRunner<S>> windows_;   // by level, [0] unused
  std::vector<CachedRunner<S>> encoders_;  // by level; [0] is vanilla's stack

  const GenerationRequest* request_ = nullptr;
  Sampler sampler_{{}};
  std::vector<Row> rows_;
  std::vector<int64_t> start_;               // a row: first position of its current meta-context
  std::vector<KvCache<S>> caches_;           // by level
  std::vector<LatentHistory<S>> histories_;  // by level
  std::vector<Matrix<S>> xhat_;              // by level: of the chunks being made
  std::vector<Matrix<S>> encoded_;           // by level: inputs of the chunker above, sequential decoding
  std::vector<Matrix<S>> part_;              // by level: what the window takes next
  Matrix<S> conditioning_;
  Matrix<S> a_;
  Matrix<S> normed_;
  Matrix<S> states_;
  Matrix<S> logits_;
  AlignedVector<double> log_probs_;
  std::vector<CacheRows> prefill_rows_;
  std::vector<int64_t> local_bytes_;  // of the largest window, by level: those of all levels stand at once
  double started_ = 0.0;
  double prefilled_ = 0.0;
  double last_burst_ = 0.0;
  double first_burst_ = 0.0;
  std::vector<double> burst_seconds_;
};

}  // namespace photon::reference
