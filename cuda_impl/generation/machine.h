// SPDX-License-Identifier: Apache-2.0
// What the order of decoding (core/model/decode_walk.h) drives on the device: stacks, growing caches and the
// units that are being made. Nothing here depends on where a row stands, so what is launched once can be
// recorded and replayed.
//
// A kernel leaves its result where whoever reads it next wants it: a stack's last rows are normalised into
// the units that they make and, where they follow into a window, into that window's next part. X^(l) and
// Xhat^(l) so lie in the buffer of their reader; `x` and `xhat` say which units are where.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/model/decode_walk.h"
#include "cuda_impl/generation/cache_counter.h"
#include "cuda_impl/generation/generation_buffers.h"
#include "cuda_impl/generation/session.h"
#include "cuda_impl/kernels/latents.h"
#include "cuda_impl/model/weights.h"

namespace photon::PHOTON_GPU {

/// Units first, first + 1, ... of one level, `count` of every sequence, one sequence after another.
struct UnitRows {
  bf16* at = nullptr;
  int64_t first = 0;
  int64_t count = 0;
  int64_t width = 0;
};

class Machine {
 public:
  /// All must outlive the machine.
  Machine(const ModelSpec& spec, const ModelWeights& weights, Stream& stream, Linears& linear,
          const RowClock& clock, CacheCounter& counter)
      : spec_(spec), w_(weights), stream_(stream), linear_(linear), clock_(clock), counter_(counter) {}

  /// Works in these buffers from now on. Both must outlive what is done there.
  void place(const Session& session, GenerationBuffers& buffers);
  /// What the operations work on from now on: rows first, first + 1, ..., or prompts in the order in which
  /// prefill takes them.
  void take(int64_t first, int64_t sequences);

  // The operations of the walk.
  void convert(const Units& g);
  void decode(const Units& g, int64_t j);
  void feed(const Units& g, int64_t j);
  void sample(const Units& tokens);
  void encode(const Units& g);
  void remember(const Units& g);

  /// Xhat^(l) of what was made last. Of an unrolled answer's latents it is put together from outside.
  UnitRows& xhat(int l) { return xhat_[l]; }

 private:
  /// Where a strided product or norm reads or writes rows.
  struct Strided {
    bf16* at = nullptr;
    int64_t stride = 0;
  };
  struct HeadInput {
    const bf16* states = nullptr;
    int64_t stride = 0;
    const bf16* gain = nullptr;  // null: the states are normalised
  };

  // Where units lie (machine.cpp).
  int64_t a_sequence(const Units& g) const {
    return g.of == Stretch::answer ? g.count * session_->plan.answer : g.count;
  }
  int64_t all(const Units& g) const { return sequences_ * a_sequence(g); }
  bool one_by_one(const Units& g) const { return decode_plan().one_after_another && g.of != Stretch::prompt; }
  UnitRows& x(int l) { return x_[l]; }
  /// What the converter of level l reads: at the top X^(L), which is its own reconstruction.
  UnitRows& latents(int l) { return l == depth() ? x(l) : xhat(l); }
  Strided rows_of(const UnitRows& held, const Units& g) const;
  TokenSlots slots_of(const Units& tokens) const;
  TokenRows token_rows() const;
  Latents latents_of(int l, const UnitRows& held) const;

  // Their parts (machine_parts.cpp).
  void multiply_converter(int l, Strided conditioning, int64_t chunks);
  void run_window(int l, int64_t chunks, int32_t length, int32_t rows);
  void chunk(int l, const bf16* below, int64_t units, bf16* to);
  void encode_prompts(const StackWeights& w, const Units& g);
  void encode_step(const StackWeights& w, const Units& g, bf16* x);
  void norm(const StackWeights& w, Strided x, int64_t rows, Strided to, std::optional<Strided> also = {});
  void sample_from(const HeadInput& in, int64_t states, const Sample& how);
  void embed_tokens(const bf16* table, int64_t width, const TokenSlots& slots, int64_t count, Strided to);

  bf16* residual() const { return b_->x[current_]; }
  bf16* next_residual() const { return b_->x[1 - current_]; }
  /// The last of the rows that each chunk or sequence has on the residual.
  Strided last_rows(int64_t width) const { return {residual() + (part_ - 1) * width, part_ * width}; }
  const float* rotations(const StackShape& shape) const { return b_->rotations.at(shape.head_size()); }
  int depth() const { return spec_.depth(); }
  const DecodePlan& decode_plan() const { return session_->decode; }
  LevelBuffers& buffers(int l) { return b_->levels[l]; }

  const ModelSpec& spec_;
  const ModelWeights& w_;
  Stream& stream_;
  Linears& linear_;
  const RowClock& clock_;
  CacheCounter& counter_;

  const Session* session_ = nullptr;
  GenerationBuffers* b_ = nullptr;
  int64_t first_ = 0;
  int64_t sequences_ = 0;
  int current_ = 0;             // of the two residual buffers
  int64_t part_ = 1;            // rows of each chunk, or sequence, on the residual
  std::vector<UnitRows> x_;     // by level: X^(l)
  std::vector<UnitRows> xhat_;  // by level: Xhat^(l)
};

}  // namespace photon::PHOTON_GPU
