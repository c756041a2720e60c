// What device.h is for kernels this is for the code around them: the CUDA runtime and cuBLASLt, or the
// emulation's functions of the same names.
#pragma once

#include "cuda_impl/device.h"

#ifdef PHOTON_CUDA
#include <cublasLt.h>
#include <cuda_runtime.h>
#else
#include "cuda_impl/emulation/host.h"
#endif
