// SPDX-License-Identifier: Apache-2.0
// Prints what the library reports as the library does (--benchmark_format), and keeps what was measured in
// the runs that it reports: it runs a benchmark several times to find how many iterations it takes.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace photon::bench {

/// Puts what one run of a benchmark has measured where it belongs.
using Keep = std::function<void()>;

class SuiteReporter final : public benchmark::BenchmarkReporter {
 public:
  /// To be made after benchmark::Initialize, which knows the format of standard output.
  SuiteReporter() : display_(benchmark::CreateDefaultDisplayReporter()) {}

  /// A run of this benchmark has ended. `keep` is called if the library reports it.
  void ran(const std::string& benchmark, Keep keep) { runs_[benchmark].push_back({false, std::move(keep)}); }
  void failed(const std::string& benchmark) { runs_[benchmark].push_back({true, {}}); }
  int64_t failures() const { return failures_; }  ///< reported runs that ended in an error

  bool ReportContext(const Context& context) override { return display_->ReportContext(context); }
  void ReportRuns(const std::vector<Run>& reported) override;
  void Finalize() override { display_->Finalize(); }

 private:
  struct Ended {
    bool failed;
    Keep keep;
  };
  benchmark::BenchmarkReporter* display_;           ///< the library's own
  std::map<std::string, std::vector<Ended>> runs_;  ///< by benchmark, in order; none that were reported
  int64_t failures_ = 0;
};

}  // namespace photon::bench
