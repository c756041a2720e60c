// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/stream.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/base/error.h"
#include "cuda_impl/device/error.h"
#include "cuda_impl/device/nvtx.h"

namespace photon::PHOTON_GPU {
namespace {

constexpr size_t shared_bytes_without_asking = 48 * 1024;

int attribute(cudaDeviceAttr which) {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

std::string_view root_relative(std::string_view path) {
  const size_t at = path.rfind("cuda_impl/");
  return at == std::string_view::npos ? path : path.substr(at);
}

/// What this process has launched, by file and op. A stream is used by one thread, the process by several.
class LaunchCounts {
 public:
  using Counts = std::map<std::pair<std::string_view, std::string_view>, int64_t>;

  void add(std::string_view file, std::string_view op) {
    const std::lock_guard lock(mutex_);
    ++counts_[{file, op}];
  }
  Counts copy() {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  std::mutex mutex_;
  Counts counts_;
};

LaunchCounts& launch_counts() {
  static LaunchCounts counts;
  return counts;
}

/// Dynamic shared memory of a kernel beyond 48 KiB has to be asked for, and the last word counts, whichever
/// stream says it: an attribute of the kernel in this process. So what was allowed is known here, for all
/// streams, and is only ever raised. No more than is needed: what the kernel declares by itself counts
/// against the same limit.
void allow_shared_bytes(const Op& op, const void* kernel, size_t bytes) {
  static std::mutex mutex;
  static std::unordered_map<const void*, size_t> allowed;
  const std::lock_guard lock(mutex);
  size_t& most = allowed[kernel];
  if (bytes <= most) return;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        op.name, op.where);
  most = bytes;
}

}  // namespace

std::vector<std::string> Stream::launched() {
  std::vector<std::string> lines;
  for (const auto& [op, count] : launch_counts().copy()) {
    lines.push_back(fmt::format("{:<24}{:>10}  {}", op.second, count, op.first));
  }
  return lines;
}

Stream::Stream(Mode mode)
    : mode_(mode),
      most_shared_bytes_(static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin))),
      most_threads_(static_cast<unsigned>(attribute(cudaDevAttrMaxThreadsPerBlock))) {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Stream::~Stream() {
  cudaStreamDestroy(stream_);
}

void Stream::synchronize() {
  if (!dry()) check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

// On this stream: a plain cudaMemcpy from pageable memory may return before the data is there, and does not
// order itself with a stream that is not blocking.
void Stream::upload_bytes(void* to, const void* from, size_t bytes) {
  if (bytes == 0 || dry()) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
}

void Stream::download_bytes(void* to, const void* from, size_t bytes) {
  if (bytes == 0 || dry()) return;
  synchronize();
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
}

void Stream::clear(void* to, int64_t bytes) {
  if (bytes == 0 || dry()) return;
  check(cudaMemsetAsync(to, 0, static_cast<size_t>(bytes), stream_), "cudaMemsetAsync");
}

void Stream::begin(const Op& op, const Grid& grid, const void* kernel) {
  constexpr unsigned most_blocks_y = 65535;
  const dim3& b = grid.blocks;
  if (b.x == 0 || b.y == 0 || b.z == 0 || grid.threads == 0 || b.y > most_blocks_y || b.z > most_blocks_y ||
      b.x > 0x7fffffffu || grid.threads > most_threads_ || grid.shared_bytes > most_shared_bytes_) {
    throw Error(fmt::format(
        "launch of {} ({}:{}): {} x {} x {} blocks of {} threads with {} bytes of shared memory are beyond "
        "this device, which takes {} threads and {} bytes a block",
        op.name, root_relative(op.where.file_name()), op.where.line(), b.x, b.y, b.z, grid.threads,
        grid.shared_bytes, most_threads_, most_shared_bytes_));
  }
  if (!dry() && grid.shared_bytes > shared_bytes_without_asking) {
    allow_shared_bytes(op, kernel, grid.shared_bytes);
  }
  begin(op);
  if (records_ != nullptr) records_->back().kernel = kernel;
}

void Stream::begin(const Op& op) {
  nvtx_push(op.name, 0);
  if (!dry()) launch_counts().add(root_relative(op.where.file_name()), op.name);
  if (records_ != nullptr) {
    records_->push_back({op.name, root_relative(op.where.file_name()), scope_, nullptr, op.work});
  }
}

void Stream::end(const Op& op, cudaError_t error) {
  nvtx_pop();
  check(error, op.name, op.where);
}

Stream::Scope::Scope(Stream& stream, std::string_view name, int level)
    : stream_(stream), outer_(stream.scope_.size()) {
  if (outer_ > 0) stream.scope_ += '/';
  stream.scope_ += name;
  if (level > 0) stream.scope_ += fmt::format(" {}", level);
  nvtx_push(stream.scope_.c_str() + (outer_ > 0 ? outer_ + 1 : 0), level);
}

Stream::Scope::~Scope() {
  nvtx_pop();
  stream_.scope_.resize(outer_);
}

}  // namespace photon::PHOTON_GPU
