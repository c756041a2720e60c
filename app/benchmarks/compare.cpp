// SPDX-License-Identifier: Apache-2.0
#include "app/benchmarks/compare.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/json.h"
#include "bench/compare.h"
#include "core/base/error.h"

namespace photon::app {
namespace {

struct Options {
  std::filesystem::path a;
  std::filesystem::path b;
  double confidence_percent = 95.0;
  double same_percent = 2.0;
  std::string format = "md";
};

void run(const Options& o) {
  const bench::CompareRule rule{.confidence = o.confidence_percent / 100.0,
                                .same_within = o.same_percent / 100.0};
  const bench::CompareReport report = bench::compare(o.a, o.b, rule);
  if (o.format == "md") {
    fmt::print("{}", to_markdown(report, rule));
  } else if (o.format == "csv") {
    fmt::print("{}", to_csv(nlohmann::ordered_json::parse(to_json(report, rule))["comparisons"]));
  } else {
    fmt::print("{}", to_json(report, rule));
  }
}

}  // namespace

void add_bench_compare(CommandLine command) {
  const auto o = std::make_shared<Options>();
  command.add_option("a", o->a, "Results of photon bench").type_name("A.csv").required();
  command.add_option("b", o->b, "Others, of the same cases").type_name("B.csv").required();
  command.add_option("--confidence", o->confidence_percent, "Of each interval, in percent")
      .check(in_range(50.0, 99.9))
      .capture_default_str();
  command.add_option("--same-within", o->same_percent, "Speeds that differ by less are the same, in percent")
      .check(in_range(0.0, 50.0))
      .capture_default_str();
  command.add_format(o->format);
  command.footer(
      "Rows of one case in a file are runs of it: measure several times to know how runs differ.\n"
      "  for i in 1 2 3; do photon bench photon-tiny --out before.csv; done\n"
      "The rule of the verdicts is in docs/numbers.md.\n"
      "Example:\n  photon bench compare before.csv after.csv");
  command.callback([o] { run(*o); });
}

}  // namespace photon::app
