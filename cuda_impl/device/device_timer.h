// SPDX-License-Identifier: Apache-2.0
// Time on the device between two points of a stream.
#pragma once

#include "cuda_impl/device/error.h"
#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

class DeviceTimer {
 public:
  DeviceTimer() {
    check(cudaEventCreate(&begin_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  ~DeviceTimer() {
    if (begin_ != nullptr) cudaEventDestroy(begin_);
    if (end_ != nullptr) cudaEventDestroy(end_);
  }
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  /// Seconds that the device spends on what `work` starts on the stream; waits for it.
  template <class Work>
  double seconds(Stream& stream, Work&& work) {
    check(cudaEventRecord(begin_, stream.handle()), "cudaEventRecord");
    work();
    check(cudaEventRecord(end_, stream.handle()), "cudaEventRecord");
    check(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float milliseconds = 0.0f;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace photon::PHOTON_GPU
