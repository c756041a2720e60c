// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/model/forward_pass.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"
#include "cuda_impl/device/error.h"
#include "cuda_impl/kernels/cross_entropy.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr int64_t pass_tokens = 65536;  // bounds the memory of a pass, whatever the batch
constexpr int64_t head_rows = 1024;

template <class T>
std::vector<T> read(const T* from, int64_t count) {
  std::vector<T> out(static_cast<size_t>(count));
  check(cudaMemcpy(out.data(), from, out.size() * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return out;
}

TokenBatch padded(const TokenBatch& batch, int64_t multiple) {
  TokenBatch out{batch.sequences, (batch.length + multiple - 1) / multiple * multiple, {}};
  out.ids.assign(out.sequences * out.length, 0);
  for (int64_t b = 0; b < batch.sequences; ++b) {
    const auto row = batch.sequence(b);
    std::copy(row.begin(), row.end(), out.ids.begin() + b * out.length);
  }
  return out;
}

}  // namespace

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

ForwardPass::ForwardPass(const ModelSpec& spec, const ModelWeights& weights, Stream& stream, Matmul& matmul)
    : spec_(spec), w_(weights), stream_(stream), matmul_(matmul) {}

void ForwardPass::for_each_pass(const TokenBatch& batch, const Use& use) {
  check_batch(spec_, batch);
  const int64_t step =
      std::clamp<int64_t>(pass_tokens / batch.length, 1, std::max<int64_t>(1, batch.sequences));
  Head head;
  const auto lay_out = [&](Arena& arena, int64_t sequences) {
    const int64_t rows = std::min(head_rows, sequences * batch.length);
    ModelTape tape(arena, spec_, sequences, batch.length, StackTape::Keep::nothing);
    head.logits = arena.take<float>(Arena::Use::workspace, rows * spec_.vocab);
    head.targets = arena.take<int32_t>(Arena::Use::workspace, rows);
    head.losses = arena.take<float>(Arena::Use::workspace, rows);
    return tape;
  };
  for (int64_t first = 0; first < batch.sequences; first += step) {
    const int64_t sequences = std::min(step, batch.sequences - first);
    Arena measured;
    lay_out(measured, sequences);
    if (measured.bytes() > memory_.bytes()) {
      memory_ = DeviceBuffer();
      memory_ = DeviceBuffer(measured.bytes());
    }
    Arena arena(memory_.data());
    const ModelTape tape = lay_out(arena, sequences);
    tape.upload_rotations(stream_);
    const auto ids = batch.ids.begin() + first * batch.length;
    stream_.upload(tape.ids(), std::vector<int32_t>(ids, ids + sequences * batch.length));
    const Stream::Scope scope(stream_, "forward");
    tape.forward(stream_, matmul_, w_);
    use(tape, head, first, sequences);
  }
}

void ForwardPass::logits(const bf16* states, int64_t rows, float* to) {
  matmul_(stream_, "head",
          Product{.x = states,
                  .x_stride = spec_.base.width,
                  .weight = w_.head,
                  .out_float = to,
                  .out_stride = spec_.vocab,
                  .rows = rows,
                  .in = spec_.base.width,
                  .out_width = spec_.vocab});
}

std::vector<NamedTensor> ForwardPass::streams(const TokenBatch& batch) {
  std::vector<NamedTensor> out;
  const auto units = [&](int l) { return batch.length / (l == 0 ? 1 : spec_.cumulative_chunk(l)); };
  out.push_back({"logits", {batch.sequences, batch.length, spec_.vocab}, {}});
  for (int l = 1; l <= spec_.depth(); ++l) {
    out.push_back({fmt::format("x.{}", l), {batch.sequences, units(l), spec_.shape(l).width}, {}});
  }
  for (int l = 0; l <= spec_.depth(); ++l) {
    out.push_back({fmt::format("xhat.{}", l), {batch.sequences, units(l), spec_.shape(l).width}, {}});
  }
  for_each_pass(batch, [&](const ModelTape& tape, const Head& head, int64_t, int64_t sequences) {
    for (int64_t r = 0; r < tape.units(0); r += head_rows) {
      const int64_t rows = std::min(head_rows, tape.units(0) - r);
      logits(tape.xhat(0) + r * spec_.base.width, rows, head.logits);
      stream_.synchronize();
      const std::vector<float> values = read(head.logits, rows * spec_.vocab);
      out[0].values.insert(out[0].values.end(), values.begin(), values.end());
    }
    const auto append = [&](NamedTensor& to, const bf16* from) {
      for (const bf16 v : read(from, sequences * to.shape[1] * to.shape[2])) {
        to.values.push_back(static_cast<double>(to_float(v)));
      }
    };
    size_t at = 1;
    for (int l = 1; l <= spec_.depth(); ++l) append(out[at++], tape.x(l));
    for (int l = 0; l <= spec_.depth(); ++l) append(out[at++], tape.xhat(l));
  });
  return out;
}

std::vector<double> ForwardPass::token_log_probs(const TokenBatch& batch) {
  const TokenBatch whole = padded(batch, spec_.meta_context());
  const int64_t shift = spec_.target_shift();
  std::vector<double> out(batch.ids.size(), 0.0);
  for_each_pass(whole, [&](const ModelTape& tape, const Head& head, int64_t first, int64_t) {
    std::vector<int64_t> places;  // in `out`; -1: no token is there
    std::vector<int32_t> targets;
    for (int64_t r0 = 0; r0 < tape.units(0); r0 += head_rows) {
      const int64_t rows = std::min(head_rows, tape.units(0) - r0);
      places.clear();
      targets.clear();
      for (int64_t r = r0; r < r0 + rows; ++r) {
        const int64_t position = r % whole.length + shift;
        const int64_t at = (first + r / whole.length) * batch.length + position;
        places.push_back(position < batch.length ? at : -1);
        targets.push_back(places.back() < 0 ? -1 : batch.ids[at]);
      }
      stream_.upload(head.targets, targets);
      logits(tape.xhat(0) + r0 * spec_.base.width, rows, head.logits);
      cross_entropy(stream_, {.logits = head.logits,
                              .targets = head.targets,
                              .row_losses = head.losses,
                              .rows = rows,
                              .vocab = static_cast<int32_t>(spec_.vocab)});
      stream_.synchronize();
      const std::vector<float> losses = read(head.losses, rows);
      for (size_t i = 0; i < losses.size(); ++i) {
        if (places[i] >= 0) out[places[i]] = -static_cast<double>(losses[i]);
      }
    }
  });
  return out;
}

}  // namespace photon::PHOTON_GPU
