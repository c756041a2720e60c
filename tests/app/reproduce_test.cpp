// SPDX-License-Identifier: Apache-2.0
// photon reproduce end to end, on the Markov source and two tiny trainings.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "core/base/paths.h"
#include "core/results/results.h"
#include "tests/app/run_photon.h"
#include "tests/core/base/temp_folder.h"

namespace photon::testing {
namespace {

std::string small_study(const std::filesystem::path& out) {
  return fmt::format(
      "reproduce --out '{}' --set corpus.source=markov --set corpus.vocab=384 "
      "--set 'models=[\"configs/models/photon-tiny.toml\", \"configs/models/vanilla-tiny.toml\"]' --set "
      "'seeds=[1]' "
      "--set training.context=64 --set training.tokens=60000 --set training.warmup=0.1 "
      "--set 'chosen.flops.photon-tiny={{batch = 8, learning_rate = 2e-3}}' "
      "--set 'chosen.flops.vanilla-tiny={{batch = 8, learning_rate = 2e-3}}' "
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

  const auto quality = read_results(out / "results" / "eval-vanilla-tiny-seed1.csv");
  ASSERT_EQ(quality.size(), 1u);
  EXPECT_EQ(quality[0].number("training_batch"), 8.0);
  EXPECT_EQ(quality[0].number("learning_rate"), 2e-3);
  EXPECT_EQ(*quality[0].number("training_steps") * 8 * 64, *quality[0].number("training_tokens"));
  EXPECT_TRUE(quality[0].empty("ladder")) << "no ladder was climbed on this text";
  EXPECT_NE(first.out.find("no ladder of batch and rate stands behind"), std::string::npos) << first.out;

  const ProgramRun second = run_photon(small_study(out));
  EXPECT_EQ(second.code, 0) << second.messages;
  EXPECT_EQ(second.messages.find("train photon-tiny seed 1, 8 x 0.002\n"), std::string::npos)
      << second.messages;
  EXPECT_NE(second.messages.find("train photon-tiny seed 1, 8 x 0.002: current"), std::string::npos)
      << second.messages;
}

TEST(Reproduce, DryRunOfThePapersSettingTellsWhatItTakes) {
  const auto config = share_folder() / "configs" / "reproduce" / "paper.toml";
  const ProgramRun run = run_photon(fmt::format("reproduce '{}' --dry-run", config.string()));
  ASSERT_EQ(run.code, 0) << run.messages;
  EXPECT_NE(run.out.find("| photon-600m | 646399104 | 256 | 0.0003 | none | 256000 |"), std::string::npos)
      << run.out;
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

/// One model on a ladder of one rung, which is every edge.
std::string small_ladder(const std::filesystem::path& out) {
  return small_study(out) +
         " --set 'models=[\"configs/models/vanilla-tiny.toml\"]' --set training.tokens=2048 --set "
         "corpus.validation=0.001 --set corpus.test=0.001 --set training.validations=0 --set "
         "'ladder.batches=[2]' --set "
         "'ladder.learning_rates=[4e-3]'";
}

TEST(Reproduce, ALadderGrowsUntilItsBestIsAtNoEdgeAndAStudyHoldsToIt) {
  const TempFolder folder;
  const auto out = folder / "study";
  const ProgramRun climbed = run_photon(small_ladder(out) + " --ladder");
  ASSERT_EQ(climbed.code, 0) << climbed.messages;
  const auto rows = read_results(out / "ladder.csv");
  std::map<std::pair<double, double>, double> losses;
  for (const ResultRow& row : rows) {
    EXPECT_EQ(row.text("kind"), "ladder");
    EXPECT_EQ(row.text("corpus"), "markov/validation");
    losses[{*row.number("training_batch"), *row.number("learning_rate")}] = *row.number("token_nll");
  }
  ASSERT_EQ(losses.size(), rows.size()) << "a rung twice";
  const auto best = std::min_element(losses.begin(), losses.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto [batch, rate] = best->first;
  EXPECT_LT(losses.begin()->first.first, batch == 1.0 ? 2.0 : batch)
      << "the best has a smaller batch beside it";
  EXPECT_GT(losses.rbegin()->first.first, batch);
  for (const bool above : {false, true}) {
    EXPECT_TRUE(std::any_of(losses.begin(), losses.end(), [&](const auto& l) {
      return above ? l.first.second > rate : l.first.second < rate;
    })) << climbed.out;
  }
  const std::string line = fmt::format("vanilla-tiny = {{batch = {}, learning_rate = {:g}}}", batch, rate);
  EXPECT_NE(climbed.out.find(line), std::string::npos) << climbed.out;

  // A study that names these rows: with the best rung, with another one, with trainings of another length.
  const std::string named =
      small_ladder(out) + fmt::format(" --set 'chosen.ladder={}'", (out / "ladder.csv").string());
  const auto with = [&](double b, double r) {
    return named +
           fmt::format(" --set 'chosen.flops.vanilla-tiny={{batch = {}, learning_rate = {:g}}}'", b, r);
  };
  const ProgramRun study = run_photon(with(batch, rate) + " --dry-run");
  ASSERT_EQ(study.code, 0) << study.messages;
  EXPECT_NE(study.out.find("| " + (out / "ladder.csv").string() + " |"), std::string::npos) << study.out;
  // A rung that diverged was tried: the ladder is not shorter for it.
  std::vector<ResultRow> lost = rows;
  for (ResultRow& row : lost) {
    if (*row.number("training_batch") == batch && *row.number("learning_rate") == rate) continue;
    for (const char* column : {"token_nll", "token_nll_error", "perplexity", "bits_per_byte"})
      row.set(column, "");
    row.set("stop", "diverged");
  }
  std::filesystem::rename(out / "ladder.csv", out / "sound.csv");
  append_results(out / "ladder.csv", lost);
  const ProgramRun diverged = run_photon(with(batch, rate) + " --dry-run");
  ASSERT_EQ(diverged.code, 0) << diverged.messages;
  EXPECT_NE(diverged.out.find("| " + (out / "ladder.csv").string() + " |"), std::string::npos)
      << diverged.out;
  std::filesystem::rename(out / "sound.csv", out / "ladder.csv");

  const ProgramRun other = run_photon(with(2 * batch, rate) + " --dry-run");
  EXPECT_EQ(other.code, 2) << "the setting came from the command line";
  EXPECT_NE(other.messages.find("as the best of vanilla-tiny"), std::string::npos) << other.messages;
  const ProgramRun longer = run_photon(with(2 * batch, rate) + " --set training.tokens=4096 --dry-run");
  EXPECT_EQ(longer.code, 0) << "these rows say nothing of longer trainings: " << longer.messages;
  EXPECT_NE(longer.out.find("| none |"), std::string::npos) << longer.out;
}

TEST(Reproduce, EveryStudyHoldsToTheLadderThatItNames) {
  for (const char* name : {"default", "gpu-small", "paper"}) {
    const auto config = share_folder() / "configs" / "reproduce" / fmt::format("{}.toml", name);
    for (const char* match : {"flops", "tokens"}) {
      const ProgramRun run =
          run_photon(fmt::format("reproduce '{}' --dry-run --set training.match={}", config.string(), match));
      EXPECT_EQ(run.code, 0) << name << ", " << match << ": " << run.messages;
    }
  }
}

TEST(Reproduce, RefusesAnUnknownKeyAndAMissingConfig) {
  EXPECT_EQ(run_photon("reproduce --dry-run --set training.tokns=5").code, 2);
  EXPECT_EQ(run_photon("reproduce nowhere.toml --dry-run").code, 2);
  const ProgramRun idle = run_photon("reproduce --dry-run --set training.batch=8");
  EXPECT_EQ(idle.code, 2) << "nothing would come of it";
  EXPECT_NE(idle.messages.find("chosen.flops.photon-tiny"), std::string::npos) << idle.messages;
}

}  // namespace
}  // namespace photon::testing
