// SPDX-License-Identifier: Apache-2.0
// The matrix kernels under the CPU back end.
#pragma once

#include <string>

namespace photon::reference {

/// Call first in main. An OpenBLAS that is older than the processor does not know it and computes with the
/// kernels of the oldest x86-64, at a fifth of the rate. It chooses once, while it is loaded, and listens to
/// nothing but its environment: where it chose below what the processor can do, this sets OPENBLAS_CORETYPE
/// and starts the program again. Does nothing where the variable is set, without OpenBLAS, or where the
/// choice was good.
void use_best_blas(char** argv);

/// "OpenBLAS SkylakeX", or "Eigen" where no BLAS is linked.
std::string blas_name();

}  // namespace photon::reference
