// SPDX-License-Identifier: Apache-2.0
#include "reference/clock.h"

#include <algorithm>
#include <chrono>

namespace photon::reference {

double core_clock_mhz() {
#if defined(__x86_64__)
  constexpr int products = 16000;
  constexpr double cycles_each = 3.0;
  double best = 0.0;
  for (int burst = 0; burst < 12; ++burst) {
    unsigned long value = 3;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < products / 8; ++i) {
      asm volatile(
          "imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0\n\t"
          "imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0"
          : "+r"(value)
          :
          : "cc");
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, products * cycles_each / seconds / 1e6);
  }
  return best;
#else
  return 0.0;
#endif
}

}  // namespace photon::reference
