#include <algorithm>

#include "cuda_impl/generation/generator.h"
#include "cuda_impl/kernels/copy_rows.h"

namespace photon::PHOTON_GPU {

// Prompts of equal length in whole meta-contexts run together, as many as a pass takes.
void Generator::prefill() {
  const Stream::Scope scope(stream_, "prefill");
  const int64_t meta = spec_.meta_context();
  int64_t first = 0;  // in the order of lengths
  while (first < session_->plan.prompts) {
    const int64_t length = prompt_lengths_[static_cast<size_t>(first)] / meta;
    int64_t count = 1;
    while (first + count < session_->plan.prompts &&
           prompt_lengths_[static_cast<size_t>(first + count)] / meta == length) {
      ++count;
    }
    if (length > 0) {
      const int64_t together = std::max<int64_t>(1, limits_.prefill_tokens / (length * meta));
      for (int64_t done = 0; done < count; done += together) {
        const int64_t some = std::min(together, count - done);
        upload_prompts(first + done, some, length * meta);
        current_ = 0;
        if (depth() == 0) {
          prefill_vanilla(first + done, some, length);
        } else {
          prefill_prompts(first + done, some, length);
        }
      }
    }
    first += count;
  }
}

void Generator::prefill_vanilla(int64_t first, int64_t count, int64_t length) {
  const StackWeights& w = w_.level(1).decoder;
  const int64_t width = spec_.base.width;
  embed_tokens(w_.decoder_embedding, width, {.tokens = b_.prompt_ids, .capacity = length}, count, length,
               {residual(), width});
  prefill_stack(0, w, first, count, length);
  pick({residual() + (length - 1) * width, length * width, w.norm}, count,
       {.samples = static_cast<int32_t>(session_->plan.samples),
        .row_of = b_.order + session_->plan.prompts + first * session_->plan.samples,
        .rows = b_.tokens});
}

void Generator::prefill_prompts(int64_t first, int64_t count, int64_t meta_contexts) {
  const int64_t length = meta_contexts * spec_.meta_context();
  const int64_t embedding = spec_.embedding_width();
  embed_tokens(w_.encoder_embedding, embedding, {.tokens = b_.prompt_ids, .capacity = length}, count, length,
               {residual(), embedding});
  for (int l = 1; l <= depth(); ++l) {
    const int64_t units = meta_contexts * spec_.units_per_meta_context(l);
    const StackWeights& w = w_.level(l).encoder;
    if (l > 1) chunk(l, buffers(l - 1).prefilled, count * units, residual());
    prefill_stack(l, w, first, count, units);
    norm(w, residual(), w.shape.width, count * units, {buffers(l).prefilled, w.shape.width});
  }
  const LevelSpec& top = spec_.level(depth());
  push_latents(stream_, {.history = buffers(depth()).history,
                         .latest = buffers(depth()).prefilled,
                         .latest_stride = meta_contexts * top.shape.width,
                         .rows = count,
                         .count = static_cast<int32_t>(meta_contexts),
                         .context = static_cast<int32_t>(top.converter_context),
                         .width = static_cast<int32_t>(top.shape.width),
                         .row_of = b_.order + first,
                         .samples = static_cast<int32_t>(session_->plan.samples)});
  prefill_decoders(first, count, meta_contexts);
}

// Units [0, units) of `count` prompts through one stack, in place on the residual; what the cache keeps of
// them is left there.
void Generator::prefill_stack(int l, const StackWeights& w, int64_t first, int64_t count, int64_t units) {
  const Stream::Scope scope(stream_, "encoder", l);
  const LevelBuffers& level = buffers(l);
  const bool shared = session_->plan.samples > 1;
  const int64_t keep_from = first_kept(spec_, l, cache_plan(l).kept, units);
  const std::vector<CacheView>& caches = shared ? level.shared : level.own;
  const bool kept = keep_from < units && !caches.empty();
  const double stored = kept ? static_cast<double>(count * (units - keep_from)) : 0.0;
  Sequences sequences{.count = count,
                      .units = units,
                      .visible = visible_units(spec_, l),
                      .rotations = rotations(w.shape),
                      .stored = stored,
                      .keep = {}};
  if (kept) {
    sequences.keep = [&](size_t layer, RotateAppend& append) {
      append.cache = caches[layer];
      append.sequence = b_.order + first;
      append.first_unit = shared ? level.shared_first : nullptr;
      append.keep_from = static_cast<int32_t>(keep_from);
    };
  }
  run_sequences(stream_, linear_, w, b_.scratch, residual(), sequences);
  moved_[static_cast<size_t>(l)].written +=
      static_cast<int64_t>(w.layers.size()) * static_cast<int64_t>(stored);
}

// Where a chunk below the top is conditioned on latents before it, the prompt's last ones are reconstructed:
// decoder l over the last chunks of level l, from the top down.
void Generator::prefill_decoders(int64_t first, int64_t count, int64_t meta_contexts) {
  const bf16* latents = buffers(depth()).prefilled;  // Xhat^(l) of every prompt, from unit `first_latent` on
  int64_t available = meta_contexts;
  int64_t first_latent = 0;
  for (int l = depth(); l >= 2; --l) {
    const LevelSpec& s = spec_.level(l);
    LevelBuffers& b = buffers(l);
    const int64_t units = meta_contexts * spec_.units_per_meta_context(l);
    const int64_t chunks = std::min(units, session_->plan.prefill_chunks[static_cast<size_t>(l)]);
    if (chunks == 0) return;
    const int64_t width = spec_.shape(l - 1).width;
    gather_conditioning(stream_,
                        {.start = w_.level(l).start,
                         .latest = latents,
                         .latest_stride = available * s.shape.width,
                         .rows = count,
                         .count = static_cast<int32_t>(available),
                         .context = static_cast<int32_t>(s.converter_context),
                         .width = static_cast<int32_t>(s.shape.width)},
                        spec_.conditioning(l) == Conditioning::previous,
                        static_cast<int32_t>(units - chunks - first_latent), static_cast<int32_t>(chunks),
                        b.conditioning);
    convert(l, {b.conditioning, s.converter_context * s.shape.width}, count * chunks);
    for (int64_t j = 0; j < s.chunk; ++j) {
      const auto part = static_cast<int32_t>(j == 0 ? s.prefix : 1);
      run_window(l, count * chunks, static_cast<int32_t>(j == 0 ? 0 : s.prefix + j - 1), part);
      const Strided slot{b.made + j * width, s.chunk * width};
      if (j + 1 == s.chunk) {
        window_output(l, count * chunks, part, slot);
        continue;
      }
      window_output(l, count * chunks, part, slot, Strided{next_residual(), width});
      current_ = 1 - current_;
      if (!session_->mode.observed_feedback(spec_, l)) continue;
      for (int64_t c = 0; c < chunks; ++c) {
        copy_rows(stream_, {.from = buffers(l - 1).prefilled + ((units - chunks + c) * s.chunk + j) * width,
                            .from_stride = units * s.chunk * width,
                            .to = residual() + c * width,
                            .to_stride = chunks * width,
                            .groups = count,
                            .width = static_cast<int32_t>(width)});
      }
    }
    push_latents(stream_, {.history = buffers(l - 1).history,
                           .latest = b.made,
                           .latest_stride = chunks * s.chunk * width,
                           .rows = count,
                           .count = static_cast<int32_t>(chunks * s.chunk),
                           .context = static_cast<int32_t>(spec_.level(l - 1).converter_context),
                           .width = static_cast<int32_t>(width),
                           .row_of = b_.order + first,
                           .samples = static_cast<int32_t>(session_->plan.samples)});
    latents = b.made;
    available = chunks * s.chunk;
    first_latent = (units - chunks) * s.chunk;
  }
}

}  // namespace photon::PHOTON_GPU
