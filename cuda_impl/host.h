// SPDX-License-Identifier: Apache-2.0
// What the runtime around the kernels may use of a GPU, the host's counterpart to device.h: the CUDA runtime
// under its own names, or the emulation's twins of them in photon::emulated. cuBLASLt: device/blas.h.
#pragma once

#include "cuda_impl/device.h"

#ifdef PHOTON_CUDA
#include <cuda_profiler_api.h>
#include <cuda_runtime.h>
#else
#include "cuda_impl/emulation/runtime.h"
#endif
