// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/training/training_pass.h"

#include <algorithm>
#include <cstring>

namespace photon::PHOTON_GPU {
namespace {

constexpr auto use = Arena::Use::workspace;

/// L_context reads what a pass without gradients could forget: the inputs of the encoders.
StackTape::Keep kept(const PassShape& shape) {
  return shape.gradients ? StackTape::keep(shape.recompute) : StackTape::Keep::input;
}

}  // namespace

TrainingPass::TrainingPass(Arena& arena, const ModelSpec& spec, const PassShape& shape)
    : spec_(spec),
      shape_(shape),
      tape_(arena, spec, shape.sequences, shape.length, kept(shape)),
      backward_(arena, tape_, shape.loss, shape.gradients) {
  if (!shape.gradients) return;
  const auto gradients = backward_.embedding_gradients();
  const int64_t tokens = tape_.units(0);
  int64_t partial = 0;
  if (gradients.encoder_width > 0) {
    encoder_places_ = lay_out_places(arena, tokens);
    partial = embed_backward_workspace(tokens, static_cast<int32_t>(gradients.encoder_width));
  }
  if (gradients.decoder != nullptr) {
    decoder_places_ = lay_out_places(arena, tokens);
    partial =
        std::max(partial, embed_backward_workspace(tokens, static_cast<int32_t>(gradients.decoder_width)));
  }
  embedding_partial_ = arena.take<float>(use, partial);
}

TrainingPass::Places TrainingPass::lay_out_places(Arena& arena, int64_t tokens) const {
  return {.most = tokens,
          .positions = arena.take<int32_t>(use, tokens),
          .segments = arena.take<TokenSegment>(use, tokens),
          .partials = arena.take<TokenPartials>(use, tokens / TokenPlaces::longest_segment + 1)};
}

void TrainingPass::take_over(Stream& stream) const {
  tape_.upload_rotations(stream);
}

void TrainingPass::launch(Stream& stream, Matmul& matmul, const TrainedParameters& parameters) const {
  const Stream::Scope pass(stream, scope_name);
  {
    const Stream::Scope scope(stream, "forward");
    tape_.forward(stream, matmul, parameters.weights());
  }
  backward_.run(stream, matmul, parameters.weights(), parameters.gradients(), shape_.weight);
}

// Nothing is under way when a batch comes: the last pass has given its losses.
void TrainingPass::upload(Stream& stream, const PreparedBatch& batch) {
  const Stream::Scope scope(stream, "data");
  struct Copy {
    void* to;
    const void* from;
    size_t bytes;
  };
  std::vector<Copy> copies;
  int64_t bytes = 0;
  const auto add = [&]<class T>(T* to, const std::vector<T>& values) {
    copies.push_back({to, values.data(), values.size() * sizeof(T)});
    bytes += static_cast<int64_t>(copies.back().bytes);
  };
  const auto add_places = [&](const Places& at, const TokenPlaces& places) {
    if (at.most == 0) return;
    add(at.positions, places.positions);
    add(at.segments, places.segments);
    add(at.partials, places.partials);
  };
  add(tape_.ids(), batch.ids);
  add(backward_.targets(), batch.targets);
  add_places(encoder_places_, batch.encoded);
  add_places(decoder_places_, batch.fed);
  if (stream.dry()) return;
  if (bytes > staging_bytes_) {
    staging_ = PinnedBuffer(bytes);
    staging_bytes_ = bytes;
  }
  auto* next = static_cast<char*>(staging_.data());
  for (const Copy& c : copies) {
    if (c.bytes == 0) continue;
    std::memcpy(next, c.from, c.bytes);
    stream.upload_pinned(c.to, next, c.bytes);
    next += c.bytes;
  }
}

Losses TrainingPass::run(Stream& stream, Matmul& matmul, const TrainedParameters& parameters,
                         const PreparedBatch& batch) {
  upload(stream, batch);
  if (eager_) {
    launch(stream, matmul, parameters);
  } else {
    graph_.run(stream, [&] { launch(stream, matmul, parameters); });
  }
  if (shape_.gradients) {
    const Stream::Scope scope(stream, "backward");
    const auto gradients = backward_.embedding_gradients();
    if (encoder_places_.most > 0) {
      embedding_gradient(stream, encoder_places_, batch.encoded, gradients.encoder, gradients.encoder_width,
                         parameters.gradients().encoder_embedding);
    }
    if (decoder_places_.most > 0) {
      embedding_gradient(stream, decoder_places_, batch.fed, gradients.decoder, gradients.decoder_width,
                         parameters.gradients().decoder_embedding);
    }
  }
  const LossCounts counts(spec_, shape_.sequences, shape_.length);
  std::vector<double> sums(counts.size());
  stream.download<double>(sums, backward_.sums());
  return counts.means(sums);
}

void TrainingPass::embedding_gradient(Stream& stream, const Places& at, const TokenPlaces& places,
                                      const bf16* d, int64_t width, float* table) const {
  int32_t partial_rows = 0;
  for (const TokenPartials& p : places.partials) partial_rows += p.count;
  embed_backward(stream, {.d = d,
                          .d_stride = width,
                          .positions = at.positions,
                          .segments = at.segments,
                          .partials = at.partials,
                          .segment_count = static_cast<int32_t>(places.segments.size()),
                          .partial_count = static_cast<int32_t>(places.partials.size()),
                          .partial_rows = partial_rows,
                          .places = std::ssize(places.positions),
                          .d_table = table,
                          .workspace = embedding_partial_,
                          .width = static_cast<int32_t>(width)});
}

}  // namespace photon::PHOTON_GPU
