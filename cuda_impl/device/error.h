// Errors of the CUDA runtime and of cuBLASLt as exceptions: the call, the place, the meaning.
#pragma once

#include <source_location>

#include "cuda_impl/host.h"

namespace photon::PHOTON_GPU {

/// Throws Error unless `status` is success.
void check(cudaError_t status, const char* call,
           std::source_location where = std::source_location::current());
void check(cublasStatus_t status, const char* call,
           std::source_location where = std::source_location::current());

}  // namespace photon::PHOTON_GPU
