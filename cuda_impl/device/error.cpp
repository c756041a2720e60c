// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/error.h"

#include <fmt/format.h>

#include <string_view>

#include "core/base/error.h"

namespace photon::PHOTON_GPU {

std::string called_at(std::source_location where) {
  const std::string_view path = where.file_name();
  const size_t at = path.rfind("cuda_impl/");
  return fmt::format("{}:{}", at == std::string_view::npos ? path : path.substr(at), where.line());
}

void check(cudaError_t status, const char* call, std::source_location where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // what can be cleared is, so that the next call does not report this one again
  throw Error(fmt::format("{} failed at {}: {} ({})", call, called_at(where), cudaGetErrorString(status),
                          cudaGetErrorName(status)));
}

}  // namespace photon::PHOTON_GPU
