// A recorded sequence of launches, replayed with one call.
#pragma once

#include <vector>

#include "cuda_impl/runtime/error.h"
#include "cuda_impl/runtime/stream.h"

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

  /// Records what `work` starts on the stream; nothing of it runs. Throws Error if it cannot be recorded.
  template <class F>
  void record(Stream& stream, F work) {
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

  bool empty() const { return executable_ == nullptr; }
  void replay(Stream& stream) { check(cudaGraphLaunch(executable_, stream.handle()), "cudaGraphLaunch"); }
  /// The functions of its kernel nodes, in the order of recording; null for a library's, which the runtime
  /// does not know.
  std::vector<const void*> kernels() const;

 private:
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace photon::PHOTON_GPU
