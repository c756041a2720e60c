#include <map>

#include "reference/conditioning.h"
#include "reference/generator.h"

namespace photon::reference {
namespace {

// Tokens that one prefill pass takes at most, so that its activations fit whatever the batch.
constexpr int64_t prefill_tokens = 8192;

}  // namespace

// Prompts of equal length in whole meta-contexts run together.
template <class S>
void Generator<S>::prefill() {
  std::map<int64_t, std::vector<int64_t>> by_length;
  for (size_t p = 0; p < request_->prompts.size(); ++p) {
    const auto length = static_cast<int64_t>(request_->prompts[p].size()) / spec_.meta_context();
    if (length > 0) by_length[length].push_back(static_cast<int64_t>(p));
  }
  for (const auto& [length, prompts] : by_length) {
    const auto step =
        static_cast<size_t>(std::max<int64_t>(1, prefill_tokens / (length * spec_.meta_context())));
    for (size_t i = 0; i < prompts.size(); i += step) {
      const std::span<const int64_t> some(prompts.data() + i, std::min(step, prompts.size() - i));
      if (depth() == 0) {
        prefill_vanilla(some, length);
      } else {
        prefill_prompts(some, length);
      }
    }
  }
  for (auto& cache : caches_) cache.finish_prefill();
}

template <class S>
void Generator<S>::prefill_vanilla(std::span<const int64_t> prompts, int64_t length) {
  const auto count = static_cast<Index>(prompts.size());
  Matrix<S> input(count * length, spec_.base.width);
  for (Index i = 0; i < count; ++i) {
    const auto& ids = request_->prompts[static_cast<size_t>(prompts[static_cast<size_t>(i)])];
    for (Index t = 0; t < length; ++t) {
      input.row(i * length + t) = w_.decoder_embedding.row(ids[static_cast<size_t>(t)]);
    }
  }
  const Matrix<S>& out =
      encoders_[0].prefill(w_.level(1).decoder, spec_.norm_eps, rope(0), {}, input, prompts, caches_[0]);
  states_.resize(count, spec_.base.width);
  for (Index i = 0; i < count; ++i) states_.row(i) = out.row((i + 1) * length - 1);
  log_probs_of(states_);
  for (Index i = 0; i < count; ++i) {
    const std::span<const double> log_probs(log_probs_.data() + i * spec_.vocab,
                                            static_cast<size_t>(spec_.vocab));
    for (int64_t sample = 0; sample < request_->samples; ++sample) {
      const int64_t r = prompts[static_cast<size_t>(i)] * request_->samples + sample;
      pick_token(row(r), r, length, log_probs);
    }
  }
}

template <class S>
void Generator<S>::prefill_prompts(std::span<const int64_t> prompts, int64_t meta_contexts) {
  const auto count = static_cast<Index>(prompts.size());
  const Index length = meta_contexts * spec_.meta_context();
  std::vector<Matrix<S>> x(static_cast<size_t>(depth()) + 1);
  x[0].resize(count * length, spec_.embedding_width());
  for (Index i = 0; i < count; ++i) {
    const auto& ids = request_->prompts[static_cast<size_t>(prompts[static_cast<size_t>(i)])];
    for (Index t = 0; t < length; ++t) {
      x[0].row(i * length + t) = w_.encoder_embedding.row(ids[static_cast<size_t>(t)]);
    }
  }
  for (int l = 1; l <= depth(); ++l) {
    const auto at = static_cast<size_t>(l);
    chunk(l, x[at - 1], a_);
    x[at] = encoders_[at].prefill(w_.level(l).encoder, spec_.norm_eps, rope(l), visibility(l), a_, prompts,
                                  caches_[at]);
  }
  const Matrix<S>& top = x[static_cast<size_t>(depth())];
  const Index kept = std::min<Index>(spec_.level(depth()).converter_context, meta_contexts);
  for (Index i = 0; i < count; ++i) {
    for (int64_t sample = 0; sample < request_->samples; ++sample) {
      const int64_t r = prompts[static_cast<size_t>(i)] * request_->samples + sample;
      for (Index g = meta_contexts - kept; g < meta_contexts; ++g) {
        histories_.back().append(r, top.row(i * meta_contexts + g));
      }
    }
  }
  prefill_decoders(prompts, x);
}

// How many latents Xhat^(l) before the prompt's end must be known, by level: what the first new chunk of
// level l is conditioned on, and what that takes from the levels above.
template <class S>
std::vector<int64_t> Generator<S>::latents_needed() const {
  std::vector<int64_t> needed(static_cast<size_t>(depth()) + 1, 0);
  int64_t chunks = 0;  // of level l, to be decoded again
  for (int l = 1; l < depth(); ++l) {
    const int64_t back =
        spec_.level(l).converter_context - 1 + (spec_.conditioning(l) == Conditioning::previous ? 1 : 0);
    needed[static_cast<size_t>(l)] = chunks > 0 ? chunks + back : back;
    const int64_t above = spec_.level(l + 1).chunk;
    chunks = (needed[static_cast<size_t>(l)] + above - 1) / above;
  }
  return needed;
}

// Where a chunk below the top is conditioned on latents before it, the prompt's last ones are reconstructed:
// decoder l over the last chunks of level l, from the top down.
template <class S>
void Generator<S>::prefill_decoders(std::span<const int64_t> prompts, const std::vector<Matrix<S>>& x) {
  const auto count = static_cast<Index>(prompts.size());
  const std::vector<int64_t> needed = latents_needed();
  Matrix<S> latents = x.back();  // the last Xhat^(l) of every prompt
  for (int l = depth(); l >= 2 && needed[static_cast<size_t>(l - 1)] > 0; --l) {
    const LevelSpec& s = spec_.level(l);
    const Index units = x[static_cast<size_t>(l)].rows() / count;
    const Index chunks = std::min<Index>(units, (needed[static_cast<size_t>(l - 1)] + s.chunk - 1) / s.chunk);
    const ConditioningWindow window{s.converter_context, spec_.conditioning(l) == Conditioning::previous};
    reference::gather_conditioning(window, latents, w_.level(l).start, count, units, chunks, conditioning_);
    windows_[static_cast<size_t>(l)].begin(w_.level(l).decoder, count * chunks, s.prefix + s.chunk - 1);
    convert(l, conditioning_, part_[static_cast<size_t>(l)]);
    Matrix<S>& below = xhat_[static_cast<size_t>(l - 1)];
    below.resize(count * chunks * s.chunk, spec_.shape(l - 1).width);
    for (Index j = 0; j < s.chunk; ++j) {
      run_window(l, count * chunks, j);
      for (Index g = 0; g < count * chunks; ++g) below.row(g * s.chunk + j) = states_.row(g);
      Matrix<S>& next = part_[static_cast<size_t>(l)];
      next = states_;
      if (!observed_feedback(l)) continue;
      const Matrix<S>& observed = x[static_cast<size_t>(l - 1)];
      for (Index i = 0; i < count; ++i) {
        for (Index c = 0; c < chunks; ++c) {
          next.row(i * chunks + c) = observed.row(i * units * s.chunk + (units - chunks + c) * s.chunk + j);
        }
      }
    }
    const Index made = chunks * s.chunk;
    const Index kept = std::min<Index>(made, spec_.level(l - 1).converter_context);
    for (Index i = 0; i < count; ++i) {
      for (int64_t sample = 0; sample < request_->samples; ++sample) {
        const int64_t r = prompts[static_cast<size_t>(i)] * request_->samples + sample;
        for (Index u = made - kept; u < made; ++u) {
          histories_[static_cast<size_t>(l - 1)].append(r, below.row(i * made + u));
        }
      }
    }
    latents = below;
  }
}

template void Generator<float>::prefill();
template void Generator<double>::prefill();

}  // namespace photon::reference
