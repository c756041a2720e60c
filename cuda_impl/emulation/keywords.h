// SPDX-License-Identifier: Apache-2.0
// CUDA's keywords where a kernel is compiled as C++ for the host (docs/emulation.md). A bare
// `__shared__` stays unknown on purpose: kernels say PHOTON_SHARED, or the block's memory could not be
// checked.
#pragma once

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

namespace photon::emulated {

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

}  // namespace photon::emulated
