#include "cuda_impl/runtime/forward_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "cuda_impl/kernels/copy_rows.h"
#include "cuda_impl/kernels/embed.h"
#include "cuda_impl/kernels/latents.h"
#include "cuda_impl/kernels/local_attention.h"
#include "cuda_impl/kernels/rms_norm.h"
#include "cuda_impl/runtime/error.h"
#include "cuda_impl/runtime/rotations.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int64_t pass_tokens = 65536;  // bounds the memory of a pass, whatever the batch
constexpr int64_t head_rows = 1024;
using Use = Arena::Use;

template <class T>
std::vector<T> read(const T* from, int64_t count) {
  std::vector<T> out(static_cast<size_t>(count));
  check(cudaMemcpy(out.data(), from, out.size() * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return out;
}

void check_batch(const ModelSpec& spec, const TokenBatch& batch) {
  if (batch.length < 1 || batch.length % spec.meta_context() != 0) {
    throw Error(fmt::format("model '{}': {} tokens a row do not divide by the meta-context of {} tokens",
                            spec.name, batch.length, spec.meta_context()));
  }
  for (const int32_t id : batch.ids) {
    if (id < 0 || id >= spec.vocab) {
      throw Error(
          fmt::format("model '{}': token id {} is outside the vocabulary of {}", spec.name, id, spec.vocab));
    }
  }
}

TokenBatch padded(const TokenBatch& batch, int64_t multiple) {
  TokenBatch out{batch.rows, (batch.length + multiple - 1) / multiple * multiple, {}};
  out.ids.assign(static_cast<size_t>(out.rows * out.length), 0);
  for (int64_t b = 0; b < batch.rows; ++b) {
    const auto row = batch.row(b);
    std::copy(row.begin(), row.end(), out.ids.begin() + b * out.length);
  }
  return out;
}

}  // namespace

ForwardPass::ForwardPass(const ModelSpec& spec, const Weights& weights, Stream& stream, Linears& linear)
    : spec_(spec), w_(weights), stream_(stream), linear_(linear) {}

ForwardPass::Buffers ForwardPass::lay_out(Arena& arena, int64_t sequences, int64_t length) const {
  Buffers b;
  const int depth = spec_.depth();
  const int64_t tokens = sequences * length;
  const auto take = [&](int64_t elements) { return arena.take<bf16>(Use::workspace, elements); };
  std::vector<StackShape> shapes;
  for (int l = 0; l <= depth; ++l) shapes.push_back(spec_.shape(l));
  int64_t stack_rows = depth == 0 ? tokens : 0;
  int64_t residual = stack_rows * spec_.base.width;
  int64_t conditioning = 0;
  int64_t local = 0;
  int64_t widest_norm = 0;
  int64_t positions = length;
  b.x.push_back(nullptr);
  b.xhat.push_back(take(tokens * spec_.base.width));
  for (int l = 1; l <= depth; ++l) {
    const LevelSpec& s = spec_.level(l);
    const StackShape& below = spec_.shape(l - 1);
    const int64_t chunks = sequences * units(l, length);
    const int64_t window = s.prefix + s.chunk - 1;
    b.x.push_back(take(chunks * s.shape.width));
    b.xhat.push_back(l == depth ? b.x.back() : take(chunks * s.shape.width));
    stack_rows = std::max({stack_rows, chunks * window, chunks});
    residual = std::max({residual, chunks * window * below.width, chunks * s.shape.width,
                         chunks * s.chunk * (l == 1 ? spec_.embedding_width() : 0)});
    conditioning = std::max(conditioning, chunks * s.converter_context * s.shape.width);
    if (!known_beforehand(l)) local = std::max(local, s.decoder_layers * chunks * window * below.kv_width());
    if (l >= 2) widest_norm = std::max(widest_norm, s.chunk * below.width);
    positions = std::max(positions, window);
  }
  b.scratch = StackScratch::plan(arena, stack_rows, shapes, widest_norm);
  b.residual = take(residual);
  b.next = take(residual);
  b.token_embeddings = take(tokens * spec_.base.width);
  b.conditioning = take(conditioning);
  b.local_k = arena.take<bf16>(Use::local_cache, local);
  b.local_v = arena.take<bf16>(Use::local_cache, local);
  b.ids = arena.take<int32_t>(Use::workspace, tokens);
  for (const StackShape& shape : shapes) {
    float*& table = b.rotations[shape.head_size()];
    if (table == nullptr) table = arena.take<float>(Use::workspace, positions * shape.head_size());
  }
  b.logits = arena.take<float>(Use::workspace, std::min(head_rows, tokens) * spec_.vocab);
  return b;
}

int64_t ForwardPass::sequences_a_pass(const TokenBatch& batch) const {
  return std::clamp<int64_t>(pass_tokens / batch.length, 1, std::max<int64_t>(1, batch.rows));
}

void ForwardPass::run(const TokenBatch& batch, int64_t first, int64_t sequences) {
  const Stream::Scope scope(stream_, "forward");
  Arena measured;
  lay_out(measured, sequences, batch.length);
  if (measured.bytes() > memory_.bytes()) {
    memory_ = DeviceBuffer();
    memory_ = DeviceBuffer(measured.bytes());
  }
  Arena arena(memory_.data());
  b_ = lay_out(arena, sequences, batch.length);
  for (const auto& [head_size, table] : b_.rotations) {
    int64_t positions = batch.length;
    for (int l = 1; l <= spec_.depth(); ++l) {
      positions = std::max(positions, spec_.level(l).prefix + spec_.level(l).chunk - 1);
    }
    stream_.upload(table, rotation_table(positions, head_size, spec_.rope_theta));
  }
  const auto ids = batch.ids.begin() + first * batch.length;
  stream_.upload(b_.ids, std::vector<int32_t>(ids, ids + sequences * batch.length));
  const int64_t width = spec_.base.width;
  const auto embed_all = [&](const bf16* table, int64_t columns, bf16* to) {
    embed(stream_, {.table = table,
                    .width = static_cast<int32_t>(columns),
                    .slots = {.tokens = b_.ids, .capacity = batch.length},
                    .rows = sequences,
                    .count = static_cast<int32_t>(batch.length),
                    .out = to,
                    .out_stride = columns});
  };
  if (spec_.depth() == 0) {
    embed_all(w_.decoder_embedding(), width, b_.residual);
    const StackWeights& w = w_.level(1).decoder;
    run_sequences(stream_, linear_, w, b_.scratch, b_.residual,
                  {.count = sequences,
                   .units = batch.length,
                   .visible = {},
                   .rotations = b_.rotations.at(w.shape.head_size()),
                   .keep = {}});
    norm(w, b_.residual, width, sequences * batch.length, b_.xhat[0], width);
    return;
  }
  embed_all(w_.decoder_embedding(), width, b_.token_embeddings);
  embed_all(w_.encoder_embedding(), spec_.embedding_width(), b_.residual);
  encode(sequences, batch.length);
  for (int l = spec_.depth(); l >= 1; --l) decode_level(l, sequences, batch.length);
}

// A^(l) = Chunk_l(X^(l-1)), X^(l) = F_l(A^(l)); the embeddings lie in the residual.
void ForwardPass::encode(int64_t sequences, int64_t length) {
  for (int l = 1; l <= spec_.depth(); ++l) {
    const Stream::Scope scope(stream_, "encoder", l);
    const StackWeights& w = w_.level(l).encoder;
    const int64_t m = units(l, length);
    const int64_t width = w.shape.width;
    if (l > 1) {
      const int64_t in = spec_.level(l).chunk * spec_.shape(l - 1).width;
      linear_(stream_, "chunker",
              {.x = b_.x[static_cast<size_t>(l - 1)],
               .x_stride = in,
               .gain = w_.level(l).chunker_norm,
               .weight = w_.level(l).chunker_proj,
               .bias = w_.level(l).chunker_bias,
               .out = b_.residual,
               .out_stride = width,
               .rows = sequences * m,
               .in = in,
               .out_width = width},
              b_.scratch.linear);
    }
    run_sequences(stream_, linear_, w, b_.scratch, b_.residual,
                  {.count = sequences,
                   .units = m,
                   .visible = visible_units(spec_, l),
                   .rotations = b_.rotations.at(w.shape.head_size()),
                   .keep = {}});
    norm(w, b_.residual, width, sequences * m, b_.x[static_cast<size_t>(l)], width);
  }
}

// U^(l) = Conv_l(conditioning), Xhat^(l-1) of a chunk = G_l([U ; fed back]).
void ForwardPass::decode_level(int l, int64_t sequences, int64_t length) {
  const Stream::Scope scope(stream_, "decoder", l);
  const LevelSpec& s = spec_.level(l);
  const int64_t m = units(l, length);
  const int64_t chunks = sequences * m;
  const int64_t width = spec_.shape(l - 1).width;
  gather_conditioning(stream_,
                      {.start = w_.level(l).start,
                       .latest = b_.xhat[static_cast<size_t>(l)],
                       .latest_stride = m * s.shape.width,
                       .rows = sequences,
                       .count = static_cast<int32_t>(m),
                       .context = static_cast<int32_t>(s.converter_context),
                       .width = static_cast<int32_t>(s.shape.width)},
                      spec_.conditioning(l) == Conditioning::previous, 0, static_cast<int32_t>(m),
                      b_.conditioning);
  const int64_t in = s.converter_context * s.shape.width;
  const int64_t rows = known_beforehand(l) ? s.prefix + s.chunk - 1 : s.prefix;
  linear_(stream_, "converter",
          {.x = b_.conditioning,
           .x_stride = in,
           .weight = w_.level(l).converter,
           .bias = w_.level(l).converter_bias,
           .out = b_.residual,
           .out_stride = rows * width,
           .rows = chunks,
           .in = in,
           .out_width = s.prefix * width},
          b_.scratch.linear);
  if (known_beforehand(l)) {
    decode_in_one_part(l, chunks);
  } else {
    decode_unit_by_unit(l, chunks);
  }
}

// The window [U_1 .. U_R, f_1 .. f_{C-1}]; position R + j - 1 (from 0) makes unit j + 1.
void ForwardPass::decode_in_one_part(int l, int64_t chunks) {
  const LevelSpec& s = spec_.level(l);
  const StackWeights& w = w_.level(l).decoder;
  const int64_t width = w.shape.width;
  const int64_t window = s.prefix + s.chunk - 1;
  const bf16* fed =
      spec_.feedback(l) == Feedback::token ? b_.token_embeddings : b_.x[static_cast<size_t>(l - 1)];
  if (s.chunk > 1) {
    copy_rows(stream_, {.from = fed,
                        .from_stride = s.chunk * width,
                        .to = b_.residual + s.prefix * width,
                        .to_stride = window * width,
                        .groups = chunks,
                        .rows = static_cast<int32_t>(s.chunk - 1),
                        .width = static_cast<int32_t>(width)});
  }
  const auto attend = [&](size_t) {
    local_attention(stream_, {.shape = attention_shape(w.shape),
                              .qkv = b_.scratch.qkv,
                              .rotations = b_.rotations.at(w.shape.head_size()),
                              .out = b_.scratch.attended,
                              .chunks = chunks,
                              .window = static_cast<int32_t>(window),
                              .rows = static_cast<int32_t>(window)});
  };
  run_layers(stream_, linear_, w, b_.scratch, b_.residual, chunks * window, attend);
  norm(w, b_.residual, width, chunks * window, b_.next, width);
  copy_rows(stream_, {.from = b_.next + (s.prefix - 1) * width,
                      .from_stride = window * width,
                      .to = b_.xhat[static_cast<size_t>(l - 1)],
                      .to_stride = s.chunk * width,
                      .groups = chunks,
                      .rows = static_cast<int32_t>(s.chunk),
                      .width = static_cast<int32_t>(width)});
}

// Where units are fed back as they are made, the window grows by one row at a time, in all chunks at once.
void ForwardPass::decode_unit_by_unit(int l, int64_t chunks) {
  const LevelSpec& s = spec_.level(l);
  const StackWeights& w = w_.level(l).decoder;
  const int64_t width = w.shape.width;
  const int64_t window = s.prefix + s.chunk - 1;
  const int64_t layer_elements = chunks * window * w.shape.kv_width();
  bf16* x = b_.residual;
  bf16* next = b_.next;
  for (int64_t j = 0; j < s.chunk; ++j) {
    const int64_t rows = j == 0 ? s.prefix : 1;
    const auto attend = [&](size_t layer) {
      const int64_t at = static_cast<int64_t>(layer) * layer_elements;
      local_attention(stream_, {.shape = attention_shape(w.shape),
                                .qkv = b_.scratch.qkv,
                                .rotations = b_.rotations.at(w.shape.head_size()),
                                .k = b_.local_k + at,
                                .v = b_.local_v + at,
                                .out = b_.scratch.attended,
                                .chunks = chunks,
                                .window = static_cast<int32_t>(window),
                                .length = static_cast<int32_t>(j == 0 ? 0 : s.prefix + j - 1),
                                .rows = static_cast<int32_t>(rows)});
    };
    run_layers(stream_, linear_, w, b_.scratch, x, chunks * rows, attend);
    norm(w, x + (rows - 1) * width, rows * width, chunks, b_.xhat[static_cast<size_t>(l - 1)] + j * width,
         s.chunk * width, next);
    std::swap(x, next);
  }
}

void ForwardPass::norm(const StackWeights& w, const bf16* x, int64_t x_stride, int64_t rows, bf16* to,
                       int64_t to_stride, bf16* also) {
  rms_norm(stream_, {.x = x,
                     .x_stride = x_stride,
                     .gain = w.norm,
                     .out = to,
                     .out_stride = to_stride,
                     .copy = also,
                     .copy_stride = also == nullptr ? 0 : w.shape.width,
                     .rows = rows,
                     .width = static_cast<int32_t>(w.shape.width),
                     .eps = static_cast<float>(spec_.norm_eps)});
}

void ForwardPass::head(const bf16* states, int64_t rows) {
  linear_(stream_, "head",
          {.x = states,
           .x_stride = spec_.base.width,
           .weight = w_.head(),
           .out_float = b_.logits,
           .out_stride = spec_.vocab,
           .rows = rows,
           .in = spec_.base.width,
           .out_width = spec_.vocab},
          b_.scratch.linear);
  stream_.synchronize();
}

std::vector<photon::Stream> ForwardPass::streams(const TokenBatch& batch) {
  check_batch(spec_, batch);
  std::vector<photon::Stream> out;
  out.push_back({"logits", {batch.rows, batch.length, spec_.vocab}, {}});
  for (int l = 1; l <= spec_.depth(); ++l) {
    out.push_back({fmt::format("x.{}", l), {batch.rows, units(l, batch.length), spec_.shape(l).width}, {}});
  }
  for (int l = 0; l <= spec_.depth(); ++l) {
    out.push_back(
        {fmt::format("xhat.{}", l), {batch.rows, units(l, batch.length), spec_.shape(l).width}, {}});
  }
  const int64_t step = sequences_a_pass(batch);
  for (int64_t first = 0; first < batch.rows; first += step) {
    const int64_t sequences = std::min(step, batch.rows - first);
    run(batch, first, sequences);
    const int64_t states = sequences * batch.length;
    for (int64_t r = 0; r < states; r += head_rows) {
      const int64_t rows = std::min(head_rows, states - r);
      head(b_.xhat[0] + r * spec_.base.width, rows);
      const std::vector<float> logits = read(b_.logits, rows * spec_.vocab);
      out[0].values.insert(out[0].values.end(), logits.begin(), logits.end());
    }
    const auto append = [&](photon::Stream& to, const bf16* from) {
      for (const bf16 v : read(from, sequences * to.shape[1] * to.shape[2])) {
        to.values.push_back(static_cast<double>(to_float(v)));
      }
    };
    size_t at = 1;
    for (int l = 1; l <= spec_.depth(); ++l) append(out[at++], b_.x[static_cast<size_t>(l)]);
    for (int l = 0; l <= spec_.depth(); ++l) append(out[at++], b_.xhat[static_cast<size_t>(l)]);
  }
  return out;
}

std::vector<double> ForwardPass::token_log_probs(const TokenBatch& batch) {
  const TokenBatch whole = padded(batch, spec_.meta_context());
  check_batch(spec_, whole);
  const int64_t shift = spec_.depth() == 0 ? 1 : 0;  // state i predicts token i + shift
  std::vector<double> out(batch.ids.size(), 0.0);
  const int64_t step = sequences_a_pass(whole);
  for (int64_t first = 0; first < whole.rows; first += step) {
    const int64_t sequences = std::min(step, whole.rows - first);
    run(whole, first, sequences);
    const int64_t states = sequences * whole.length;
    for (int64_t r0 = 0; r0 < states; r0 += head_rows) {
      const int64_t rows = std::min(head_rows, states - r0);
      head(b_.xhat[0] + r0 * spec_.base.width, rows);
      const std::vector<float> logits = read(b_.logits, rows * spec_.vocab);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t sequence = first + (r0 + r) / whole.length;
        const int64_t position = (r0 + r) % whole.length + shift;
        if (position >= batch.length) continue;
        const float* row = logits.data() + r * spec_.vocab;
        const auto high = static_cast<double>(*std::max_element(row, row + spec_.vocab));
        double sum = 0.0;
        for (int64_t v = 0; v < spec_.vocab; ++v) sum += std::exp(static_cast<double>(row[v]) - high);
        const auto at = static_cast<size_t>(sequence * batch.length + position);
        out[at] = static_cast<double>(row[batch.ids[at]]) - high - std::log(sum);
      }
    }
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
