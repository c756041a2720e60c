// SPDX-License-Identifier: Apache-2.0
// What the order of decoding (core/model/decode_walk.h) drives here: stacks, growing caches, and the units
// that are being made, those of many chunks beside each other. X^(l) and Xhat^(l) of the stretch under way
// stand in arrays of that name; an operation reads and writes the rows of the units it is called with.
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "core/model/decode_walk.h"
#include "reference/kv_cache.h"
#include "reference/latent_history.h"
#include "reference/sampler.h"
#include "reference/stack_runner.h"
#include "reference/weights.h"

namespace photon::reference {

/// The text of one row: its prompt, what is forced behind it, and from `known` on what was sampled.
struct RowText {
  int64_t known = 0;
  std::vector<int32_t> tokens;
  std::vector<double> log_probs;
};

/// What one stretch of work goes through of a row: units are counted from position `start` of its text. Of a
/// prompt `row` is the first of its samples.
struct Sequence {
  int64_t row = 0;
  int64_t start = 0;
};

/// Units 0 .. count - 1 of one level, of every sequence.
template <class S>
struct UnitRows {
  Matrix<S> rows;  ///< (sequences · count, D)
  Index count = 0;

  void resize(Index sequences, Index units, Index width) {
    rows.resize(sequences * units, width);
    count = units;
  }
  auto unit(Index sequence, Index n) { return rows.row(sequence * count + n); }
};

template <class S>
class Machine {
 public:
  /// Both must outlive the machine.
  Machine(const ModelSpec& spec, const Weights<S>& weights);

  /// Empty caches, and latents that are all start latents. `request` and `plan` are used until the next one.
  void set_up(const GenerationRequest& request, const DecodePlan& plan, std::vector<RowText> texts);
  /// What the operations work on from now on: so many meta-contexts of each sequence.
  void take(Stretch of, std::vector<Sequence> sequences, int64_t meta_contexts = 1);

  // The operations of the walk.
  void convert(const Units& g);
  void decode(const Units& g, int64_t j);
  void feed(const Units& g, int64_t j);
  void sample(const Units& tokens);
  void encode(const Units& g);
  void remember(const Units& g);

  const RowText& text(int64_t row) const { return texts_[row]; }
  /// Xhat^(l) of the stretch under way. Of an unrolled answer's latents it is put together from outside.
  UnitRows<S>& xhat(int l) { return xhat_[l]; }
  std::vector<KvCache<S>>& caches() { return caches_; }
  /// Of the largest windows, by level: those of all levels stand at once.
  const std::vector<int64_t>& local_bytes() const { return local_bytes_; }

 private:
  void set_up_caches();
  void gather_conditioning(const Units& g);
  void embed(const MatrixMap<S>& table, const Units& tokens, Matrix<S>& out) const;
  /// The rows of units g: all there are, or put together in `scratch`.
  const Matrix<S>& rows_of(UnitRows<S>& held, const Units& g, Matrix<S>& scratch) const;
  /// What the converter of level l reads: at the top X^(L), which is its own reconstruction.
  UnitRows<S>& latents(int l) { return l == spec_.depth() ? x_[l] : xhat(l); }
  int64_t position(Index sequence, const Units& tokens, Index i) const {
    return sequences_[sequence].start + tokens.first + i * tokens.step;
  }
  /// Rows that share a sequence: a prompt's samples, until it ends.
  int64_t samples(Stretch of) const { return of == Stretch::prompt ? request_->samples : 1; }
  Index sequences() const { return std::ssize(sequences_); }
  Index all(const Units& g) const { return sequences() * g.count; }

  const ModelSpec& spec_;
  const Weights<S>& w_;
  std::vector<Rope<S>> ropes_;             // by level, 0 .. L
  std::vector<WindowRunner<S>> windows_;   // by level, [0] unused
  std::vector<CachedRunner<S>> encoders_;  // by level; [0] is vanilla's stack

  const GenerationRequest* request_ = nullptr;
  const DecodePlan* plan_ = nullptr;
  Sampler sampler_{{}};
  std::vector<RowText> texts_;
  std::vector<Sequence> sequences_;
  std::vector<int64_t> ids_;                 // of the sequences, as caches know them: rows or prompts
  std::vector<KvCache<S>> caches_;           // by level
  std::vector<LatentHistory<S>> histories_;  // by level
  std::vector<UnitRows<S>> x_;               // by level, [0] unused
  std::vector<UnitRows<S>> xhat_;            // by level; [L] of vanilla alone
  std::vector<Matrix<S>> part_;              // by level: what the windows take next
  Matrix<S> conditioning_;
  Matrix<S> gathered_;
  Matrix<S> a_;
  Matrix<S> normed_;
  Matrix<S> logits_;
  AlignedVector<double> log_probs_;
  std::vector<int64_t> local_bytes_;
};

}  // namespace photon::reference
