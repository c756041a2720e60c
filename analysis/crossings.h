// SPDX-License-Identifier: Apache-2.0
// Where one bound of decoding gives way to another: the batch (at a context) and the context (at a batch) at
// which the traffic of growing caches overtakes that of weights, and arithmetic overtakes bytes. Solved for
// on core/cost, the same counts that floors and benchmarks use: bisection on the cost of one meta-context
// (vanilla: one token), which is linear in the batch, and linear in the context between the points at which
// windows fill.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cost/ceilings.h"
#include "core/cost/cost.h"

namespace photon::analysis {

/// Decoding of the meta-context (vanilla: the token) after so many tokens; recgen streamed, one sample a
/// prompt.
struct DecodeCase {
  ModelSpec spec;
  Generation generation = Generation::hiergen;
  int64_t element_bytes = 2;  ///< of weights and caches

  /// `context` is a multiple of the meta-context, and at least one. Throws as check_workload.
  Forwards decode_step(int64_t context, int64_t batch) const;
  /// Rounded down to whole meta-contexts, at least one.
  int64_t whole(int64_t context) const;
};

/// A comparison of two times or two sums of bytes within a decode step.
struct Comparison {
  enum class Kind {
    kv_over_weights,       ///< bytes of growing caches > bytes of weights
    arithmetic_over_bytes  ///< FLOPs / matrix rate > weight and KV bytes / bandwidth: compute-bound
  };
  Kind kind = Kind::kv_over_weights;
  /// Of these operations alone. kv_over_weights: the cache and the weights of one encoder (vanilla: the
  /// stack); arithmetic_over_bytes: matrix products of one place.
  struct Part {
    Operation::Kind operation = Operation::Kind::stack;
    int level = 1;
    bool decoder = false;
  };
  std::optional<Part> part = {};

  /// True if the first is larger.
  bool holds(const Forwards& forwards, const Ceilings& ceilings) const;
};

/// Where a comparison holds in a range of whole numbers.
struct Crossing {
  int64_t low = 0, high = 0;     ///< of the range
  bool at_low = false;           ///< holds at `low`
  std::vector<int64_t> changes;  ///< numbers at which it is the other way than before, rising

  bool holds_at(int64_t n) const;
};
/// "never up to 1,024", "always", "from 37", "below 96", "from 37 to below 96".
std::string to_string(const Crossing& crossing);

constexpr int64_t longest_crossing_context = int64_t{1} << 30;
constexpr int64_t largest_crossing_batch = int64_t{1} << 24;

/// Over batches 1 .. most at a context. Throws Error without ceilings, and as check_workload.
Crossing over_batch(const DecodeCase& c, const Comparison& comparison, const Ceilings& ceilings,
                    int64_t context, int64_t most = largest_crossing_batch);
/// Over contexts of whole meta-contexts, from one on, to `longest` tokens; numbers are tokens.
Crossing over_context(const DecodeCase& c, const Comparison& comparison, const Ceilings& ceilings,
                      int64_t batch, int64_t longest = longest_crossing_context);

/// A place of the model with a name to print.
struct NamedPart {
  std::string name;  ///< "encoder 2"
  Comparison::Part part;
};
/// Stacks with a growing cache.
std::vector<NamedPart> cached_parts(const DecodeCase& c);
/// Matrix products: stacks, chunkers, converters, head.
std::vector<NamedPart> product_parts(const DecodeCase& c);

}  // namespace photon::analysis
