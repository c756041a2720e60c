#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/cost.h"
#include "core/error.h"

namespace photon {
namespace {

/// Writes down a request's forwards in the order in which generation runs them.
class RequestWriter {
 public:
  RequestWriter(const ModelSpec& spec, const Workload& workload) : spec_(spec), w_(workload) {}

  using Receiver = std::function<void(const Phase&)>;

  void vanilla(const Receiver& on_prefill, const Receiver& on_decode) const {
    Forward prefill;
    stack(prefill, spec_.base, spec_.layers, 1, true, w_.batch * w_.prompt);
    embeddings(prefill, true, w_.batch * w_.prompt);
    global_prefill(prefill, spec_.base, spec_.layers, 0, w_.prompt, w_.prompt);
    head(prefill, w_.batch);
    on_prefill({prefill});
    Phase phase(1);
    for (int64_t n = 0; n < w_.new_tokens; ++n) {
      Forward& f = phase.front();
      f.clear();
      embeddings(f, true, w_.rows());
      stack(f, spec_.base, spec_.layers, 1, true, w_.rows());
      global_step(f, spec_.base, spec_.layers, 0, w_.prompt + n, 1, w_.prompt);
      head(f, w_.rows());
      on_decode(phase);
    }
  }

  void hierarchy(const Receiver& on_prefill, const Receiver& on_decode) const {
    const int64_t prefilled = w_.prompt / spec_.meta_context();
    const int64_t answer =
        (w_.prompt % spec_.meta_context() + w_.new_tokens + spec_.meta_context() - 1) / spec_.meta_context();
    Phase phase;
    if (prefilled > 0) prefill(prefilled, phase);
    on_prefill(phase);
    for (int64_t q = prefilled; q < prefilled + answer; ++q) {
      phase.clear();
      if (w_.schedule == Schedule::unrolled) {
        decoder(spec_.depth(), w_.rows(), phase);
      } else if (one_after_another()) {
        chunk_and_encode(spec_.depth(), q * spec_.units_per_meta_context(spec_.depth()), phase);
      } else {
        int64_t chunks = w_.rows();
        for (int l = spec_.depth(); l >= 1; --l) {
          decoder(l, chunks, phase);
          chunks *= spec_.level(l).chunk;
        }
      }
      if (w_.generation == Generation::recgen) {
        encode(spec_.depth(), q, 1, phase);
      } else if (!one_after_another()) {
        for (int l = 1; l <= spec_.depth(); ++l) {
          encode(l, q * spec_.units_per_meta_context(l), spec_.units_per_meta_context(l), phase);
        }
      }
      on_decode(phase);
    }
    if (w_.schedule == Schedule::unrolled && answer > 0) {
      phase.clear();
      int64_t chunks = w_.rows() * answer;
      for (int l = spec_.depth() - 1; l >= 1; --l) {
        chunks *= spec_.level(l + 1).chunk;
        decoder(l, chunks, phase);
      }
      on_decode(phase);
    }
  }

 private:
  bool one_after_another() const {
    return spec_.depth() >= 2 && spec_.reading == Reading::causal && w_.generation == Generation::hiergen;
  }
  double weights(double elements) const { return elements * static_cast<double>(w_.weight_bytes); }

  void stack(Forward& f, const StackShape& shape, int64_t layers, int level, bool decoder,
             int64_t rows) const {
    f.push_back(
        {.kind = Operation::Kind::stack,
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
  bool feeds_head(int level, bool decoder) const {
    return decoder && level == 1 && (spec_.depth() == 0 || spec_.feedback(1) == Feedback::token);
  }

  void matrix(Forward& f, Operation::Kind kind, int level, double elements, int64_t rows,
              double launches = 1.0) const {
    f.push_back({.kind = kind,
                 .level = level,
                 .decoder = kind != Operation::Kind::chunker,
                 .work = matrix_work(elements, rows, w_.weight_bytes),
                 .rows = {},
                 .launches = launches,
                 .sequences = rows});
  }

  void head(Forward& f, int64_t rows) const {
    // [norm,] logits, their parts, the choice
    const double launches = feeds_head(1, true) && rows > matrix_vector_rows ? 4.0 : 3.0;
    matrix(f, Operation::Kind::head, 1, static_cast<double>(spec_.vocab * spec_.base.width), rows, launches);
  }

  void embeddings(Forward& f, bool decoder, int64_t rows) const {
    const int64_t width = decoder ? spec_.base.width : spec_.embedding_width();
    f.push_back({.kind = Operation::Kind::embedding,
                 .level = 1,
                 .decoder = decoder,
                 .work = {.other_bytes = weights(static_cast<double>(width) * static_cast<double>(rows))},
                 .rows = {},
                 .sequences = rows});
  }

  EncoderWindow window(int l) const { return l == 0 ? EncoderWindow{} : spec_.level(l).encoder_window; }

  /// Cached keys that the unit at position n sees, the unit itself not counted.
  int64_t visible(int l, int64_t n) const {
    switch (window(l).kind) {
      case EncoderWindow::Kind::units:
        return std::min(n, window(l).units - 1);
      case EncoderWindow::Kind::block:
        return n % spec_.units_per_meta_context(l);
      case EncoderWindow::Kind::unbounded:
        break;
    }
    return n;
  }

  Operation& attention(Forward& f, const StackShape& shape, int64_t layers, int l, double pairs,
                       CacheRows rows) const {
    rows.read *= layers;
    rows.written *= layers;
    f.push_back(
        {.kind = Operation::Kind::attention,
         .level = std::max(l, 1),
         .decoder = l == 0,
         .work = attention_work(shape, static_cast<double>(layers) * pairs, static_cast<double>(rows.read),
                                static_cast<double>(rows.written), w_.kv_bytes),
         .rows = rows,
         .launches = 2.0 * static_cast<double>(layers)});  // rotation with the cache's rows; attention
    return f.back();
  }

  /// Units [0, n) of every prompt; `kept` of them stay in the cache.
  void global_prefill(Forward& f, const StackShape& shape, int64_t layers, int l, int64_t n,
                      int64_t kept) const {
    Operation& op = attention(f, shape, layers, l, static_cast<double>(w_.batch) * visible_pairs(spec_, l, n),
                              {0, w_.batch * kept});
    op.sequences = w_.batch;
    op.queries = n;
    op.prefill = true;
  }

  /// Units [n, n + count) of every row; the first `prompt_units` are shared by the samples of a prompt.
  void global_step(Forward& f, const StackShape& shape, int64_t layers, int l, int64_t n, int64_t count,
                   int64_t prompt_units) const {
    double pairs = 0.0;
    for (int64_t unit = n; unit < n + count; ++unit) pairs += static_cast<double>(visible(l, unit) + 1);
    const int64_t seen = visible(l, n);
    const int64_t shared = w_.samples > 1 ? std::max<int64_t>(0, seen - (n - prompt_units)) : 0;
    Operation& op = attention(f, shape, layers, l, static_cast<double>(w_.rows()) * pairs,
                              {w_.rows() * (seen - shared) + w_.batch * shared, w_.rows() * count});
    op.sequences = w_.rows();
    op.queries = count;
    op.keys = seen;
  }

  int64_t kept_after_prefill(int l, int64_t units) const {
    if (w_.generation == Generation::recgen && l < spec_.depth()) return 0;
    switch (window(l).kind) {
      case EncoderWindow::Kind::units:
        return std::min(units, window(l).units);
      case EncoderWindow::Kind::block:
        return 0;  // prefill ends with a meta-context
      case EncoderWindow::Kind::unbounded:
        break;
    }
    return units;
  }

  void chunker(Forward& f, int l, int64_t rows) const {
    if (l == 1) {
      embeddings(f, false, rows * spec_.level(1).chunk);
    } else {
      const auto elements =
          static_cast<double>(spec_.level(l).chunk * spec_.shape(l - 1).width * spec_.shape(l).width);
      matrix(f, Operation::Kind::chunker, l, elements, rows, rows <= matrix_vector_rows ? 1.0 : 2.0);
    }
  }

  void prefill(int64_t meta_contexts, Phase& phase) const {
    for (int l = 1; l <= spec_.depth(); ++l) {
      const int64_t units = meta_contexts * spec_.units_per_meta_context(l);
      const LevelSpec& s = spec_.level(l);
      Forward f;
      chunker(f, l, w_.batch * units);
      stack(f, s.shape, s.encoder_layers, l, false, w_.batch * units);
      global_prefill(f, s.shape, s.encoder_layers, l, units, kept_after_prefill(l, units));
      phase.push_back(std::move(f));
    }
    prefill_decoders(meta_contexts, phase);
  }

  /// What the first new chunks are conditioned on below the top, reconstructed: decoder l over as many of the
  /// last chunks of level l as hold the latents needed from it.
  void prefill_decoders(int64_t meta_contexts, Phase& phase) const {
    std::vector<int64_t> chunks(static_cast<size_t>(spec_.depth()) + 1, 0);
    for (int l = 1; l < spec_.depth(); ++l) {
      const int64_t back =
          spec_.level(l).converter_context - 1 + (spec_.conditioning(l) == Conditioning::previous ? 1 : 0);
      const int64_t needed = chunks[static_cast<size_t>(l)] + back;
      const int64_t above = spec_.level(l + 1).chunk;
      chunks[static_cast<size_t>(l) + 1] =
          std::min((needed + above - 1) / above, meta_contexts * spec_.units_per_meta_context(l + 1));
    }
    for (int l = spec_.depth(); l >= 2; --l) {
      if (chunks[static_cast<size_t>(l)] > 0) decoder(l, w_.batch * chunks[static_cast<size_t>(l)], phase);
    }
  }

  /// One forward of decoder l: rows [first, first + rows) of the windows of `chunks` chunks.
  Forward window_forward(int l, int64_t chunks, int64_t first, int64_t rows) const {
    const LevelSpec& s = spec_.level(l);
    const StackShape& shape = spec_.shape(l - 1);
    Forward f;
    if (first == 0) {
      const auto elements = static_cast<double>(s.converter_context * s.shape.width * s.prefix * shape.width);
      matrix(f, Operation::Kind::converter, l, elements, chunks);
    } else if (spec_.feedback(l) == Feedback::token) {
      embeddings(f, true, chunks);
    }
    stack(f, shape, s.decoder_layers, l, true, chunks * rows);
    double pairs = 0.0;
    for (int64_t r = first; r < first + rows; ++r) pairs += static_cast<double>(r + 1);
    const double layer_chunks = static_cast<double>(s.decoder_layers) * static_cast<double>(chunks);
    const double row_bytes = static_cast<double>(2 * shape.kv_width() * w_.kv_bytes) * layer_chunks;
    f.push_back({.kind = Operation::Kind::local_attention,
                 .level = l,
                 .decoder = true,
                 .work = {.other_bytes = row_bytes * static_cast<double>(first + rows),
                          .flops = 4.0 * static_cast<double>(shape.width) * layer_chunks * pairs},
                 .rows = {},
                 .launches = static_cast<double>(s.decoder_layers),
                 .sequences = chunks,
                 .queries = rows,
                 .keys = first});
    return f;
  }

  /// Unit j of every chunk of level l.
  Forward unit_forward(int l, int64_t chunks, int64_t j) const {
    const int64_t prefix = spec_.level(l).prefix;
    return j == 0 ? window_forward(l, chunks, 0, prefix) : window_forward(l, chunks, prefix + j - 1, 1);
  }

  void decoder(int l, int64_t chunks, Phase& phase) const {
    const int64_t c = spec_.level(l).chunk;
    const bool tokens_fed = spec_.feedback(l) == Feedback::token;
    for (int64_t j = 0; j < c; ++j) {
      Forward f = unit_forward(l, chunks, j);
      if (l == 1 && tokens_fed) head(f, chunks);
      if (l == 1 && !tokens_fed && j == c - 1) head(f, chunks * c);
      phase.push_back(std::move(f));
    }
  }

  /// Chunker l and units [n, n + count) of encoder l.
  void encode(int l, int64_t n, int64_t count, Phase& phase) const {
    const LevelSpec& s = spec_.level(l);
    Forward f;
    chunker(f, l, w_.rows() * count);
    stack(f, s.shape, s.encoder_layers, l, false, w_.rows() * count);
    const int64_t prompt_units = w_.prompt / spec_.meta_context() * spec_.units_per_meta_context(l);
    global_step(f, s.shape, s.encoder_layers, l, n, count, prompt_units);
    phase.push_back(std::move(f));
  }

  /// Reading `causal`: chunk number n of level l, its units one after another down to the token, then its
  /// encoding.
  void chunk_and_encode(int l, int64_t n, Phase& phase) const {
    const int64_t c = spec_.level(l).chunk;
    for (int64_t j = 0; j < c; ++j) {
      Forward f = unit_forward(l, w_.rows(), j);
      if (l == 1) head(f, w_.rows());
      phase.push_back(std::move(f));
      if (l > 1) chunk_and_encode(l - 1, n * c + j, phase);
    }
    encode(l, n, 1, phase);
    // Its tokens were looked up one by one, as they were made.
    if (l == 1) phase.back().front().launches = static_cast<double>(c);
  }

  const ModelSpec& spec_;
  const Workload& w_;
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
  if (spec.depth() == 0 && w.prompt == 0)
    refuse("a vanilla model cannot predict a first token: give it a prompt");
  if (w.generation == Generation::recgen && spec.depth() < 2) {
    refuse(fmt::format("recgen needs two levels or more, this model has {}", spec.depth()));
  }
  if (w.schedule == Schedule::unrolled && w.generation != Generation::recgen) {
    refuse("the unrolled schedule exists for recgen alone: hiergen's latents depend on the tokens");
  }
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
                   const std::function<void(const Phase&)>& prefill,
                   const std::function<void(const Phase&)>& decode) {
  check_workload(spec, workload);
  const RequestWriter writer(spec, workload);
  if (spec.depth() == 0) {
    writer.vanilla(prefill, decode);
  } else {
    writer.hierarchy(prefill, decode);
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
      spec, workload, [&](const Phase& phase) { cost.prefill = phase; },
      [&](const Phase& phase) { cost.decode.push_back(phase); });
  return cost;
}

}  // namespace photon
