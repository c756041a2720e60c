// SPDX-License-Identifier: Apache-2.0
// Decoding a few meta-contexts behind T tokens; the prefill is not in the time.
#include "bench/suite/cases.h"

int main(int argc, char** argv) {
  using namespace photon;
  constexpr int64_t least_tokens = 64;
  return bench::suite_main(argc, argv, [](bench::Suite& suite) {
    bench::register_cases("decode", suite, [](const ModelSpec& spec, int64_t context) {
      const int64_t meta = spec.meta_context();
      return bench::Regime{"custom", context, (least_tokens + meta - 1) / meta * meta};
    });
  });
}
