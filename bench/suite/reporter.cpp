// SPDX-License-Identifier: Apache-2.0
#include "bench/suite/reporter.h"

#include <algorithm>

namespace photon::bench {

void SuiteReporter::ReportRuns(const std::vector<Run>& reported) {
  // The library reports all repetitions of a benchmark at once, then what it computes of them, or that alone.
  // The repetitions are the last runs of the benchmark; those before were trials.
  if (const auto at = runs_.find(reported.front().run_name.function_name); at != runs_.end()) {
    const auto& ended = at->second;
    const auto repetitions = std::min(reported.front().repetitions, std::ssize(ended));
    std::for_each(ended.end() - repetitions, ended.end(), [&](const Ended& run) {
      if (run.failed) {
        ++failures_;
      } else {
        run.keep();
      }
    });
    runs_.erase(at);
  }
  display_->ReportRuns(reported);
}

}  // namespace photon::bench
