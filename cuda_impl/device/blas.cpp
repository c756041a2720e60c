// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/device/blas.h"

#include <fmt/format.h>

#include <string_view>

#include "core/base/error.h"
#include "cuda_impl/device/error.h"

namespace photon::PHOTON_GPU {
namespace {

std::string_view meaning(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library could not be initialised: no usable GPU or driver";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "no memory left for the library";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an argument is not valid";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "this GPU lacks what the call needs";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "the launch failed";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "this combination of shapes and types is not supported";
    default:
      return "the library failed";
  }
}

}  // namespace

void check(cublasStatus_t status, const char* call, std::source_location where) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(fmt::format("{} failed at {}: {} (cuBLAS status {})", call, called_at(where), meaning(status),
                          static_cast<int>(status)));
}

}  // namespace photon::PHOTON_GPU
