// What the runtime around the kernels may use of a GPU, the host's counterpart to device.h: the CUDA runtime
// and cuBLASLt under their own names, or the emulation's twins of them in photon::emulated.
#pragma once

#include "cuda_impl/device.h"

#ifdef PHOTON_CUDA
#include <cublasLt.h>
#include <cuda_profiler_api.h>
#include <cuda_runtime.h>
#else
#include "cuda_impl/emulation/cublaslt.h"
#include "cuda_impl/emulation/runtime.h"
#endif
