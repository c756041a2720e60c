// SPDX-License-Identifier: Apache-2.0
// cuBLASLt under its own names, or the emulation's twin of it, and its errors as exceptions. Only matrix
// products need it, and it is a long header to read: not part of host.h.
#pragma once

#include <source_location>

#include "cuda_impl/host.h"

#ifdef PHOTON_CUDA
#include <cublasLt.h>
#else
#include "cuda_impl/emulation/cublaslt.h"
#endif

namespace photon::PHOTON_GPU {

/// Throws Error unless `status` is success.
void check(cublasStatus_t status, const char* call,
           std::source_location where = std::source_location::current());

}  // namespace photon::PHOTON_GPU
