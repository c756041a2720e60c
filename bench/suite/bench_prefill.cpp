// SPDX-License-Identifier: Apache-2.0
// Prefill of T tokens; the one meta-context that is generated after it is not in the time.
#include "bench/suite/cases.h"

int main(int argc, char** argv) {
  using namespace photon;
  return bench::suite_main(argc, argv, [](bench::Suite& suite) {
    bench::register_cases("prefill", suite, [](const ModelSpec& spec, int64_t context) {
      return bench::Regime{"custom", context, spec.meta_context()};
    });
  });
}
