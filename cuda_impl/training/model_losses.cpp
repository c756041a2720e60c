// SPDX-License-Identifier: Apache-2.0
// Losses of a pass and where their gradients begin: cross-entropy at the head, a block of rows at a time, and
// the distances of L_rec and L_context.
#include <algorithm>

#include "cuda_impl/kernels/cross_entropy.h"
#include "cuda_impl/kernels/distance.h"
#include "cuda_impl/kernels/sum.h"
#include "cuda_impl/training/model_backward.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr auto use = Arena::Use::workspace;
/// Logits of a block of rows. Large enough that the products with the head are as fast as they get.
constexpr int64_t logits_bytes = int64_t{1} << 29;

}  // namespace

LossCounts::LossCounts(const ModelSpec& spec, int64_t sequences, int64_t length)
    : token(sequences * (length - 1)) {
  for (int l = 1; l <= spec.depth(); ++l) {
    const int64_t units = length / spec.cumulative_chunk(l);
    context.push_back(sequences * (units - 1));
    if (l >= 2) rec.push_back(sequences * (length / spec.cumulative_chunk(l - 1)));
  }
}

Losses LossCounts::means(std::span<const double> sums) const {
  const auto mean = [](double sum, int64_t count) {
    return count == 0 ? 0.0 : sum / static_cast<double>(count);
  };
  size_t at = 0;
  Losses out;
  out.token = mean(sums[at++], token);
  for (const int64_t count : rec) out.rec += mean(sums[at++], count);
  for (const int64_t count : context) out.context += mean(sums[at++], count);
  return out;
}

int64_t ModelBackward::head_rows(const ModelSpec& spec, int64_t tokens) {
  const int64_t most = logits_bytes / (spec.vocab * static_cast<int64_t>(sizeof(float)));
  return std::min(tokens, std::max<int64_t>(128, most));
}

void ModelBackward::lay_out_losses(Arena& arena) {
  const int64_t tokens = tape_.units(0);  // no stream has more rows
  targets_ = arena.take<int32_t>(use, tokens);
  logits_ = arena.take<float>(use, head_rows_ * spec_.vocab);
  row_losses_ = arena.take<float>(use, tokens);
  sum_partial_ = arena.take<double>(use, sum_workspace(tokens));
  sums_ = arena.take<double>(use, static_cast<int64_t>(counts_.size()));
}

void ModelBackward::sum_losses(const Context& c, int64_t rows, size_t loss) const {
  sum(c.stream, {.values = row_losses_, .count = rows, .workspace = sum_partial_, .sum = sums_ + loss});
}

void ModelBackward::head_loss(const Context& c, double weight) const {
  const int64_t width = spec_.base.width;
  const double factor = counts_.token == 0 ? 0.0 : weight / static_cast<double>(counts_.token);
  for (int64_t first = 0; first < tape_.units(0); first += head_rows_) {
    const int64_t rows = std::min(head_rows_, tape_.units(0) - first);
    const bf16* states = tape_.xhat(0) + first * width;
    c.matmul(c.stream, "head",
             Product{.x = states,
                     .x_stride = width,
                     .weight = c.w.head,
                     .out_float = logits_,
                     .out_stride = spec_.vocab,
                     .rows = rows,
                     .in = width,
                     .out_width = spec_.vocab});
    cross_entropy(c.stream, {.logits = logits_,
                             .targets = targets_ + first,
                             .factor = static_cast<float>(factor),
                             .differentiate = gradients_,
                             .row_losses = row_losses_ + first,
                             .rows = rows,
                             .vocab = static_cast<int32_t>(spec_.vocab)});
    if (!gradients_) continue;
    const auto* d_logits = reinterpret_cast<const bf16*>(logits_);
    c.matmul(c.stream, "head",
             InputGradient{.d = d_logits,
                           .d_stride = 2 * spec_.vocab,
                           .weight = c.w.head,
                           .out = d_tokens_ + first * width,
                           .out_stride = width,
                           .rows = rows,
                           .in = width,
                           .out_width = spec_.vocab});
    c.matmul(c.stream, "head",
             WeightGradient{.d = d_logits,
                            .d_stride = 2 * spec_.vocab,
                            .x = states,
                            .x_stride = width,
                            .gradient = c.g.head,
                            .rows = rows,
                            .in = width,
                            .out_width = spec_.vocab});
  }
  sum_losses(c, tape_.units(0), 0);
}

// L_rec = sum over l = 2..L of the mean of d(Xhat^(l-1), X^(l-1)).
void ModelBackward::rec_losses(const Context& c, double weight) const {
  const bool differentiate = gradients_ && config_.alpha != 0.0;
  for (int l = 2; l <= spec_.depth(); ++l) {
    const int64_t width = spec_.shape(l - 1).width;
    const int64_t rows = tape_.units(l - 1);
    distance(c.stream, {.kind = config_.distance,
                        .a = tape_.xhat(l - 1),
                        .a_stride = width,
                        .b = tape_.x(l - 1),
                        .b_stride = width,
                        .factor = static_cast<float>(weight * config_.alpha / static_cast<double>(rows)),
                        .d_a = differentiate ? d_xhat(l - 1) : nullptr,
                        .d_a_stride = width,
                        .d_b = differentiate && !config_.detach_targets ? level(l - 1).d_x : nullptr,
                        .d_b_stride = width,
                        .row_losses = row_losses_,
                        .groups = rows,
                        .width = static_cast<int32_t>(width)});
    sum_losses(c, rows, 1 + static_cast<size_t>(l - 2));
  }
}

// L_context: sum over l = 1..L of the mean over g >= 2 of d(X^(l)_{g-1}, A^(l)_g).
void ModelBackward::context_losses(const Context& c, double weight) const {
  const bool differentiate = gradients_ && config_.beta != 0.0;
  for (int l = 1; l <= spec_.depth(); ++l) {
    const int64_t rows = counts_.context[l - 1];
    if (rows == 0) continue;
    const int64_t width = spec_.shape(l).width;
    const int64_t units = tape_.units(l) / tape_.sequences();
    float* d_b = differentiate ? level(l).d_a : nullptr;
    distance(c.stream, {.kind = config_.distance,
                        .a = tape_.x(l),
                        .a_stride = units * width,
                        .b = tape_.level(l).encoder.input() + width,
                        .b_stride = units * width,
                        .factor = static_cast<float>(weight * config_.beta / static_cast<double>(rows)),
                        .d_a = differentiate ? level(l).d_x : nullptr,
                        .d_a_stride = units * width,
                        .d_b = d_b == nullptr ? nullptr : d_b + width,
                        .d_b_stride = units * width,
                        .row_losses = row_losses_,
                        .groups = tape_.sequences(),
                        .rows = static_cast<int32_t>(units - 1),
                        .width = static_cast<int32_t>(width)});
    sum_losses(c, rows, 1 + counts_.rec.size() + static_cast<size_t>(l - 1));
  }
}

}  // namespace photon::PHOTON_GPU
