// SPDX-License-Identifier: Apache-2.0
#include "app/bench_compare.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "bench/compare.h"
#include "core/base/error.h"

namespace photon {
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
  fmt::print("{}", o.format == "md" ? to_markdown(report, rule) : to_json(report, rule));
}

}  // namespace

void add_bench_compare(CommandLine& bench) {
  const auto o = std::make_shared<Options>();
  CommandLine command =
      bench.add_subcommand("compare", "How much faster B is than A, case by case, and how sure that is");
  command.add_option("a", o->a, "Results of photon bench").type_name("A.csv").required();
  command.add_option("b", o->b, "Others, of the same cases").type_name("B.csv").required();
  command.add_option("--confidence", o->confidence_percent, "Of each interval, in percent")
      .check(in_range(50.0, 99.9))
      .capture_default_str();
  command.add_option("--same-within", o->same_percent, "Speeds that differ by less are the same, in percent")
      .check(in_range(0.0, 50.0))
      .capture_default_str();
  command.add_option("--format", o->format, "md or json").check(one_of({"md", "json"})).capture_default_str();
  command.footer(
      "Rows of one case in a file are runs of it: measure several times to know how runs differ.\n"
      "  for i in 1 2 3; do photon bench MODEL.toml --out before.csv; done\n"
      "The rule of the verdicts is in docs/numbers.md.");
  command.callback([o] { run(*o); });
}

}  // namespace photon
