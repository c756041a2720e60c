// SPDX-License-Identifier: Apache-2.0
// Errors of the CUDA runtime as exceptions: the call, the place, the meaning. Those of cuBLASLt: blas.h.
#pragma once

#include <source_location>
#include <string>

#include "cuda_impl/host.h"

namespace photon::PHOTON_GPU {

/// Throws Error unless `status` is success.
void check(cudaError_t status, const char* call,
           std::source_location where = std::source_location::current());

/// The project's own part of a path and the line: "cuda_impl/device/stream.cpp:40".
std::string called_at(std::source_location where);

}  // namespace photon::PHOTON_GPU
