// SPDX-License-Identifier: Apache-2.0
// Step times and memory of one model on one machine from the traffic model (core/cost, core/floor): the
// serial floor of what a step does, divided by the fraction of it that the machine reaches, and never less
// than its kernels take to launch. Products and head depend on the number of rows alone and are exact, but
// for prompts of less than eight units, of which some readings reconstruct fewer than this takes; attention
// to the caches comes from tables over the context (context_table.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/simulation/context_table.h"
#include "analysis/simulation/step_costs.h"
#include "core/cost/cost.h"
#include "core/cost/floor.h"

namespace photon::analysis::simulation {

/// Serial floor / time of a regime: above 0 and up to 1.
struct Efficiency {
  double prefill = 1.0;
  double decode = 1.0;
};

struct Service {
  ModelSpec spec;
  Generation generation = Generation::hiergen;  ///< recgen: on the streamed schedule
  int64_t samples = 1;                          ///< rows of each request, sharing its prefill
  int64_t shared_prefix = 0;                    ///< tokens that all prompts begin with, kept once
  int64_t prefill_tokens = 8192;  ///< that a step encodes at most for each token that it adds to a row
  int64_t weight_bytes = 2;       ///< of one element
  int64_t kv_bytes = 2;           ///< of one element
};

class ModelCosts final : public StepCosts {
 public:
  /// For requests of up to `longest` tokens, prompt and answer together. Throws Error where core/cost refuses
  /// the service or core/floor the ceilings, UsageError on an efficiency that is not above 0 and up to 1
  /// and on counts out of range.
  ModelCosts(const Service& service, const Ceilings& ceilings, const Efficiency& efficiency, int64_t longest);

  ServicePlan plan(const Request& request) const override;
  double step_seconds(std::span<const PrefillPiece> prefill, std::span<const DecodeRow> rows) override;

  /// Memory that is left for requests of 0.95 of the machine's, after weights and the shared prefix. Throws
  /// Error where nothing is.
  double room_bytes(int64_t memory_bytes) const;
  /// Units that a step encodes at most: of tokens, as many times more as a unit has tokens, so that prompts
  /// delay a token of an answer alike in all architectures.
  int64_t prefill_units() const { return s_.prefill_tokens; }

 private:
  /// Operations that are not attention to a cache: time = max(memory, arithmetic), in seconds.
  struct Product {
    double memory = 0.0;
    double per_row = 0.0;     ///< decode: of one row; prefill: of one unit
    double per_prompt = 0.0;  ///< prefill: what the last unit of a prompt brings with it
    double count = 1.0;       ///< equal ones
  };
  /// Attention of one level: 0 is vanilla's.
  struct Level {
    int level = 0;
    int64_t units = 1;                       ///< of this level in one unit of the simulation
    double unit_bytes = 0.0;                 ///< keys and values of one, all layers
    double pair_flops = 0.0;                 ///< a (query, key) pair, all layers
    bool decodes = true;                     ///< its cache is kept and grows
    std::optional<ContextTable> read_bytes;  ///< of one row, by the unit that is made
    std::optional<ContextTable> flops;
  };

  void compile_decode(int64_t last_unit);
  void compile_prefill();
  Forwards decode_step(int64_t unit, Generation generation, int64_t batch = 1) const;
  Workload workload(int64_t prompt, int64_t answer, int64_t samples) const;
  double kept_units(const Level& level, int64_t unit) const;
  double prefill_seconds(std::span<const PrefillPiece> pieces) const;
  double decode_seconds(std::span<const DecodeRow> rows) const;

  Service s_;
  Ceilings c_;
  Efficiency efficiency_;
  int64_t prefix_units_ = 0;
  std::vector<Product> decode_products_;
  std::vector<Product> prefill_products_;
  std::vector<Level> levels_;
  /// Of 1, 2, .. rows: a product is launched otherwise above matrix_vector_rows, and beyond that always
  /// alike.
  std::array<double, matrix_vector_rows + 1> decode_launch_seconds_ = {};
  double prefill_launch_seconds_ = 0.0;
};

}  // namespace photon::analysis::simulation
