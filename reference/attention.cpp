// SPDX-License-Identifier: Apache-2.0
#include "reference/attention.h"

#include <cmath>

namespace photon::reference {
namespace {

// From this many queries on, scores are matrix products over blocks of queries; below, dot products.
constexpr Index blocked_from = 16;
constexpr Index query_block = 64;

template <class S>
using StridedMap = Eigen::Map<const Matrix<S>, 0, Eigen::OuterStride<>>;
template <class S>
using StridedMutableMap = Eigen::Map<Matrix<S>, 0, Eigen::OuterStride<>>;

template <class S>
S inner(const S* a, const S* b, Index n) {
  return ConstRowMap<S>(a, n).cwiseProduct(ConstRowMap<S>(b, n)).sum();
}

template <class S>
void add_scaled(S* y, const S* x, S factor, Index n) {
  RowMap<S>(y, n) += ConstRowMap<S>(x, n) * factor;
}

/// One sequence and one of its heads: the keys with their extents, and how to turn scores into probabilities.
template <class S>
class HeadProblem {
 public:
  HeadProblem(const AttentionInput<S>& in, Index sequence, Index kv_head)
      : in_(in),
        size_(in.shape.head_size()),
        offset_(kv_head * size_),
        segments_(in.segments.subspan(sequence * in.segments_per_sequence,
                                      static_cast<size_t>(in.segments_per_sequence))),
        first_key_(in.first_key[sequence]) {
    for (const auto& s : segments_) keys_ += s.rows;
  }

  Index keys() const { return keys_; }
  Index offset() const { return offset_; }
  std::span<const KeySegment<S>> segments() const { return segments_; }

  /// Keys seen by query j: [begin, end).
  Index end(Index j) const { return keys_ - in_.queries + j + 1; }
  Index begin(Index j) const {
    return std::max<Index>(0, in_.visibility.first(first_key_ + end(j) - 1) - first_key_);
  }

  S scale() const { return S(Real<S>(1) / std::sqrt(static_cast<Real<S>>(size_))); }

  /// scores[0 .. end-begin) in place to probabilities.
  static void softmax(S* scores, Index n) {
    auto row = RowMap<S>(scores, n).array();
    const Real<S> high = row.real().maxCoeff();
    row = (row - S(high)).exp();
    row /= row.sum();
  }

 private:
  const AttentionInput<S>& in_;
  Index size_;
  Index offset_;
  std::span<const KeySegment<S>> segments_;
  int64_t first_key_;
  Index keys_ = 0;
};

/// Calls visit(segment, first key of the segment, from, to) for the parts of [begin, end) in each segment.
template <class S, class Visit>
void for_segments(const HeadProblem<S>& p, Index begin, Index end, Visit visit) {
  Index base = 0;
  for (const auto& s : p.segments()) {
    const Index from = std::max<Index>(begin - base, 0);
    const Index to = std::min(end - base, s.rows);
    if (from < to) visit(s, base, from, to);
    base += s.rows;
  }
}

template <class S>
void probabilities_of_row(const HeadProblem<S>& p, const S* q, Index size, Index begin, Index end,
                          S* scores) {
  const S scale = p.scale();
  for_segments(p, begin, end, [&](const KeySegment<S>& s, Index base, Index from, Index to) {
    for (Index t = from; t < to; ++t) {
      scores[base + t - begin] = inner(q, s.k + t * s.stride + p.offset(), size) * scale;
    }
  });
  HeadProblem<S>::softmax(scores, end - begin);
}

template <class S>
void forward_rows(const AttentionInput<S>& in, const HeadProblem<S>& p, const S* q, S* out, Index out_stride,
                  S* scores) {
  const Index size = in.shape.head_size();
  for (Index j = 0; j < in.queries; ++j) {
    const Index begin = p.begin(j);
    probabilities_of_row(p, q + j * in.q_stride, size, begin, p.end(j), scores);
    S* o = out + j * out_stride;
    RowMap<S>(o, size).setZero();
    for_segments(p, begin, p.end(j), [&](const KeySegment<S>& s, Index base, Index from, Index to) {
      for (Index t = from; t < to; ++t) {
        add_scaled(o, s.v + t * s.stride + p.offset(), scores[base + t - begin], size);
      }
    });
  }
}

/// Probabilities of queries [j0, j0 + rows) over keys [begin, end) as a matrix; unseen keys are zero.
template <class S>
void probabilities_of_block(const AttentionInput<S>& in, const HeadProblem<S>& p, const S* q, Index j0,
                            Index rows, Index begin, Index end, Matrix<S>& scores) {
  const Index size = in.shape.head_size();
  scores.resize(rows, end - begin);
  const StridedMap<S> queries(q + j0 * in.q_stride, rows, size, Eigen::OuterStride<>(in.q_stride));
  for_segments(p, begin, end, [&](const KeySegment<S>& s, Index base, Index from, Index to) {
    const StridedMap<S> keys(s.k + from * s.stride + p.offset(), to - from, size,
                             Eigen::OuterStride<>(s.stride));
    scores.middleCols(base + from - begin, to - from).noalias() = queries * keys.transpose();
  });
  scores *= p.scale();
  for (Index j = 0; j < rows; ++j) {
    const Index from = p.begin(j0 + j) - begin;
    const Index to = p.end(j0 + j) - begin;
    S* row = scores.data() + j * scores.cols();
    std::fill(row, row + from, S(0));
    HeadProblem<S>::softmax(row + from, to - from);
    std::fill(row + to, row + scores.cols(), S(0));
  }
}

/// Calls visit(first query, queries, begin, end) block by block, with the block's probabilities over keys
/// [begin, end) in `scores`.
template <class S, class Visit>
void for_blocks(const AttentionInput<S>& in, const HeadProblem<S>& p, const S* q, Matrix<S>& scores,
                Visit visit) {
  for (Index j0 = 0; j0 < in.queries; j0 += query_block) {
    const Index rows = std::min(query_block, in.queries - j0);
    const Index begin = p.begin(j0);
    const Index end = p.end(j0 + rows - 1);
    probabilities_of_block(in, p, q, j0, rows, begin, end, scores);
    visit(j0, rows, begin, end);
  }
}

template <class S>
void forward_blocks(const AttentionInput<S>& in, const HeadProblem<S>& p, const S* q, S* out,
                    Index out_stride, Matrix<S>& scores) {
  const Index size = in.shape.head_size();
  for_blocks(in, p, q, scores, [&](Index j0, Index rows, Index begin, Index end) {
    StridedMutableMap<S> o(out + j0 * out_stride, rows, size, Eigen::OuterStride<>(out_stride));
    o.setZero();
    for_segments(p, begin, end, [&](const KeySegment<S>& s, Index base, Index from, Index to) {
      const StridedMap<S> values(s.v + from * s.stride + p.offset(), to - from, size,
                                 Eigen::OuterStride<>(s.stride));
      o.noalias() += scores.middleCols(base + from - begin, to - from) * values;
    });
  });
}

template <class S>
void backward_rows(const AttentionInput<S>& in, const HeadProblem<S>& p, const S* q, const S* out,
                   const S* d_out, Index out_stride, S* dq, S* scores) {
  const Index size = in.shape.head_size();
  const S scale = p.scale();
  for (Index j = 0; j < in.queries; ++j) {
    const Index begin = p.begin(j);
    const S* qj = q + j * in.q_stride;
    const S* doj = d_out + j * out_stride;
    probabilities_of_row(p, qj, size, begin, p.end(j), scores);
    const S mean = inner(out + j * out_stride, doj, size);  // sum_t p_t dp_t
    for_segments(p, begin, p.end(j), [&](const KeySegment<S>& s, Index base, Index from, Index to) {
      for (Index t = from; t < to; ++t) {
        const Index at = t * s.stride + p.offset();
        const S prob = scores[base + t - begin];
        const S ds = prob * (inner(doj, s.v + at, size) - mean) * scale;
        add_scaled(dq + j * in.q_stride, s.k + at, ds, size);
        add_scaled(s.dk + at, qj, ds, size);
        add_scaled(s.dv + at, doj, prob, size);
      }
    });
  }
}

template <class S>
void backward_blocks(const AttentionInput<S>& in, const HeadProblem<S>& p, const S* q, const S* out,
                     const S* d_out, Index out_stride, S* dq, Matrix<S>& scores, Matrix<S>& d_scores) {
  const Index size = in.shape.head_size();
  for_blocks(in, p, q, scores, [&](Index j0, Index rows, Index begin, Index end) {
    const StridedMap<S> o(out + j0 * out_stride, rows, size, Eigen::OuterStride<>(out_stride));
    const StridedMap<S> d_o(d_out + j0 * out_stride, rows, size, Eigen::OuterStride<>(out_stride));
    const StridedMap<S> queries(q + j0 * in.q_stride, rows, size, Eigen::OuterStride<>(in.q_stride));
    StridedMutableMap<S> d_q(dq + j0 * in.q_stride, rows, size, Eigen::OuterStride<>(in.q_stride));
    d_scores.resize(rows, end - begin);
    for_segments(p, begin, end, [&](const KeySegment<S>& s, Index base, Index from, Index to) {
      const StridedMap<S> values(s.v + from * s.stride + p.offset(), to - from, size,
                                 Eigen::OuterStride<>(s.stride));
      d_scores.middleCols(base + from - begin, to - from).noalias() = d_o * values.transpose();
    });
    const S scale = p.scale();
    for (Index j = 0; j < rows; ++j) {
      const S mean = o.row(j).cwiseProduct(d_o.row(j)).sum();
      d_scores.row(j).array() = scores.row(j).array() * (d_scores.row(j).array() - mean) * scale;
    }
    for_segments(p, begin, end, [&](const KeySegment<S>& s, Index base, Index from, Index to) {
      const Index at = from * s.stride + p.offset();
      const Eigen::OuterStride<> stride(s.stride);
      const auto ds = d_scores.middleCols(base + from - begin, to - from);
      const auto probs = scores.middleCols(base + from - begin, to - from);
      d_q.noalias() += ds * StridedMap<S>(s.k + at, to - from, size, stride);
      StridedMutableMap<S>(s.dk + at, to - from, size, stride).noalias() += ds.transpose() * queries;
      StridedMutableMap<S>(s.dv + at, to - from, size, stride).noalias() += probs.transpose() * d_o;
    });
  });
}

/// Scratch of one thread; grows to the largest problem and stays.
template <class S>
struct Scratch {
  AlignedVector<S> row;
  Matrix<S> scores;
  Matrix<S> d_scores;

  S* row_of(Index n) {
    if (static_cast<Index>(row.size()) < n) row.resize(n);
    return row.data();
  }
};

template <class S>
Scratch<S>& scratch() {
  static thread_local Scratch<S> s;
  return s;
}

template <class S>
bool worth_threads(const AttentionInput<S>& in) {
  Index keys = 0;
  for (const auto& s : in.segments) keys += s.rows;
  return keys * in.queries * in.shape.width > 16384;
}

}  // namespace

template <class S>
void attention(const AttentionInput<S>& in, S* out, Index out_stride) {
  const Index group = in.shape.heads / in.shape.kv_heads;
  const Index size = in.shape.head_size();
#pragma omp parallel for schedule(static) if (worth_threads(in))
  for (Index task = 0; task < in.sequences * in.shape.heads; ++task) {
    const Index sequence = task / in.shape.heads;
    const Index head = task % in.shape.heads;
    const HeadProblem<S> p(in, sequence, head / group);
    const S* q = in.q + sequence * in.queries * in.q_stride + head * size;
    S* o = out + sequence * in.queries * out_stride + head * size;
    if (in.queries >= blocked_from) {
      forward_blocks(in, p, q, o, out_stride, scratch<S>().scores);
    } else {
      forward_rows(in, p, q, o, out_stride, scratch<S>().row_of(p.keys()));
    }
  }
}

template <class S>
void attention_backward(const AttentionInput<S>& in, const S* out, const S* d_out, Index out_stride, S* dq) {
  const Index group = in.shape.heads / in.shape.kv_heads;
  const Index size = in.shape.head_size();
  // A task owns one key head and all query heads that read it: every gradient row has one writer.
#pragma omp parallel for schedule(static) if (worth_threads(in))
  for (Index task = 0; task < in.sequences * in.shape.kv_heads; ++task) {
    const Index sequence = task / in.shape.kv_heads;
    const Index kv_head = task % in.shape.kv_heads;
    const HeadProblem<S> p(in, sequence, kv_head);
    for (Index head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      const Index q_at = sequence * in.queries * in.q_stride + head * size;
      const Index o_at = sequence * in.queries * out_stride + head * size;
      if (in.queries >= blocked_from) {
        backward_blocks(in, p, in.q + q_at, out + o_at, d_out + o_at, out_stride, dq + q_at,
                        scratch<S>().scores, scratch<S>().d_scores);
      } else {
        backward_rows(in, p, in.q + q_at, out + o_at, d_out + o_at, out_stride, dq + q_at,
                      scratch<S>().row_of(p.keys()));
      }
    }
  }
}

#define PHOTON_INSTANTIATE(S)                                      \
  template void attention<S>(const AttentionInput<S>&, S*, Index); \
  template void attention_backward<S>(const AttentionInput<S>&, const S*, const S*, Index, S*);
PHOTON_INSTANTIATE(float)
PHOTON_INSTANTIATE(double)
PHOTON_INSTANTIATE(std::complex<double>)
#undef PHOTON_INSTANTIATE

}  // namespace photon::reference
