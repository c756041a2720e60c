// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/generation_buffers.h"

#include <algorithm>

#include "cuda_impl/kernels/decode_attention.h"

namespace photon::PHOTON_GPU {
namespace {

using Use = Arena::Use;

void lay_out_cache(Arena& arena, const StackShape& shape, int64_t layers, const GenerationPlan& plan,
                   const CachePlan& cache, LevelBuffers& level) {
  if (!cache.kept) return;
  const auto views = [&](std::vector<CacheView>& out, int64_t sequences, int64_t units, bool ring) {
    const int64_t elements = sequences * shape.kv_width() * units;
    for (int64_t i = 0; i < layers; ++i) {
      bf16* k = arena.take<bf16>(Use::cache, elements);
      bf16* v = arena.take<bf16>(Use::cache, elements);
      out.push_back({k, v, static_cast<int32_t>(units), ring});
    }
  };
  views(level.own, plan.rows, cache.own_units, cache.ring);
  if (plan.samples > 1) {
    level.shared_first = arena.take<int32_t>(Use::workspace, plan.prompts);
    level.shared_count = arena.take<int32_t>(Use::workspace, plan.prompts);
    level.own_first = arena.take<int32_t>(Use::workspace, plan.rows);
  }
  if (cache.shared_units > 0) views(level.shared, plan.prompts, cache.shared_units, false);
}

}  // namespace

GenerationBuffers GenerationBuffers::lay_out(Arena& arena, const DecodePlan& decode,
                                             const GenerationPlan& plan) {
  GenerationBuffers b;
  const ModelSpec& spec = decode.spec;
  const int depth = spec.depth();
  b.levels.resize(static_cast<size_t>(depth) + 1);
  std::vector<StackShape> shapes;
  for (int l = 0; l <= depth; ++l) shapes.push_back(spec.shape(l));
  int64_t stack_rows = std::max(plan.rows, plan.pass_tokens * (depth == 0 ? 1 : 0));
  int64_t residual = stack_rows * spec.base.width;  // elements of x
  int64_t widest_norm = 0;
  int64_t attention = 0;
  if (depth == 0) {
    lay_out_cache(arena, spec.base, spec.layers, plan, plan.caches[0], b.levels[0]);
    attention = decode_attention_workspace(attention_shape(spec.base), plan.rows, 1, plan.caches[0].splits,
                                           plan.caches[0].shared_splits);
  }
  for (int l = 1; l <= depth; ++l) {
    const LevelSpec& s = spec.level(l);
    const StackShape& below = spec.shape(l - 1);
    const CachePlan& cache = plan.caches[l];
    LevelBuffers& level = b.levels[l];
    lay_out_cache(arena, s.shape, s.encoder_layers, plan, cache, level);

    int64_t chunks = plan.rows * decode.level(l).together;
    if (l < decode.lowest_decoder) chunks = plan.slice_rows * plan.answer * decode.level(l).together;
    chunks = std::max(chunks, plan.pass_prompts * decode.level(l).prefill_chunks);
    const int64_t window = s.prefix + s.chunk - 1;
    for (int64_t i = 0; i < s.decoder_layers; ++i) {
      bf16* k = arena.take<bf16>(Use::local_cache, chunks * window * below.kv_width());
      bf16* v = arena.take<bf16>(Use::local_cache, chunks * window * below.kv_width());
      level.local.push_back({k, v});
    }
    level.history = arena.take<bf16>(Use::workspace, plan.rows * s.converter_context * s.shape.width);
    level.conditioning = arena.take<bf16>(Use::workspace, chunks * s.converter_context * s.shape.width);
    level.xhat = arena.take<bf16>(Use::workspace, chunks * s.chunk * below.width);

    const int64_t step = plan.rows * cache.step_units;
    const int64_t unit_width = l == 1 ? spec.embedding_width() : below.width;
    level.units = arena.take<bf16>(Use::workspace, step * s.chunk * unit_width);
    const int64_t pass_units = plan.pass_tokens / spec.cumulative_chunk(l);
    level.prefilled = arena.take<bf16>(Use::workspace, pass_units * s.shape.width);

    const int64_t decoder_rows = chunks * s.prefix;
    const int64_t encoder_rows = std::max(step, pass_units);
    stack_rows = std::max({stack_rows, decoder_rows, encoder_rows});
    residual = std::max({residual, decoder_rows * below.width, encoder_rows * s.shape.width});
    if (l >= 2) widest_norm = std::max(widest_norm, s.chunk * below.width);
    if (cache.kept) {
      attention = std::max(attention,
                           decode_attention_workspace(attention_shape(s.shape), plan.rows, cache.step_units,
                                                      cache.splits, cache.shared_splits));
    }
  }
  b.scratch = StackScratch::plan(arena, stack_rows, shapes, widest_norm);
  for (bf16*& x : b.x) x = arena.take<bf16>(Use::workspace, residual);
  if (decode.lowest_decoder > 1) {
    b.answer_latents = arena.take<bf16>(
        Use::workspace, plan.rows * plan.answer * spec.level(depth).chunk * spec.shape(depth - 1).width);
  }
  b.logits = arena.take<float>(Use::workspace, plan.head_rows * spec.vocab);
  b.parts =
      arena.take<GreedyPart>(Use::workspace, plan.head_rows * greedy_parts(static_cast<int32_t>(spec.vocab)));
  b.attention = arena.take<float>(Use::workspace, attention);
  for (const StackShape& shape : shapes) {
    float*& table = b.rotations[shape.head_size()];
    if (table == nullptr) table = arena.take<float>(Use::workspace, plan.positions * shape.head_size());
  }
  b.tokens = {arena.take<int32_t>(Use::workspace, plan.rows * plan.capacity),
              arena.take<float>(Use::workspace, plan.rows * plan.capacity),
              plan.capacity,
              arena.take<int32_t>(Use::workspace, plan.rows),
              arena.take<int32_t>(Use::workspace, plan.rows),
              arena.take<int32_t>(Use::workspace, plan.rows)};
  b.begin = arena.take<int32_t>(Use::workspace, plan.rows);
  b.order = arena.take<int32_t>(Use::workspace, plan.prompts + plan.rows);
  b.prompt_ids = arena.take<int32_t>(Use::workspace, plan.pass_tokens);
  b.burst = arena.take<int32_t>(Use::workspace, plan.rows * spec.meta_context());
  b.burst_log_probs = arena.take<float>(Use::workspace, plan.rows * spec.meta_context());
  return b;
}

}  // namespace photon::PHOTON_GPU
