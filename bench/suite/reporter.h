// SPDX-License-Identifier: Apache-2.0
// Where the Google Benchmark executables put what they measured: on standard output as the library does
// (--benchmark_format), and each row of the results schema into one CSV file as soon as it is there.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "core/results/results.h"

namespace photon::bench {

class ResultsReporter final : public benchmark::BenchmarkReporter {
 public:
  /// `file` may be empty: rows go nowhere; else it is opened with open_results. To be made
  /// after benchmark::Initialize, which knows the format of standard output.
  explicit ResultsReporter(std::filesystem::path file);

  /// A row of the benchmark that is running; written when the library reports it.
  void add(ResultRow row) { waiting_.push_back(std::move(row)); }
  int64_t failures() const { return failures_; }  ///< benchmarks that ended in an error

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

 private:
  std::filesystem::path file_;
  benchmark::BenchmarkReporter* display_;  ///< the library's own
  std::vector<ResultRow> waiting_;
  int64_t failures_ = 0;
};

}  // namespace photon::bench
