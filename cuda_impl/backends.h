// SPDX-License-Identifier: Apache-2.0
// The back ends of cuda_impl that this build has. Its headers mean CUDA or the emulation by a definition of
// the including file, so each is reached through a function of its own.
#pragma once

#include "core/backend/backend.h"

namespace photon {

namespace cuda {
void add_backend(BackendRegistry& registry);
}
namespace emulated {
void add_backend(BackendRegistry& registry);
}

inline void add_device_backends(BackendRegistry& registry) {
#ifdef PHOTON_WITH_CUDA
  cuda::add_backend(registry);
#endif
  emulated::add_backend(registry);
}

}  // namespace photon
