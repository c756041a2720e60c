#include "app/bench_profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/bench_words.h"
#include "bench/sweep.h"
#include "core/atomic_file.h"
#include "core/error.h"

namespace photon {
namespace {

/// The case as the name of an NVTX range: these separate ranges from each other and from their domain.
std::string range_name(const bench::Case& c) {
  std::string name = describe(c);
  std::replace_if(
      name.begin(), name.end(), [](char x) { return x == '/' || x == ':'; }, '-');
  return name;
}

std::string megabytes(double bytes) {
  return bytes > 0.0 ? fmt::format("{:.4g}", bytes / 1e6) : "";
}

}  // namespace

void profile_cases(std::vector<bench::Case> cases, InferenceModel& model, bench::Runner& runner,
                   uint64_t seed, std::vector<LaunchSum>& sums) {
  for (bench::Case& c : cases) {
    try {
      if (c.batch == bench::sweep_max) {
        const auto batch = runner.largest_batch(c, model);
        if (!batch) throw Error("interrupted; nothing was written");
        c.batch = *batch;
      }
      const auto launches = model.profile(bench::request_of(c, c.batch, seed), range_name(c));
      say(fmt::format("{}: {} launches", range_name(c), launches.size()));
      const auto of_case = sum_launches(launches);
      sums.insert(sums.end(), of_case.begin(), of_case.end());
    } catch (const bench::DoesNotFit& e) {
      say(fmt::format("skipped: {}", e.what()));
    }
  }
}

void finish_profile(const std::vector<LaunchSum>& sums, const std::filesystem::path& file) {
  if (sums.empty()) throw Error("no case fits into memory: nothing was profiled");
  fmt::print(
      "| scope | op | launches | weights, MB | cache, MB | other, MB | GFLOP | from |\n"
      "|---|---|--:|--:|--:|--:|--:|---|\n");
  for (const LaunchSum& s : sums) {
    fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} |\n", s.scope, s.op, s.launches,
               megabytes(s.work.weight_bytes), megabytes(s.work.kv_bytes()), megabytes(s.work.other_bytes),
               s.work.flops > 0.0 ? fmt::format("{:.4g}", s.work.flops / 1e9) : "", s.file);
  }
  write_file_atomically(file, to_csv(sums));
  say(fmt::format("written to {}", file.string()));
}

}  // namespace photon
