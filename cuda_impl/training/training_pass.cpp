#include "cuda_impl/training/training_pass.h"

#include <algorithm>

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

// The same targets for all architectures: tokens 2..T of each row. With L >= 1 row i of Xhat^(0) predicts
// token i, with L = 0 it predicts token i + 1.
std::vector<int32_t> TrainingPass::targets(std::span<const int32_t> ids) const {
  std::vector<int32_t> out(ids.size(), -1);
  const auto length = static_cast<size_t>(shape_.length);
  for (size_t r = 0; r < ids.size(); ++r) {
    const size_t i = r % length;
    if (spec_.depth() > 0 && i > 0) out[r] = ids[r];
    if (spec_.depth() == 0 && i + 1 < length) out[r] = ids[r + 1];
  }
  return out;
}

void TrainingPass::launch(Stream& stream, Matmul& matmul, const TrainedParameters& parameters) const {
  const Stream::Scope pass(stream, scope_name);
  {
    const Stream::Scope scope(stream, "forward");
    tape_.forward(stream, matmul, parameters.weights());
  }
  backward_.run(stream, matmul, parameters.weights(), parameters.gradients(), shape_.weight);
}

Losses TrainingPass::run(Stream& stream, Matmul& matmul, const TrainedParameters& parameters,
                         std::span<const int32_t> ids) {
  {
    const Stream::Scope scope(stream, "data");
    stream.upload(tape_.ids(), std::vector<int32_t>(ids.begin(), ids.end()));
    stream.upload(backward_.targets(), targets(ids));
  }
  if (eager_) {
    launch(stream, matmul, parameters);
  } else {
    if (graph_.empty()) graph_.record(stream, [&] { launch(stream, matmul, parameters); });
    graph_.replay(stream);
  }
  if (shape_.gradients) {
    const Stream::Scope scope(stream, "backward");
    const auto gradients = backward_.embedding_gradients();
    if (encoder_places_.most > 0) {
      embedding_gradient(stream, encoder_places_, token_places(ids, spec_.vocab), gradients.encoder,
                         gradients.encoder_width, parameters.gradients().encoder_embedding);
    }
    if (decoder_places_.most > 0) {
      const std::vector<int32_t> fed = ModelBackward::fed(spec_, ids);
      embedding_gradient(stream, decoder_places_, token_places(fed, spec_.vocab), gradients.decoder,
                         gradients.decoder_width, parameters.gradients().decoder_embedding);
    }
  }
  const LossCounts counts(spec_, shape_.sequences, shape_.length);
  std::vector<double> sums(counts.size());
  stream.download<double>(sums, backward_.sums());
  return counts.means(sums);
}

void TrainingPass::embedding_gradient(Stream& stream, const Places& at, const TokenPlaces& places,
                                      const bf16* d, int64_t width, float* table) const {
  stream.upload(at.positions, places.positions);
  stream.upload(at.segments, places.segments);
  stream.upload(at.partials, places.partials);
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
