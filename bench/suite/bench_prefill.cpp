// SPDX-License-Identifier: Apache-2.0
// Prefill of T tokens; the one meta-context that is generated after it is not in the time.
#include <fmt/format.h>

#include "bench/suite/cases.h"
#include "core/base/error.h"

int main(int argc, char** argv) {
  using namespace photon;
  return bench::suite_main(argc, argv, [](bench::Suite& suite) {
    bench::register_cases("prefill", suite, [](const ModelSpec& spec, int64_t context) {
      if (context < spec.meta_context()) {  // the library would wait for its seconds of nothing
        throw UsageError(fmt::format("--contexts={}: '{}' has no prefill below a meta-context, {} tokens",
                                     context, spec.name, spec.meta_context()));
      }
      return bench::Regime{"custom", context, spec.meta_context()};
    });
  });
}
