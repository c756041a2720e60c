// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/generation/bursts.h"

#include <utility>

#include "cuda_impl/device/error.h"

namespace photon::PHOTON_GPU {

Bursts::Bursts() {
  for (cudaEvent_t& event : ready_) {
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
}

Bursts::~Bursts() {
  for (cudaEvent_t event : ready_) cudaEventDestroy(event);
}

void Bursts::place(int64_t rows, int64_t tokens) {
  rows_ = rows;
  tokens_ = tokens;
  memory_ = PinnedBuffer(2 * count() * static_cast<int64_t>(sizeof(int32_t) + sizeof(float)));
}

Bursts::Pending Bursts::read(Stream& stream, const int32_t* from, const float* log_probs,
                             std::vector<int64_t> first) {
  Pending pending{next_, std::move(first)};
  next_ = 1 - next_;
  auto* to = const_cast<int32_t*>(ids(pending.slot));
  const size_t bytes = static_cast<size_t>(count()) * sizeof(int32_t);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream.handle()), "cudaMemcpyAsync");
  check(cudaMemcpyAsync(to + count(), log_probs, bytes, cudaMemcpyDeviceToHost, stream.handle()),
        "cudaMemcpyAsync");
  check(cudaEventRecord(ready_[pending.slot], stream.handle()), "cudaEventRecord");
  return pending;
}

void Bursts::wait(const Pending& pending) const {
  check(cudaEventSynchronize(ready_[pending.slot]), "cudaEventSynchronize");
}

Bursts::Span Bursts::of(const Pending& pending, int64_t row) const {
  const int32_t* all = ids(pending.slot);
  const int64_t at = row * tokens_;
  return {pending.first[row], tokens_, all + at, reinterpret_cast<const float*>(all + count()) + at};
}

}  // namespace photon::PHOTON_GPU
