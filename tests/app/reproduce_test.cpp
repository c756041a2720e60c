// photon reproduce end to end, on the Markov source and two tiny trainings.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "core/paths.h"
#include "core/results.h"
#include "tests/app/run_photon.h"
#include "tests/core/temp_folder.h"

namespace photon::testing {
namespace {

std::string small_study(const std::filesystem::path& out) {
  return fmt::format(
      "reproduce --out '{}' --set corpus.source=markov --set corpus.vocab=384 "
      "--set 'models=[\"configs/models/photon-tiny.toml\", \"configs/models/vanilla-tiny.toml\"]' --set "
      "'seeds=[1]' "
      "--set training.context=64 --set training.batch=8 --set training.tokens=60000 --set training.warmup=10 "
      "--set bench.regimes=pf/64,de/64 --set bench.batches=1 --set bench.seconds=0.05 --set "
      "bench.recgen_prompt=0",
      out.string());
}

TEST(Reproduce, RunsEveryStageOnceAndEndsWithTableAndReport) {
  const TempFolder folder;
  const auto out = folder / "study";
  const ProgramRun first = run_photon(small_study(out));
  ASSERT_EQ(first.code, 0) << first.messages;
  EXPECT_NE(first.out.find("photon-tiny"), std::string::npos) << first.out;
  EXPECT_NE(first.out.find("report: " + (out / "report" / "index.html").string()), std::string::npos)
      << first.out;
  const std::string page = read_text(out / "report" / "index.html");
  EXPECT_NE(page.find("arkov"), std::string::npos) << "the page must say that this is no English";
  const auto rows = read_results(out / "results" / "bench-photon-tiny.csv");
  ASSERT_EQ(rows.size(), 6u);  // two regimes; hiergen, recgen streamed and unrolled
  for (const ResultRow& row : rows) {
    EXPECT_GT(row.number("decode_serial_seconds").value_or(0.0), 0.0);
    EXPECT_FALSE(row.empty("decode_bound"));
  }

  const ProgramRun second = run_photon(small_study(out));
  EXPECT_EQ(second.code, 0) << second.messages;
  EXPECT_EQ(second.messages.find("train photon-tiny seed 1\n"), std::string::npos) << second.messages;
  EXPECT_NE(second.messages.find("train photon-tiny seed 1: current"), std::string::npos) << second.messages;
}

TEST(Reproduce, DryRunOfThePapersSettingTellsWhatItTakes) {
  const auto config = share_folder() / "configs" / "reproduce" / "paper.toml";
  const ProgramRun run = run_photon(fmt::format("reproduce '{}' --dry-run", config.string()));
  ASSERT_EQ(run.code, 0) << run.messages;
  EXPECT_NE(run.out.find("| photon-600m | 646399104 | 256000 |"), std::string::npos) << run.out;
}

TEST(Reproduce, DryRunOfTheGpuStudyTellsStagesAndSizes) {
  const auto config = share_folder() / "configs" / "reproduce" / "gpu-small.toml";
  const ProgramRun run = run_photon(fmt::format("reproduce '{}' --dry-run", config.string()));
  ASSERT_EQ(run.code, 0) << run.messages;
  for (const char* model :
       {"photon-20m", "block-20m", "vanilla-20m", "photon-60m", "block-60m", "vanilla-60m"}) {
    const size_t at = run.out.find(fmt::format("| train {} |", model));
    ASSERT_NE(at, std::string::npos) << run.out;
    const std::string line = run.out.substr(at, run.out.find('\n', at) - at);
    const double minutes = std::stod(line.substr(line.rfind('|', line.size() - 2) + 1));
    EXPECT_GT(minutes, 0.0) << line;
    EXPECT_LT(minutes, 8.0) << line;
    EXPECT_NE(run.out.find(fmt::format("| benchmark {} |", model)), std::string::npos) << run.out;
  }
  EXPECT_NE(run.out.find("| corpus | debian-large"), std::string::npos) << run.out;
}

TEST(Reproduce, RefusesAnUnknownKeyAndAMissingConfig) {
  EXPECT_EQ(run_photon("reproduce --dry-run --set training.tokns=5").code, 2);
  EXPECT_EQ(run_photon("reproduce nowhere.toml --dry-run").code, 1);
}

}  // namespace
}  // namespace photon::testing
