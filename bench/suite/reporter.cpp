// SPDX-License-Identifier: Apache-2.0
#include "bench/suite/reporter.h"

#include <algorithm>

#include "bench/output.h"

namespace photon::bench {

ResultsReporter::ResultsReporter(std::filesystem::path file)
    : file_(std::move(file)), display_(benchmark::CreateDefaultDisplayReporter()) {
  if (!file_.empty()) open_results(file_);
}

bool ResultsReporter::ReportContext(const Context& context) {
  return display_->ReportContext(context);
}

void ResultsReporter::ReportRuns(const std::vector<Run>& runs) {
  if (!file_.empty() && !waiting_.empty()) append_results(file_, waiting_);
  waiting_.clear();
  failures_ += std::count_if(runs.begin(), runs.end(), [](const Run& run) { return run.error_occurred; });
  display_->ReportRuns(runs);
}

void ResultsReporter::Finalize() {
  display_->Finalize();
}

}  // namespace photon::bench
