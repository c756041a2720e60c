// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/base/error.h"
#include "core/cost/cost.h"
#include "core/model/decode_walk.h"

namespace photon {
namespace {

/// Writes down the forwards of a request as the walk comes to them.
class CostMachine {
 public:
  CostMachine(const DecodePlan& plan, const Workload& workload)
      : plan_(plan),
        spec_(plan.spec),
        w_(workload),
        prefilled_(plan.prefilled_meta_contexts(w_.prompt)),
        answer_(plan.new_meta_contexts(w_.prompt, w_.new_tokens)) {}

  int64_t prefilled() const { return prefilled_; }
  int64_t answer() const { return answer_; }
  /// Meta-context number q of every row is next; vanilla's are tokens.
  void begin(int64_t q) {
    meta_context_ = q;
    forwards_.clear();
  }
  const Forwards& forwards() const { return forwards_; }

  // The operations of the walk (core/model/decode_walk.h).

  void convert(const Units& g) {
    const LevelSpec& s = spec_.level(g.level);
    const int64_t out = s.prefix * spec_.shape(g.level - 1).width;
    forwards_.emplace_back();
    matrix(Operation::Kind::converter, g.level,
           static_cast<double>(s.converter_context * s.shape.width * out), all(g));
  }

  /// The next part of every window: its first R rows, then a row at a time.
  void decode(const Units& g, int64_t j) {
    const LevelSpec& s = spec_.level(g.level);
    const StackShape& shape = spec_.shape(g.level - 1);
    const int64_t chunks = all(g);
    const int64_t first = j == 0 ? 0 : s.prefix + j - 1;
    const int64_t rows = j == 0 ? s.prefix : 1;
    stack(shape, s.decoder_layers, g.level, true, chunks * rows);
    double pairs = 0.0;
    for (int64_t r = first; r < first + rows; ++r) pairs += static_cast<double>(r + 1);
    const double layer_chunks = static_cast<double>(s.decoder_layers) * static_cast<double>(chunks);
    const double row_bytes = static_cast<double>(2 * shape.kv_width() * w_.kv_bytes) * layer_chunks;
    add({.kind = Operation::Kind::local_attention,
         .level = g.level,
         .decoder = true,
         .work = {.other_bytes = row_bytes * static_cast<double>(first + rows),
                  .flops = 4.0 * static_cast<double>(shape.width) * layer_chunks * pairs},
         .rows = {},
         .launches = static_cast<double>(s.decoder_layers),
         .sequences = chunks,
         .queries = rows,
         .keys = first});
  }

  void feed(const Units& g, int64_t) {
    forwards_.emplace_back();
    if (plan_.level(g.level).feedback == Feedback::token) embeddings(spec_.base.width, true, all(g));
  }

  void sample(const Units& tokens) {
    // [norm,] logits, their parts, the choice
    const bool norms_first = feeds_head(1, true) && all(tokens) > matrix_vector_rows;
    matrix(Operation::Kind::head, 1, static_cast<double>(spec_.vocab * spec_.base.width), all(tokens),
           norms_first ? 4.0 : 3.0);
  }

  void encode(const Units& g) {
    forwards_.emplace_back();
    chunker(g);
    stack(spec_.shape(g.level), spec_.encoder_layers(g.level), std::max(g.level, 1), is_vanillas(g.level),
          all(g));
    if (g.of == Stretch::prompt) {
      attend_from_the_first(g);
    } else {
      attend_behind_the_cache(g);
    }
  }

  void remember(const Units&) {}

 private:
  int64_t all(const Units& g) const {
    if (g.of == Stretch::prompt) return w_.batch * g.count;
    return w_.sequences() * g.count * (g.of == Stretch::answer ? answer_ : 1);
  }
  /// Its one stack is a decoder's, and has the growing cache of an encoder.
  static bool is_vanillas(int l) { return l == 0; }

  void add(const Operation& op) { forwards_.back().push_back(op); }

  void stack(const StackShape& shape, int64_t layers, int level, bool decoder, int64_t rows) {
    add({.kind = Operation::Kind::stack,
         .level = level,
         .decoder = decoder,
         .work = matrix_work(stack_elements(shape, layers), rows, w_.weight_bytes),
         .rows = {},
         // [norm,] q k v, out, [norm,] gate and up [, their product], down; the final norm, if not the head's
         .launches = (rows <= matrix_vector_rows ? 4.0 : 7.0) * static_cast<double>(layers) +
                     (feeds_head(level, decoder) ? 0.0 : 1.0),
         .sequences = rows});
  }

  /// The head reads this stack's states at once, so their norm is its own.
  bool feeds_head(int level, bool decoder) const { return decoder && level == 1 && !plan_.tokens_last; }

  void matrix(Operation::Kind kind, int level, double elements, int64_t rows, double launches = 1.0) {
    add({.kind = kind,
         .level = level,
         .decoder = kind != Operation::Kind::chunker,
         .work = matrix_work(elements, rows, w_.weight_bytes),
         .rows = {},
         .launches = launches,
         .sequences = rows});
  }

  void embeddings(int64_t width, bool decoder, int64_t tokens) {
    const auto elements = static_cast<double>(width) * static_cast<double>(tokens);
    add({.kind = Operation::Kind::embedding,
         .level = 1,
         .decoder = decoder,
         .work = {.other_bytes = elements * static_cast<double>(w_.weight_bytes)},
         .rows = {},
         .sequences = tokens});
  }

  void chunker(const Units& g) {
    if (is_vanillas(g.level)) return embeddings(spec_.base.width, true, all(g));
    const int64_t chunk = plan_.level(g.level).chunk;
    if (g.level == 1) return embeddings(spec_.embedding_width(), false, all(g) * chunk);
    matrix(Operation::Kind::chunker, g.level,
           static_cast<double>(chunk * spec_.shape(g.level - 1).width * spec_.shape(g.level).width), all(g),
           all(g) <= matrix_vector_rows ? 1.0 : 2.0);
  }

  void attention(int l, int64_t sequences, int64_t queries, int64_t keys, bool prefill, double pairs,
                 CacheRows rows) {
    const int64_t layers = spec_.encoder_layers(l);
    rows.read *= layers;
    rows.written *= layers;
    add({.kind = Operation::Kind::attention,
         .level = std::max(l, 1),
         .decoder = is_vanillas(l),
         .work =
             attention_work(spec_.shape(l), static_cast<double>(layers) * pairs,
                            static_cast<double>(rows.read), static_cast<double>(rows.written), w_.kv_bytes),
         .rows = rows,
         .launches = 2.0 * static_cast<double>(layers),  // rotation with the cache's rows; attention
         .sequences = sequences,
         .queries = queries,
         .keys = keys,
         .prefill = prefill});
  }

  void attend_from_the_first(const Units& g) {
    const int64_t kept = g.count - plan_.first_kept(g.level, g.count);
    attention(g.level, w_.batch, g.count, 0, true,
              static_cast<double>(w_.batch) * visible_pairs(spec_, g.level, g.count), {0, w_.batch * kept});
  }

  void attend_behind_the_cache(const Units& g) {
    const Visibility visibility = spec_.visibility(g.level);
    const int64_t n = meta_context_ * plan_.level(g.level).units + g.first;
    double pairs = 0.0;
    for (int64_t unit = n; unit < n + g.count; ++unit)
      pairs += static_cast<double>(unit - visibility.first(unit) + 1);
    const int64_t first = visibility.first(n);
    // What the prompt left is read once for all of its samples.
    const int64_t prompt_units = prefilled_ * plan_.level(g.level).units;
    const int64_t shared = w_.samples > 1 ? std::max<int64_t>(0, prompt_units - first) : 0;
    attention(g.level, w_.sequences(), g.count, n - first, false, static_cast<double>(w_.sequences()) * pairs,
              {w_.sequences() * (n - first - shared) + w_.batch * shared, w_.sequences() * g.count});
  }

  const DecodePlan& plan_;
  const ModelSpec& spec_;
  const Workload& w_;
  int64_t prefilled_ = 0;  ///< meta-contexts of every prompt
  int64_t answer_ = 0;     ///< and behind them
  int64_t meta_context_ = 0;
  Forwards forwards_;
};

}  // namespace

void check_workload(const ModelSpec& spec, const Workload& w) {
  const auto refuse = [&](const std::string& why) {
    throw Error(fmt::format("model '{}': {}", spec.name, why));
  };
  constexpr int64_t most = int64_t{1} << 32;
  constexpr int64_t longest_answer = int64_t{1} << 24;
  if (w.prompt < 0 || w.prompt > most) {
    refuse(fmt::format("{} tokens in; 0 to {} are allowed", w.prompt, most));
  }
  if (w.new_tokens < 0 || w.new_tokens > longest_answer) {
    refuse(fmt::format("{} tokens out; 0 to {} are allowed", w.new_tokens, longest_answer));
  }
  if (w.batch < 1 || w.batch > most || w.samples < 1 || w.samples > most) {
    refuse(
        fmt::format("batch {} with {} samples a prompt; 1 to {} each are allowed", w.batch, w.samples, most));
  }
  if (w.weight_bytes < 1 || w.weight_bytes > 16 || w.kv_bytes < 1 || w.kv_bytes > 16) {
    refuse(fmt::format("elements of {} and {} bytes; 1 to 16 are allowed", w.weight_bytes, w.kv_bytes));
  }
  if (w.prompt < spec.target_shift())
    refuse("a vanilla model cannot predict a first token: give it a prompt");
  check_generation(spec, w.generation, w.schedule);
  // The largest count is the cache rows that all layers read over a whole answer.
  int64_t layers = spec.layers;
  for (const LevelSpec& s : spec.levels) layers = std::max({layers, s.encoder_layers, s.decoder_layers});
  const auto context = static_cast<double>(w.prompt + w.new_tokens + 2 * spec.meta_context());
  const auto steps = static_cast<double>(w.new_tokens + 2 * spec.meta_context());
  if (static_cast<double>(w.batch) * static_cast<double>(w.samples) * static_cast<double>(layers) * context *
          steps >
      0x1p62) {
    refuse(fmt::format("batch {} with {} samples a prompt, {} tokens in and {} out are too many to count",
                       w.batch, w.samples, w.prompt, w.new_tokens));
  }
}

void visit_request(const ModelSpec& spec, const Workload& workload,
                   const std::function<void(const Forwards&)>& prefill,
                   const std::function<void(const Forwards&)>& decode) {
  check_workload(spec, workload);
  const DecodePlan plan(spec, workload.generation, workload.schedule);
  CostMachine machine(plan, workload);
  if (machine.prefilled() > 0) photon::prefill(plan, machine, machine.prefilled());
  prefill(machine.forwards());
  for (int64_t q = 0; q < machine.answer(); ++q) {
    machine.begin(machine.prefilled() + q);
    decode_meta_context(plan, machine);
    decode(machine.forwards());
  }
  if (workload.schedule == Schedule::unrolled && machine.answer() > 0) {
    machine.begin(machine.prefilled());
    decode_rest_of_answer(plan, machine);
    decode(machine.forwards());
  }
}

RequestCost request_cost(const ModelSpec& spec, const Workload& workload) {
  constexpr int64_t longest_kept = int64_t{1} << 18;
  if (workload.new_tokens > longest_kept) {
    throw Error(
        fmt::format("model '{}': the forwards of {} new tokens are too many to keep at once; up to {}",
                    spec.name, workload.new_tokens, longest_kept));
  }
  RequestCost cost;
  visit_request(
      spec, workload, [&](const Forwards& forwards) { cost.prefill = forwards; },
      [&](const Forwards& forwards) { cost.decode.push_back(forwards); });
  return cost;
}

}  // namespace photon
