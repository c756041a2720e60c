// SPDX-License-Identifier: Apache-2.0
// The one way in which work reaches the device: every launch names its op and what it moves and computes
// (core/cost), is checked against the device's limits and for errors, and stands in an NVTX range of the
// project's domain. What was launched can be recorded: for `--profile`, and for the tests that hold the sum
// of all launches against the cost model. A dry stream starts nothing: what would run can be recorded of
// sizes that no memory was taken for.
#pragma once

#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/cost/cost.h"
#include "cuda_impl/device.h"
#include "cuda_impl/host.h"

namespace photon::PHOTON_GPU {

/// What a launch is: its op's name, and its bytes and FLOPs. `other_bytes` of a launch are all that is in no
/// floor: activations, tables, local caches.
struct Op {
  const char* name;
  Work work;
  std::source_location where = std::source_location::current();
};

/// Extents of a launch; blocks have one dimension.
struct Grid {
  dim3 blocks;
  unsigned threads = 0;
  size_t shared_bytes = 0;  ///< dynamic
};

struct LaunchRecord {
  std::string_view op;
  std::string_view file;         ///< of the launcher
  std::string scope;             ///< "decode/encoder 2"
  const void* kernel = nullptr;  ///< null: a library's
  Work work;
};

class Stream {
 public:
  /// Dry: launches are checked and recorded, nothing runs, and no memory is read or written.
  enum class Mode { runs, dry };

  explicit Stream(Mode mode = Mode::runs);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  cudaStream_t handle() const { return stream_; }
  bool dry() const { return mode_ == Mode::dry; }

  /// Starts kernel(arguments...). Throws Error if the launch is refused or beyond the device's limits.
  template <class... P, class... A>
  void launch(const Op& op, const Grid& grid, void (*kernel)(P...), const A&... arguments) {
    begin(op, grid, reinterpret_cast<const void*>(kernel));
    if (dry()) return end(op, cudaSuccess);
    cudaLaunchConfig_t config{};
    config.gridDim = grid.blocks;
    config.blockDim = dim3(grid.threads);
    config.dynamicSmemBytes = grid.shared_bytes;
    config.stream = stream_;
    cudaLaunchAttribute overlap{};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    config.attrs = &overlap;
    config.numAttrs = 1;
    end(op, cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...));
  }

  /// Starts what a library enqueues on handle(): `call` returns nothing and throws on error.
  template <class Call>
  void library(const Op& op, Call call) {
    begin(op);
    if (!dry()) call();
    end(op, cudaSuccess);
  }

  void synchronize();

  /// Copies from page-locked memory behind what was started before, while the host goes on: `from` is to stay
  /// as it is until the stream has come so far.
  void upload_pinned(void* to, const void* from, size_t bytes) { upload_bytes(to, from, bytes); }

  /// Copies to the device behind what was started before; `values` may go once this returns.
  template <class T>
  void upload(T* to, const std::vector<T>& values) {
    upload_bytes(to, values.data(), values.size() * sizeof(T));
  }
  /// Copies to the host what was started before has left, and waits for it; a dry stream leaves `to` as it
  /// is.
  template <class T>
  void download(std::span<T> to, const T* from) {
    download_bytes(to.data(), from, to.size_bytes());
  }
  /// Sets bytes on the device to zero.
  void clear(void* to, int64_t bytes);

  /// Ops that this process has launched or recorded, a line each: name, times, file of the launcher.
  static std::vector<std::string> launched();

  /// From now on every launch is appended to `records` (null: none is).
  void record(std::vector<LaunchRecord>* records) { records_ = records; }

  /// A named part of the work: an NVTX range around the launches in it. `level` is the range's category.
  class Scope {
   public:
    Scope(Stream& stream, std::string_view name, int level = 0);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Stream& stream_;
    size_t outer_;
  };

 private:
  void upload_bytes(void* to, const void* from, size_t bytes);
  void download_bytes(void* to, const void* from, size_t bytes);
  void begin(const Op& op, const Grid& grid, const void* kernel);
  void begin(const Op& op);
  void end(const Op& op, cudaError_t error);

  Mode mode_;
  cudaStream_t stream_ = nullptr;
  size_t most_shared_bytes_ = 0;
  unsigned most_threads_ = 0;
  std::string scope_;
  std::vector<LaunchRecord>* records_ = nullptr;
};

}  // namespace photon::PHOTON_GPU
