// SPDX-License-Identifier: Apache-2.0
#include "reference/machine.h"

#include "reference/chunker.h"
#include "reference/conditioning.h"
#include "reference/head.h"

namespace photon::reference {

template <class S>
Machine<S>::Machine(const ModelSpec& spec, const Weights<S>& weights) : spec_(spec), w_(weights) {
  const auto levels = static_cast<size_t>(spec.depth()) + 1;
  for (size_t l = 0; l < levels; ++l) {
    ropes_.emplace_back(spec.shape(static_cast<int>(l)).head_size(), spec.rope_theta);
  }
  windows_.resize(levels);
  encoders_.resize(levels);
  x_.resize(levels);
  xhat_.resize(levels);
  part_.resize(levels);
}

template <class S>
void Machine<S>::set_up(const GenerationRequest& request, const DecodePlan& plan,
                        std::vector<RowText> texts) {
  request_ = &request;
  plan_ = &plan;
  sampler_ = Sampler(request.sampling);
  texts_ = std::move(texts);
  local_bytes_.assign(windows_.size(), 0);
  set_up_caches();
  histories_.resize(windows_.size());
  for (int l = 1; l <= spec_.depth(); ++l) {
    histories_[l].reset(std::ssize(texts_), spec_.level(l).converter_context, w_.level(l).start);
  }
}

template <class S>
void Machine<S>::set_up_caches() {
  caches_.clear();
  caches_.resize(spec_.first_encoder());
  for (int l = spec_.first_encoder(); l <= spec_.depth(); ++l) {
    const LevelPlan& level = plan_->level(l);
    typename KvCache<S>::Layout layout;
    layout.shape = spec_.shape(l);
    layout.layers = spec_.encoder_layers(l);
    layout.visibility = spec_.visibility(l);
    layout.samples = request_->samples;
    layout.keeps_prefill = level.cached;
    for (const auto& prompt : request_->prompts) {
      const int64_t made = plan_->new_meta_contexts(std::ssize(prompt), request_->new_tokens) * level.units;
      layout.prompt_units.push_back(plan_->prefilled_meta_contexts(std::ssize(prompt)) * level.units);
      if (level.cached) layout.new_units = std::max(layout.new_units, made);
    }
    caches_.emplace_back(std::move(layout));
  }
}

template <class S>
void Machine<S>::take(Stretch of, std::vector<Sequence> taken, int64_t meta_contexts) {
  sequences_ = std::move(taken);
  ids_.clear();
  for (const Sequence& s : sequences_) ids_.push_back(s.row / samples(of));
  for (int l = 0; l <= spec_.depth(); ++l) {
    const auto at = static_cast<size_t>(l);
    const Index units = meta_contexts * plan_->level(l).units;
    if (l > 0) x_[at].resize(sequences(), units, spec_.shape(l).width);
    const bool decoded =
        l < spec_.depth() && (of != Stretch::prompt || plan_->level(l + 1).prefill_chunks > 0);
    if (decoded || spec_.depth() == 0) xhat_[at].resize(sequences(), units, spec_.shape(l).width);
  }
}

template <class S>
const Matrix<S>& Machine<S>::rows_of(UnitRows<S>& held, const Units& g, Matrix<S>& scratch) const {
  if (g.count == held.count) return held.rows;
  scratch.resize(all(g), held.rows.cols());
  for (Index i = 0; i < sequences(); ++i) {
    for (Index c = 0; c < g.count; ++c) {
      scratch.row(i * g.count + c) = held.unit(i, g.first + c * g.step);
    }
  }
  return scratch;
}

template <class S>
void Machine<S>::convert(const Units& g) {
  const auto at = static_cast<size_t>(g.level);
  const LevelSpec& s = spec_.level(g.level);
  const LevelWeights<S>& w = w_.level(g.level);
  gather_conditioning(g);
  windows_[at].begin(w.decoder, all(g), s.prefix + s.chunk - 1);
  if (g.of != Stretch::prompt) local_bytes_[at] = std::max(local_bytes_[at], windows_[at].bytes());
  affine<S>(conditioning_, w.converter, w.converter_bias, normed_);
  part_[at] = reshaped(normed_, all(g) * s.prefix, spec_.shape(g.level - 1).width);
}

// A prompt's chunks find their latents in the prompt; later ones in their row's history, which their own
// latents join one after another.
template <class S>
void Machine<S>::gather_conditioning(const Units& g) {
  const LevelSpec& s = spec_.level(g.level);
  const bool previous = spec_.conditioning(g.level) == Conditioning::previous;
  UnitRows<S>& held = latents(g.level);
  if (g.of == Stretch::prompt) {
    const ConditioningWindow window{s.converter_context, previous};
    reference::gather_conditioning(window, held.rows, w_.level(g.level).start, sequences(), g.first + g.count,
                                   g.count, conditioning_);
    return;
  }
  LatentHistory<S>& history = histories_[g.level];
  const bool joins = g.level < spec_.depth();  // X^(L) has joined when it had been encoded
  conditioning_.resize(all(g), s.converter_context * s.shape.width);
  for (Index i = 0; i < sequences(); ++i) {
    const Index row = sequences_[i].row;
    for (Index c = 0; c < g.count; ++c) {
      if (joins && !previous) history.append(row, held.unit(i, g.first + c * g.step));
      conditioning_.row(i * g.count + c) = history.row(row);
      if (joins && previous) history.append(row, held.unit(i, g.first + c * g.step));
    }
  }
}

// The last row of what is new in every window is the unit.
template <class S>
void Machine<S>::decode(const Units& g, int64_t j) {
  const auto at = static_cast<size_t>(g.level);
  const Matrix<S>& out = windows_[at].forward(spec_.norm_eps, ropes_[at - 1], part_[at]);
  const Index rows = j == 0 ? spec_.level(g.level).prefix : 1;
  const Units made = unit_of(*plan_, g, j);
  for (Index i = 0; i < sequences(); ++i) {
    for (Index c = 0; c < g.count; ++c) {
      xhat(made.level).unit(i, made.first + c * made.step) = out.row((i * g.count + c + 1) * rows - 1);
    }
  }
}

template <class S>
void Machine<S>::feed(const Units& g, int64_t j) {
  const Units fed = unit_of(*plan_, g, j);
  Matrix<S>& part = part_[g.level];
  if (plan_->level(g.level).feedback == Feedback::token) {
    embed(w_.decoder_embedding, fed, part);
    return;
  }
  const bool observed = plan_->level(g.level).feedback == Feedback::observed;
  UnitRows<S>& held = observed ? x_[fed.level] : xhat(fed.level);
  const Matrix<S>& rows = rows_of(held, fed, part);
  if (&rows != &part) part = rows;
}

template <class S>
void Machine<S>::embed(const MatrixMap<S>& table, const Units& tokens, Matrix<S>& out) const {
  out.resize(all(tokens), table.cols());
  for (Index i = 0; i < sequences(); ++i) {
    const std::vector<int32_t>& ids = text(sequences_[i].row).tokens;
    for (Index c = 0; c < tokens.count; ++c) {
      out.row(i * tokens.count + c) = table.row(ids[position(i, tokens, c)]);
    }
  }
}

template <class S>
void Machine<S>::sample(const Units& tokens) {
  Units states = tokens;
  states.first -= spec_.target_shift();
  head_log_probs(rows_of(xhat(0), states, gathered_), w_.head, logits_, log_probs_);
  std::span<const double> all_log_probs(log_probs_);
  const auto vocab = static_cast<size_t>(spec_.vocab);
  for (Index i = 0; i < sequences(); ++i) {
    const int64_t first_row = sequences_[i].row;
    for (Index c = 0; c < tokens.count; ++c, all_log_probs = all_log_probs.subspan(vocab)) {
      const std::span<const double> log_probs = all_log_probs.first(vocab);
      const int64_t at = position(i, tokens, c);
      for (int64_t row = first_row; row < first_row + samples(tokens.of); ++row) {
        RowText& t = texts_[row];
        int32_t& token = t.tokens[at];
        if (at >= t.known) token = sampler_.sample(log_probs, request_->first_sequence + row, at);
        t.log_probs[at] = log_probs[token];
      }
    }
  }
}

template <class S>
void Machine<S>::encode(const Units& g) {
  const auto at = static_cast<size_t>(g.level);
  const bool vanillas = g.level == 0;
  if (vanillas) {
    embed(w_.decoder_embedding, g, a_);
  } else {
    const Units below = units_of(*plan_, g);
    const Matrix<S>* units = &gathered_;
    if (g.level == 1) {
      embed(w_.encoder_embedding, below, gathered_);
    } else {
      const bool observed = plan_->level(g.level).reads_observed || g.of == Stretch::prompt;
      units = &rows_of(observed ? x_[at - 1] : xhat_[at - 1], below, gathered_);
    }
    chunk_units(w_.level(g.level).chunker, spec_.norm_eps, *units, plan_->level(g.level).chunk, normed_, a_);
  }
  const StackWeights<S>& w = vanillas ? w_.level(1).decoder : w_.level(g.level).encoder;
  const Visibility visibility = spec_.visibility(g.level);
  const Matrix<S>& out =
      g.of == Stretch::prompt
          ? encoders_[at].prefill(w, spec_.norm_eps, ropes_[at], visibility, a_, ids_, caches_[at])
          : encoders_[at].step(w, spec_.norm_eps, ropes_[at], visibility, a_, ids_, caches_[at]);
  UnitRows<S>& made = vanillas ? xhat_[0] : x_[at];
  if (g.count == made.count) {
    made.rows = out;
    return;
  }
  for (Index i = 0; i < sequences(); ++i) {
    for (Index c = 0; c < g.count; ++c) made.unit(i, g.first + c) = out.row(i * g.count + c);
  }
}

template <class S>
void Machine<S>::remember(const Units& g) {
  LatentHistory<S>& history = histories_[g.level];
  const Index last = std::min(g.count, spec_.level(g.level).converter_context);
  for (Index i = 0; i < sequences(); ++i) {
    for (int64_t sample = 0; sample < samples(g.of); ++sample) {
      for (Index u = g.first + g.count - last; u < g.first + g.count; ++u) {
        history.append(sequences_[i].row + sample, latents(g.level).unit(i, u));
      }
    }
  }
}

template class Machine<float>;
template class Machine<double>;

}  // namespace photon::reference
