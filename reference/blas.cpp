// SPDX-License-Identifier: Apache-2.0
#include "reference/blas.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

// Weak: another BLAS, or none, has no such function.
extern "C" char* openblas_get_corename(void) __attribute__((weak));

namespace photon::reference {
namespace {

bool has_wide_kernels(std::string_view core) {
  static constexpr auto wide = std::to_array<std::string_view>(
      {"Haswell", "Zen", "Excavator", "SkylakeX", "Cooperlake", "SapphireRapids"});
  return std::find(wide.begin(), wide.end(), core) != wide.end();
}

/// What the processor can run, in OpenBLAS's words; null below AVX2 and on other architectures.
const char* best_core() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return "SkylakeX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

}  // namespace

void use_best_blas(char** argv) {
  if (openblas_get_corename == nullptr || std::getenv("OPENBLAS_CORETYPE") != nullptr) return;
  const char* best = best_core();
  if (best == nullptr || has_wide_kernels(openblas_get_corename())) return;
  setenv("OPENBLAS_CORETYPE", best, 1);
  execv("/proc/self/exe", argv);
  unsetenv("OPENBLAS_CORETYPE");  // could not start again: the slow kernels are right, too
}

std::string blas_name() {
  return openblas_get_corename == nullptr ? "Eigen" : std::string("OpenBLAS ") + openblas_get_corename();
}

}  // namespace photon::reference
