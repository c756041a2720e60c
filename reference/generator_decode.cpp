#include "reference/generator.h"

namespace photon::reference {

template <class S>
void Generator<S>::decode_streamed() {
  for (std::vector<int64_t> rows = active_rows(); !rows.empty(); rows = active_rows()) {
    if (one_after_another()) {
      append_top(decode_chunk_and_encode(depth(), rows), rows);
    } else {
      Chunks chunks{rows, std::vector<int64_t>(rows.size(), 1)};
      for (int l = depth(); l >= 1; --l) {
        decode_level(l, chunks);
        for (int64_t& count : chunks.counts) count *= spec_.level(l).chunk;
      }
      if (observed_upward()) {
        encode_emitted(rows);
      } else {
        encode_reconstructed(rows);
      }
    }
    for (const int64_t r : rows) start_[static_cast<size_t>(r)] += spec_.meta_context();
    if (!emit(rows)) return;
  }
}

// All latents of the answer first, then every chunk below the top together: the chunks are independent given
// the prompt, so nothing but the order of work differs from the streamed schedule.
template <class S>
void Generator<S>::decode_unrolled() {
  const int top = depth();
  const int64_t per_meta_context = spec_.level(top).chunk;
  const std::vector<int64_t> begin = start_;
  const std::vector<int64_t> all = active_rows();
  if (all.empty())
    return;  // no new tokens, and no prompt ends inside a meta-context: there is no chunk to make
  std::vector<Matrix<S>> latents(rows_.size());
  Chunks chunks{all, std::vector<int64_t>(all.size(), 0)};
  for (size_t i = 0; i < all.size(); ++i) {
    const auto r = static_cast<size_t>(all[i]);
    const int64_t meta_contexts =
        (rows_[r].target - start_[r] + spec_.meta_context() - 1) / spec_.meta_context();
    chunks.counts[i] = meta_contexts * per_meta_context;
    latents[r].resize(chunks.counts[i], spec_.shape(top - 1).width);
  }
  for (std::vector<int64_t> rows = active_rows(); !rows.empty(); rows = active_rows()) {
    decode_level(top, {rows, std::vector<int64_t>(rows.size(), 1)});
    encode_reconstructed(rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto r = static_cast<size_t>(rows[i]);
      const int64_t done = (start_[r] - begin[r]) / spec_.meta_context();
      latents[r].middleRows(done * per_meta_context, per_meta_context) =
          xhat_[static_cast<size_t>(top - 1)].middleRows(static_cast<Index>(i) * per_meta_context,
                                                         per_meta_context);
      start_[r] += spec_.meta_context();
    }
  }
  Matrix<S>& below = xhat_[static_cast<size_t>(top - 1)];
  below.resize(chunks.total(), spec_.shape(top - 1).width);
  Index at = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    below.middleRows(at, chunks.counts[i]) = latents[static_cast<size_t>(all[i])];
    at += chunks.counts[i];
  }
  const std::vector<int64_t> end = start_;
  start_ = begin;
  for (int l = top - 1; l >= 1; --l) {
    decode_level(l, chunks);
    for (int64_t& count : chunks.counts) count *= spec_.level(l).chunk;
  }
  start_ = end;
  emit(all);
}

// A token at a time; the output after the last one is not used, as a hierarchy's last re-encoding is not.
template <class S>
void Generator<S>::decode_vanilla() {
  for (int64_t& position : start_) ++position;  // prefill has picked one token
  std::vector<int64_t> rows(rows_.size());
  for (size_t r = 0; r < rows.size(); ++r) rows[r] = static_cast<int64_t>(r);
  if (request_->new_tokens == 0 || !emit(rows)) return;
  Matrix<S> input;
  const auto waiting = [&] {
    std::vector<int64_t> out;
    for (const int64_t r : rows) {
      if (!row(r).finished && start_[static_cast<size_t>(r)] <= row(r).target) out.push_back(r);
    }
    return out;
  };
  for (rows = waiting(); !rows.empty(); rows = waiting()) {
    input.resize(static_cast<Index>(rows.size()), spec_.base.width);
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto last = static_cast<size_t>(start_[static_cast<size_t>(rows[i])] - 1);
      input.row(static_cast<Index>(i)) = w_.decoder_embedding.row(row(rows[i]).tokens[last]);
    }
    const Matrix<S>& out =
        encoders_[0].step(w_.level(1).decoder, spec_.norm_eps, rope(0), {}, input, rows, caches_[0]);
    log_probs_of(out);
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t r = rows[i];
      const int64_t position = start_[static_cast<size_t>(r)]++;
      pick_token(
          row(r), r, position,
          {log_probs_.data() + static_cast<int64_t>(i) * spec_.vocab, static_cast<size_t>(spec_.vocab)});
    }
    if (!emit(rows)) return;
  }
}

// The n-th part of every window of decoder l: part_[l] in, the row that makes unit j of each chunk out to
// states_.
template <class S>
void Generator<S>::run_window(int l, Index chunks, Index j) {
  const auto at = static_cast<size_t>(l);
  const Matrix<S>& out = windows_[at].forward(spec_.norm_eps, rope(l - 1), part_[at]);
  const Index rows = j == 0 ? spec_.level(l).prefix : 1;
  states_.resize(chunks, out.cols());
  for (Index g = 0; g < chunks; ++g) states_.row(g) = out.row((g + 1) * rows - 1);
}

// Reading `causal`, one chunk of level l of every row: each unit is made from the encoder states of those
// before it, so decoding and re-encoding alternate down to the token. Returns X^(l) of the chunk.
template <class S>
const Matrix<S>& Generator<S>::decode_chunk_and_encode(int l, std::span<const int64_t> rows) {
  const auto at = static_cast<size_t>(l);
  const LevelSpec& s = spec_.level(l);
  const auto count = static_cast<Index>(rows.size());
  conditioning_.resize(count, s.converter_context * s.shape.width);
  for (Index i = 0; i < count; ++i) conditioning_.row(i) = histories_[at].row(rows[static_cast<size_t>(i)]);
  windows_[at].begin(w_.level(l).decoder, count, s.prefix + s.chunk - 1);
  local_bytes_[at] = std::max(local_bytes_[at], windows_[at].bytes());
  convert(l, conditioning_, part_[at]);
  Matrix<S>& units = encoded_[at];
  units.resize(count * s.chunk, l == 1 ? spec_.embedding_width() : spec_.shape(l - 1).width);
  const Chunks one{{rows.begin(), rows.end()}, std::vector<int64_t>(rows.size(), 1)};
  for (Index j = 0; j < s.chunk; ++j) {
    run_window(l, count, j);
    if (l == 1) {
      pick_tokens(states_, one, j, s.chunk);
      part_[at].resize(count, spec_.base.width);
      for (Index i = 0; i < count; ++i) {
        const int64_t r = rows[static_cast<size_t>(i)];
        const int64_t position = caches_[1].units(r) * s.chunk + j;
        const int32_t token = row(r).tokens[static_cast<size_t>(position)];
        part_[at].row(i) = w_.decoder_embedding.row(token);
        units.row(i * s.chunk + j) = w_.encoder_embedding.row(token);
      }
      continue;
    }
    for (Index i = 0; i < count; ++i) {
      histories_[at - 1].append(rows[static_cast<size_t>(i)], states_.row(i));
      units.row(i * s.chunk + j) = states_.row(i);
    }
    const Matrix<S>& x = decode_chunk_and_encode(l - 1, rows);
    part_[at] = x;
    if (l == depth() && !observed_upward()) continue;
    for (Index i = 0; i < count; ++i) units.row(i * s.chunk + j) = x.row(i);
  }
  return encode_step(l, units, rows);
}

// Conditioning of consecutive chunks: latents enter the row's history one after another.
template <class S>
void Generator<S>::gather_conditioning(int l, const Chunks& chunks) {
  const LevelSpec& s = spec_.level(l);
  LatentHistory<S>& history = histories_[static_cast<size_t>(l)];
  conditioning_.resize(chunks.total(), s.converter_context * s.shape.width);
  const bool own_latent = spec_.conditioning(l) == Conditioning::current;
  Index g = 0;
  for (size_t i = 0; i < chunks.rows.size(); ++i) {
    for (int64_t c = 0; c < chunks.counts[i]; ++c, ++g) {
      const Index r = chunks.rows[i];
      // At the top, X^(L) enters when it has been encoded.
      if (l < depth() && own_latent) history.append(r, xhat_[static_cast<size_t>(l)].row(g));
      conditioning_.row(g) = history.row(r);
      if (l < depth() && !own_latent) history.append(r, xhat_[static_cast<size_t>(l)].row(g));
    }
  }
}

// Decoder l over many chunks at once, its outputs or its tokens fed back: C_l forwards. Leaves Xhat^(l-1).
template <class S>
void Generator<S>::decode_level(int l, const Chunks& chunks) {
  const auto at = static_cast<size_t>(l);
  const LevelSpec& s = spec_.level(l);
  const Index total = chunks.total();
  gather_conditioning(l, chunks);
  windows_[at].begin(w_.level(l).decoder, total, s.prefix + s.chunk - 1);
  local_bytes_[at] = std::max(local_bytes_[at], windows_[at].bytes());
  convert(l, conditioning_, part_[at]);
  Matrix<S>& below = xhat_[at - 1];
  below.resize(total * s.chunk, spec_.shape(l - 1).width);
  const bool tokens_fed = spec_.feedback(l) == Feedback::token;
  for (Index j = 0; j < s.chunk; ++j) {
    run_window(l, total, j);
    for (Index g = 0; g < total; ++g) below.row(g * s.chunk + j) = states_.row(g);
    if (!tokens_fed) {
      part_[at] = states_;
      continue;
    }
    pick_tokens(states_, chunks, j, s.chunk);
    part_[at].resize(total, spec_.base.width);
    Index g = 0;
    for (size_t i = 0; i < chunks.rows.size(); ++i) {
      const int64_t first = start_[static_cast<size_t>(chunks.rows[i])] + j;
      for (int64_t c = 0; c < chunks.counts[i]; ++c, ++g) {
        part_[at].row(g) =
            w_.decoder_embedding.row(row(chunks.rows[i]).tokens[static_cast<size_t>(first + c * s.chunk)]);
      }
    }
  }
  if (l > 1 || tokens_fed) return;
  // Nothing waits for the tokens of reading `hatted`: one pass of the head over all of them.
  Chunks tokens = chunks;
  for (int64_t& count : tokens.counts) count *= s.chunk;
  pick_tokens(below, tokens, 0, 1);
}

// Tokens from decoder 1's states: state (i, c) is that of unit `unit` of chunk c of row i, `units` units a
// chunk.
template <class S>
void Generator<S>::pick_tokens(const Matrix<S>& states, const Chunks& chunks, Index unit, Index units) {
  log_probs_of(states);
  int64_t g = 0;
  for (size_t i = 0; i < chunks.rows.size(); ++i) {
    const int64_t r = chunks.rows[i];
    // While chunks are made one after another, the cache of encoder 1 knows how far the row is.
    const int64_t first = one_after_another() ? caches_[1].units(r) * units : start_[static_cast<size_t>(r)];
    for (int64_t c = 0; c < chunks.counts[i]; ++c, ++g) {
      pick_token(row(r), r, first + c * units + unit,
                 {log_probs_.data() + g * spec_.vocab, static_cast<size_t>(spec_.vocab)});
    }
  }
}

// Chunk_l and the next units of encoder l.
template <class S>
const Matrix<S>& Generator<S>::encode_step(int l, const Matrix<S>& below, std::span<const int64_t> rows) {
  const auto at = static_cast<size_t>(l);
  chunk(l, below, a_);
  return encoders_[at].step(w_.level(l).encoder, spec_.norm_eps, rope(l), visibility(l), a_, rows,
                            caches_[at]);
}

template <class S>
void Generator<S>::encode_emitted(std::span<const int64_t> rows) {
  const Index length = spec_.meta_context();
  const auto count = static_cast<Index>(rows.size());
  Matrix<S>& embeddings = encoded_[1];
  embeddings.resize(count * length, spec_.embedding_width());
  for (Index i = 0; i < count; ++i) {
    const int64_t r = rows[static_cast<size_t>(i)];
    for (Index t = 0; t < length; ++t) {
      const auto position = static_cast<size_t>(start_[static_cast<size_t>(r)] + t);
      embeddings.row(i * length + t) = w_.encoder_embedding.row(row(r).tokens[position]);
    }
  }
  const Matrix<S>* x = &embeddings;
  for (int l = 1; l <= depth(); ++l) x = &encode_step(l, *x, rows);
  append_top(*x, rows);
}

template <class S>
void Generator<S>::encode_reconstructed(std::span<const int64_t> rows) {
  append_top(encode_step(depth(), xhat_[static_cast<size_t>(depth() - 1)], rows), rows);
}

template <class S>
void Generator<S>::append_top(const Matrix<S>& x, std::span<const int64_t> rows) {
  for (size_t i = 0; i < rows.size(); ++i) histories_.back().append(rows[i], x.row(static_cast<Index>(i)));
}

template void Generator<float>::decode_streamed();
template void Generator<float>::decode_unrolled();
template void Generator<float>::decode_vanilla();
template void Generator<float>::run_window(int, Index, Index);
template void Generator<double>::decode_streamed();
template void Generator<double>::decode_unrolled();
template void Generator<double>::decode_vanilla();
template void Generator<double>::run_window(int, Index, Index);

}  // namespace photon::reference
