// SPDX-License-Identifier: Apache-2.0
// A sequence of launches that is replayed with one call, once it has run launch by launch. While a stream is
// recorded, nothing may be loaded onto the device and no library asked for a choice: CUDA refuses, or not,
// depending on its version. The first run has done both.
#pragma once

#include <vector>

#include "cuda_impl/device/error.h"
#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

class Graph {
 public:
  Graph() = default;
  ~Graph() {
    if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Does what `work` starts on the stream: launch by launch the first time, recorded and replayed the second
  /// time, replayed alone from then on; each time once. Throws Error if it cannot be recorded.
  template <class Work>
  void run(Stream& stream, Work&& work) {
    if (!started_) {
      work();
      started_ = true;
      return;
    }
    if (empty()) record(stream, work);
    replay(stream);
  }

  bool empty() const { return executable_ == nullptr; }  ///< nothing has been recorded
  void replay(Stream& stream) { check(cudaGraphLaunch(executable_, stream.handle()), "cudaGraphLaunch"); }
  /// The functions of its kernel nodes, in the order of recording, none before that; null for a library's,
  /// which the runtime does not know.
  std::vector<const void*> kernels() const;

 private:
  /// Nothing of `work` runs.
  template <class Work>
  void record(Stream& stream, Work& work) {
    check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal),
          "cudaStreamBeginCapture");
    try {
      work();
    } catch (...) {
      cudaGraph_t broken = nullptr;
      cudaStreamEndCapture(stream.handle(), &broken);
      if (broken != nullptr) cudaGraphDestroy(broken);
      cudaGetLastError();  // of the capture that was broken off; what was thrown says more
      throw;
    }
    check(cudaStreamEndCapture(stream.handle(), &graph_), "cudaStreamEndCapture");
    check(cudaGraphInstantiate(&executable_, graph_, 0), "cudaGraphInstantiate");
  }

  bool started_ = false;  // has run launch by launch
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace photon::PHOTON_GPU
