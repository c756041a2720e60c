// SPDX-License-Identifier: Apache-2.0
// The kinds of work that a forward consists of, each at one shape and by itself: what bench_kernels times,
// and what the traffic model adds up to a predicted time (docs/numbers.md, "Predicted times").
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cost/cost.h"
#include "core/model/model_spec.h"

namespace photon {

struct Kernel {
  enum class Kind {
    layer,              ///< of a stack, all but its attention: norms, products, SwiGLU, residuals
    attention,          ///< of one layer over a growing cache, rotation and appending included
    prefill_attention,  ///< of one layer over whole sequences, rotation and storing included
    local_attention,    ///< of one layer inside decoder windows
    chunker,            ///< norm, product, bias
    converter,          ///< product, bias
    head                ///< norm, logits, the choice of a token
  };
  Kind kind = Kind::layer;
  StackShape shape = {};  ///< layer and attentions; attentions leave ffn 0
  int64_t in = 0;         ///< chunker, converter, head: (rows, in) to (rows, out)
  int64_t out = 0;        ///< of the head the vocabulary
  int64_t rows = 1;       ///< of a product; attention: caches, sequences or windows
  int64_t queries = 1;    ///< attention: new rows of each
  int64_t keys = 0;       ///< attention: rows before them
  int64_t window = 0;     ///< prefill_attention: units that a unit sees, itself included; 0: all

  auto operator<=>(const Kernel&) const = default;
};

std::string_view to_string(Kernel::Kind kind);
/// Throws Error with the names there are.
Kernel::Kind parse_kernel_kind(std::string_view name);
/// "attention/128x4/4/B=8/Q=1/K=512": kind, width x heads / kv heads; what tells it from every other.
std::string describe(const Kernel& kernel);

/// A kernel and how often an operation runs it.
struct KernelUse {
  Kernel kernel;
  double times = 1.0;
};
/// Empty for embeddings, whose time is in no kernel.
std::optional<KernelUse> kernel_of(const ModelSpec& spec, const Operation& operation);

/// Of one run: weights once, cached rows read and written, FLOPs. Of local attention the windows are `other`.
Work kernel_work(const Kernel& kernel, int64_t element_bytes);

/// One visit of a forward to a kernel's operands.
struct KernelVisit {
  Kernel kernel;
  /// Bytes that were touched since the last visit to the same weights or cache, these included, rounded up to
  /// a power of two: whether a kernel finds its operands in a cache depends on it. At the first visit all of
  /// the model's weights and caches; never more than largest_footprint.
  int64_t footprint = 0;
  double times = 1.0;
};

/// Beyond this, nothing of one visit is left in any cache at the next.
inline constexpr int64_t largest_footprint = int64_t{128} << 20;

/// All kernels of a request in the order in which generation runs them. Throws as check_workload.
void visit_kernels(const ModelSpec& spec, const Workload& workload,
                   const std::function<void(const KernelVisit&)>& prefill,
                   const std::function<void(const KernelVisit&)>& decode);

/// A kernel and the footprint that it is timed at.
struct KernelPlace {
  Kernel kernel;
  int64_t footprint = 0;
  auto operator<=>(const KernelPlace&) const = default;
};

/// Distinct ones of a request, in order; of attention to a growing cache only some contexts, the least and
/// the most among them, between which time is interpolated. Throws as check_workload.
std::vector<KernelPlace> kernels_of(const ModelSpec& spec, const Workload& workload);

}  // namespace photon
