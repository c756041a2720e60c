// Prefill of T tokens; the one meta-context that is generated after it is not in the time.
#include "bench/suite/suite.h"

int main(int argc, char** argv) {
  using namespace photon;
  return bench::suite_main(argc, argv, [](const bench::SuiteFlags& flags, Backend& backend) {
    bench::register_cases("prefill", flags, backend, [](const ModelSpec& spec, int64_t context) {
      return bench::Regime{"custom", context, spec.meta_context()};
    });
  });
}
