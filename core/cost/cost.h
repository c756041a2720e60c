// SPDX-License-Identifier: Apache-2.0
// Bytes and FLOPs of every forward a request takes (docs/numbers.md): the one source of the floors of
// analysis, the counters of the benchmark and the launches of CUDA. The schedule is that of section 3; what a
// forward reads and writes in a growing cache is what the counting caches of the reference count.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/model/generation.h"
#include "core/model/model_spec.h"

namespace photon {

/// What is asked of a model, and in what it computes.
struct Workload {
  int64_t prompt = 0;      ///< tokens in, each prompt
  int64_t new_tokens = 0;  ///< tokens out, each sequence
  int64_t batch = 1;       ///< prompts
  int64_t samples = 1;     ///< sequences of each prompt, sharing its prefill
  Generation generation = Generation::hiergen;
  Schedule schedule = Schedule::streamed;
  int64_t weight_bytes = 2;  ///< of one element
  int64_t kv_bytes = 2;      ///< of one element

  int64_t sequences() const { return batch * samples; }
};

/// Sums; the unit of everything but FLOPs is bytes.
struct Work {
  double weight_bytes = 0.0;
  double kv_read_bytes = 0.0;
  double kv_write_bytes = 0.0;
  double other_bytes = 0.0;  ///< embeddings looked up, local caches: in no floor
  double flops = 0.0;

  double kv_bytes() const { return kv_read_bytes + kv_write_bytes; }
  double floor_bytes() const { return weight_bytes + kv_bytes(); }
  Work& operator+=(const Work& w);
};

/// Up to so many rows a product with a weight matrix is a matrix-vector kernel on a device, with norm, SwiGLU
/// and residual folded in; above, each is a launch of its own.
constexpr int64_t matrix_vector_rows = 4;

/// One operation of a forward: everything of its kind in one stack.
struct Operation {
  enum class Kind { embedding, chunker, converter, stack, attention, local_attention, head };
  Kind kind = Kind::stack;
  int level = 0;  ///< l of encoder l, decoder l, chunker l, converter l; 1 for vanilla's stack and the head
  bool decoder = false;  ///< stack and attention: of decoder l (vanilla's counts as one with a growing cache)
  Work work;
  CacheRows rows;         ///< of the growing cache, summed over layers and sequences
  double launches = 1.0;  ///< kernels that cuda_impl starts for it, the merging of a split cache not counted
  int64_t sequences = 0;  ///< attention: caches or windows; of a product its rows
  int64_t queries = 1;    ///< attention: new rows of each
  int64_t keys = 0;       ///< attention: rows before them that they see; those of a sequence's first query
  bool prefill = false;   ///< attention: whole sequences from their first unit on
};

using Forward = std::vector<Operation>;

/// Forwards between two points at which everything before is done: the prefill, a meta-context, a token of
/// vanilla; under the unrolled schedule, after the latents, all chunks of the answer together.
using Forwards = std::vector<Forward>;

struct RequestCost {
  Forwards prefill;
  std::vector<Forwards> decode;
};

/// Throws Error on a workload that generation refuses or whose counts do not fit their integers.
void check_workload(const ModelSpec& spec, const Workload& workload);
/// The whole request, whole batch, step by step: `prefill` is called once, with no forwards where there is
/// nothing to encode, then `decode` for each step. None is kept, so an answer may be long. Throws as
/// check_workload.
void visit_request(const ModelSpec& spec, const Workload& workload,
                   const std::function<void(const Forwards&)>& prefill,
                   const std::function<void(const Forwards&)>& decode);
/// All of it at once; up to 2^18 new tokens. Throws Error beyond, and as check_workload.
RequestCost request_cost(const ModelSpec& spec, const Workload& workload);

Work total(const Forward& forward);
Work total(const Forwards& forwards);
Work total(const std::vector<Forwards>& steps);
/// By level, 0 .. L; index 0 is vanilla's stack.
std::vector<CacheRows> cache_rows(const ModelSpec& spec, const std::vector<Forwards>& steps);

/// Bytes the growing caches hold at the end of the request, of one row (sample); what samples of a prompt
/// share is divided among them. Units are floor((P + N) / C_{<=l}), fewer under a window (design, "KV bytes,
/// ideal"). Throws as check_workload.
double kv_bytes_ideal(const ModelSpec& spec, const Workload& workload);
/// Bytes of the local decoder caches of one row while one meta-context is made; under the unrolled schedule
/// below the top, of all of the answer's. Throws as check_workload.
double local_bytes(const ModelSpec& spec, const Workload& workload);
/// Bytes of everything a checkpoint holds, in one element type: matrices, embedding tables, gains, biases,
/// start latents. Traffic counts less (no gains, biases and tables).
double weights_bytes(const ModelSpec& spec, int64_t element_bytes);

/// (query, visible key) pairs of a causal pass over `units` units of level l (0: vanilla's).
double visible_pairs(const ModelSpec& spec, int l, int64_t units);
/// FLOPs of the teacher-forced forward pass over one sequence of T tokens.
double forward_flops(const ModelSpec& spec, int64_t tokens);
/// Three times that: recomputation is not counted.
double training_flops(const ModelSpec& spec, int64_t tokens);

/// Elements of the matrices of a stack: what one forward of it reads.
double stack_elements(const StackShape& shape, int64_t layers);

/// A product of `rows` rows with matrices of `elements` elements, read once.
Work matrix_work(double elements, int64_t rows, int64_t element_bytes);
/// What one layer's attention does at `pairs` (query, visible key) pairs, reading and writing so many rows (K
/// and V of a unit) of a growing cache.
Work attention_work(const StackShape& shape, double pairs, double rows_read, double rows_written,
                    int64_t kv_bytes);

}  // namespace photon
