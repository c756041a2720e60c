// SPDX-License-Identifier: Apache-2.0
// Whole simulations: models on machines, from load to row.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "analysis/figures/figures.h"
#include "analysis/simulation/study.h"
#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/model/model_config.h"
#include "tests/core/base/temp_folder.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

using namespace analysis::simulation;

Study study_of(const std::string& model, double rate, Generation generation = Generation::hiergen) {
  const auto configs = share_folder() / "configs";
  Study s;
  s.service.spec = load_model_spec(configs / "models" / (model + ".toml"));
  s.service.generation = generation;
  s.hardware = load_hardware(configs / "hardware" / "h200.toml");
  s.load.arrivals = rate > 0.0 ? ArrivalLaw{.kind = ArrivalLaw::Kind::poisson, .rate = rate}
                               : ArrivalLaw{.kind = ArrivalLaw::Kind::at_once};
  s.load.prompt = parse_length_law("lognormal:1000:1", "--prompt");
  s.load.answer = parse_length_law("lognormal:200:1", "--new");
  s.load.requests = 3000;
  s.load.seed = 1;
  s.efficiency.source = "given";
  return s;
}

Row mid_row(const Study& study) {
  const auto rows = run_study(study, nullptr, {});
  return rows[rows.size() / 2];
}

/// Counts what the requests of a step hold, all alike here, without asking the replica.
class Auditor final : public StepCosts {
 public:
  Auditor(ModelCosts& costs, double held_bytes, double room)
      : costs_(costs), held_bytes_(held_bytes), room_(room) {}

  ServicePlan plan(const Request& request) const override { return costs_.plan(request); }
  double step_seconds(std::span<const PrefillPiece> prefill, std::span<const DecodeRow> rows) override {
    EXPECT_LE(held_bytes_ * static_cast<double>(prefill.size() + rows.size()), room_);
    return costs_.step_seconds(prefill, rows);
  }

 private:
  ModelCosts& costs_;
  double held_bytes_;
  double room_;
};

TEST(Simulation, MemoryIsFilledAndNeverExceeded) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  for (int repeat = 0; repeat < 40; ++repeat) {
    Service s{.spec = dice.spec(repeat % 4)};
    if (s.spec.depth() >= 2 && dice(0, 1) == 1) s.generation = Generation::recgen;
    s.samples = dice(1, 3);
    s.prefill_tokens = dice(1, 100);
    const Request like{.arrival = 0.0, .prompt = dice(1, 500), .answer = dice(1, 300)};
    const std::vector<Request> requests(300, like);
    Ceilings ceilings;
    ceilings.bandwidth = ceilings.matrix_rate = 1e6;
    ModelCosts costs(s, ceilings, {}, 1000);
    const double each = costs.plan(like).prefill_bytes;
    const auto fits = dice(1, 200);
    FleetConfig config;
    config.replica.room_bytes = each * (static_cast<double>(fits) + 0.5);
    config.replica.prefill_units = costs.prefill_units();
    config.replica.samples = s.samples;
    Auditor auditor(costs, costs.plan(like).held_bytes, config.replica.room_bytes);
    const Outcome outcome = simulate(requests, config, auditor);
    EXPECT_LE(outcome.steps.peak_bytes, config.replica.room_bytes);
    // Where prefill needs more than decode does, others enter when it has ended.
    EXPECT_GE(outcome.steps.peak_requests, fits);
    if (costs.plan(like).held_bytes == each) {
      EXPECT_EQ(outcome.steps.peak_requests, fits);
    }
  }
}

TEST(Simulation, AsManyRequestsFitAsThePlanSays) {
  for (const char* const model : {"vanilla-600m", "block-600m", "photon-600m"}) {
    Study s = study_of(model, 0.0);
    s.load.prompt = parse_length_law("16384", "--prompt");
    s.load.answer = parse_length_law("512", "--new");
    s.load.requests = 2000;
    const Row row = mid_row(s);
    Workload w{.prompt = 16384, .new_tokens = 512};
    const double local = local_bytes(s.service.spec, w);
    const double ideal = kv_bytes_ideal(s.service.spec, w);
    const auto most = static_cast<double>(largest_batch(s.service.spec, w, s.hardware.memory_bytes));
    EXPECT_LE(static_cast<double>(row.batch_peak), most) << model;
    EXPECT_NEAR(static_cast<double>(row.batch_peak), most * ideal / (ideal + local), 1.0) << model;
    EXPECT_NEAR(row.requests_per_gib, 0x1p30 / (ideal + local), 1e-3) << model;
  }
}

TEST(Simulation, TheSameSeedGivesTheSameRowAndAnotherDoesNot) {
  Study s = study_of("photon-600m", 500.0);
  s.replicas = 2;
  const auto rows = [&] { return to_csv(run_study(s, nullptr, {})); };
  const std::string first = rows();
  EXPECT_EQ(first, rows());
  s.load.seed = 2;
  EXPECT_NE(first, rows());
}

TEST(Simulation, LatencyGrowsWithTheLoadAndThroughputDoesNotFall) {
  for (const char* const model : {"vanilla-600m", "photon-600m"}) {
    Row last = mid_row(study_of(model, 5.0));
    for (const double rate : {20.0, 80.0, 320.0, 1280.0}) {
      const Row row = mid_row(study_of(model, rate));
      EXPECT_GE(row.ttft_p50_seconds, last.ttft_p50_seconds * 0.999) << model << rate;
      EXPECT_GE(row.ttft_p99_seconds, last.ttft_p99_seconds * 0.999) << model << rate;
      EXPECT_GE(row.burst_p99_seconds, last.burst_p99_seconds * 0.98) << model << rate;
      EXPECT_GE(row.throughput_tokens_per_s, last.throughput_tokens_per_s * 0.99) << model << rate;
      EXPECT_GE(row.utilisation, last.utilisation * 0.999) << model << rate;
      last = row;
    }
    // What arrives at once is done as fast as what arrives too fast.
    EXPECT_NEAR(mid_row(study_of(model, 0.0)).throughput_tokens_per_s /
                    mid_row(study_of(model, 1e5)).throughput_tokens_per_s,
                1.0, 0.02);
  }
}

TEST(Simulation, AFleetBelowItsCapacityDoesWhatArrives) {
  for (const int64_t replicas : {1, 3}) {
    Study s = study_of("block-600m", 200.0);
    s.replicas = replicas;
    s.load.requests = 20'000;
    const Row row = mid_row(s);
    EXPECT_NEAR(row.requests_per_s / 200.0, 1.0, 0.05);
    EXPECT_NEAR(row.throughput_tokens_per_s / (200.0 * row.new_tokens), 1.0, 0.08);
    EXPECT_EQ(row.done_at_last_arrival + row.in_flight_at_last_arrival, row.requests);
    EXPECT_GT(row.cost_per_million_tokens, 0.0);
    EXPECT_NEAR(row.cost_per_million_tokens,
                *s.hardware.price_per_hour * static_cast<double>(replicas) / 3600.0 * 1e6 /
                    row.throughput_tokens_per_s,
                1e-9 * row.cost_per_million_tokens);
  }
}

TEST(Simulation, TheBandOfTheEfficiencyShowsInEveryFigure) {
  Study s = study_of("photon-600m", 0.0);
  s.efficiency = {{0.3, 0.4}, {0.5, 0.5}, {0.8, 0.7}, "given"};
  const auto rows = run_study(s, nullptr, {});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].band + rows[1].band + rows[2].band, "lowmidhigh");
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_GT(rows[i].throughput_tokens_per_s, rows[i - 1].throughput_tokens_per_s);
    EXPECT_LT(rows[i].ttft_p99_seconds, rows[i - 1].ttft_p99_seconds);
    EXPECT_LT(rows[i].cost_per_million_tokens, rows[i - 1].cost_per_million_tokens);
  }
  s.efficiency = {{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}, "given"};
  const auto point = run_study(s, nullptr, {});
  ASSERT_EQ(point.size(), 1u);
  EXPECT_EQ(point[0].throughput_tokens_per_s, rows[1].throughput_tokens_per_s);
}

TEST(Simulation, TheFewestReplicasAreEnoughAndOneLessIsNot) {
  Study s = study_of("vanilla-600m", 150.0);
  s.limits = {.ttft = 0.5, .burst = 0.2};
  s.replicas = 0;
  const Row fewest = mid_row(s);
  ASSERT_GT(fewest.replicas, 1);
  EXPECT_GE(fewest.within_limits, wanted_share);
  s.replicas = fewest.replicas - 1;
  s.load.requests = fewest.requests;
  const Row less = mid_row(s);
  EXPECT_TRUE(less.load >= 1.0 || less.within_limits < wanted_share)
      << less.load << ' ' << less.within_limits;
  s.replicas = 0;
  s.load.requests = 3000;
  s.limits.ttft = 1e-9;  // nobody can
  EXPECT_THROW(run_study(s, nullptr, {}), Error);
}

TEST(Simulation, HierarchiesHoldMoreRequestsAndRecgenTheMost) {
  for (const char* const context : {"2048", "65536", "1000000"}) {
    double held = 0.0;
    for (const auto& [model, generation] : {std::pair{"vanilla-600m", Generation::hiergen},
                                            {"block-600m", Generation::hiergen},
                                            {"photon-600m", Generation::hiergen},
                                            {"photon-600m", Generation::recgen}}) {
      Study s = study_of(model, 0.0, generation);
      s.load.prompt = parse_length_law(context, "--prompt");
      s.load.requests = 20;
      const Row row = mid_row(s);
      EXPECT_GT(row.requests_per_gib, held) << model << ' ' << context;
      held = row.requests_per_gib;
    }
  }
}

TEST(Simulation, RequestsThatDoNotFitAreRefusedOneByOneOrAltogether) {
  Study s = study_of("vanilla-600m", 0.0);
  s.hardware.memory_bytes = int64_t{4} << 30;
  s.load.prompt = parse_length_law("uniform:1000:50000", "--prompt");
  s.load.answer = parse_length_law("10", "--new");
  s.load.requests = 300;
  const Row row = mid_row(s);
  EXPECT_GT(row.refused, 100);
  EXPECT_LT(row.refused, 300);
  EXPECT_GT(row.throughput_tokens_per_s, 0.0);
  s.load.prompt = parse_length_law("50000", "--prompt");
  EXPECT_THROW(run_study(s, nullptr, {}), Error);
  s.hardware.memory_bytes = int64_t{1} << 30;  // not even the weights
  EXPECT_THROW(run_study(s, nullptr, {}), Error);
}

TEST(Efficiency, IsReadFromWordsAndFromMeasurements) {
  EXPECT_EQ(parse_band("0.5", "--x"), (std::array{0.5, 0.5, 0.5}));
  EXPECT_EQ(parse_band("0.3:0.5:1", "--x"), (std::array{0.3, 0.5, 1.0}));
  for (const char* const text :
       {"", "0", "10.1", "1.01", "0.5:0.9:1.1", "0.5:0.6", "0.6:0.5:0.7", "nan", "0.1:0.2:0.3:0.4", "a"}) {
    EXPECT_THROW(parse_band(text, "--x"), UsageError) << text;
  }
}

TEST(Efficiency, IsThatOfTheModelOnTheMachineInRows) {
  const ModelSpec spec = load_model_spec(share_folder() / "configs" / "models" / "photon-600m.toml");
  std::vector<ResultRow> rows(12);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].set("kind", "bench");
    rows[i].set("model", "photon-600m");
    rows[i].set("architecture", "photon");
    rows[i].set("reading", "causal");
    rows[i].set("generation", "hiergen");
    rows[i].set("device", "NVIDIA H200");
    rows[i].set("dtype", "bfloat16");
    rows[i].set("prefill_serial_fraction", 0.09 * static_cast<double>(i));  // the first one is no speed
    rows[i].set("decode_serial_fraction", 0.5);
  }
  const auto band_of = [&](Generation generation, const char* device, const char* dtype) {
    return measured_band(rows, {.spec = spec, .generation = generation, .device = device, .dtype = dtype});
  };
  const EfficiencyBand band = band_of(Generation::hiergen, "NVIDIA H200", "bfloat16");
  EXPECT_NEAR(band.low.prefill, 0.18, 1e-12);
  EXPECT_NEAR(band.mid.prefill, 0.54, 1e-12);
  EXPECT_NEAR(band.high.prefill, 0.9, 1e-12);
  EXPECT_EQ(band.mid.decode, 0.5);
  EXPECT_EQ(band.source, "11 measured rows");
  EXPECT_THROW(band_of(Generation::recgen, "NVIDIA H200", "bfloat16"), Error);
  EXPECT_TRUE(holds(message_of<Error>([&] { band_of(Generation::hiergen, "NVIDIA B200", "bfloat16"); }),
                    {"'NVIDIA B200'", "there are rows of 'NVIDIA H200' in bfloat16"}));
  EXPECT_THROW(band_of(Generation::hiergen, "NVIDIA H200", "float32"), Error);
  // Another model of the same architecture has rows of its own.
  rows[11].set("model", "photon-900m");
  rows[10].set("reading", "parallel");
  EXPECT_EQ(band_of(Generation::hiergen, "NVIDIA H200", "bfloat16").source, "9 measured rows");
  rows[3].set("decode_serial_fraction", 1.2);
  EXPECT_TRUE(holds(message_of<Error>([&] { band_of(Generation::hiergen, "NVIDIA H200", "bfloat16"); }),
                    {"photon-600m under hiergen", "1.2 in decode", "above 1"}));
}

TEST(SimulationRows, AreReadBackAsWritten) {
  Study s = study_of("photon-600m", 50.0);
  s.load.requests = 50;
  s.hardware.name = "a \"quoted\", name";
  auto rows = run_study(s, nullptr, {});
  s.limits.ttft = 0.25;
  for (Row& row : run_study(s, nullptr, {})) rows.push_back(row);
  const TempFolder folder;
  write_text(folder / "rows.csv", to_csv(rows));
  EXPECT_EQ(to_csv(read_rows(folder / "rows.csv")), to_csv(rows));

  std::string text = to_csv(rows);
  text.replace(text.find("\n2,") + 1, 1, "7");
  write_text(folder / "old.csv", text);
  const std::string old = message_of<Error>([&] { read_rows(folder / "old.csv"); });
  EXPECT_NE(old.find("old.csv, line 2, column schema_version: this is '7'"), std::string::npos) << old;
  text = to_csv(rows);
  text.replace(text.find("utilisation"), 11, "utilization");
  write_text(folder / "other.csv", text);
  EXPECT_NE(message_of<Error>([&] { read_rows(folder / "other.csv"); }).find("'utilization'"),
            std::string::npos);
  write_text(folder / "none.csv", "a,b\n1,2\n");
  EXPECT_NE(message_of<Error>([&] { read_rows(folder / "none.csv"); }).find("no rows of photon simulate"),
            std::string::npos);
}

TEST(SimulationRows, AreReadInLinesOf120Characters) {
  std::vector<Row> rows;
  for (const double rate : {5.0, 50.0, 500.0, 5000.0}) {
    Study s = study_of("photon-600m", rate);
    s.load.requests = 2000;
    s.limits.token = 0.02;
    rows.push_back(mid_row(s));
  }
  rows[1].throughput_tokens_per_s = 1234567.8;
  const std::string text = to_markdown(rows);
  size_t tables = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto characters =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(characters, 120) << line;
    tables += line.starts_with("|-") ? 1 : 0;
  }
  EXPECT_GT(tables, 0u);
  EXPECT_NE(text.find(" 1234568 "), std::string::npos) << text;
  EXPECT_NE(text.find(" ± "), std::string::npos) << text;
  EXPECT_EQ(text.find("e+"), std::string::npos) << text;
  // No row is lost between the tables.
  size_t models = 0;
  for (size_t at = 0; (at = text.find("| photon-600m ", at)) != std::string::npos; ++at) ++models;
  EXPECT_EQ(models, rows.size());
}

TEST(SimulationRows, EveryColumnIsDefined) {
  std::ostringstream text;
  text << std::ifstream(share_folder() / "docs" / "numbers.md").rdbuf();
  for (const Column& column : columns()) {
    EXPECT_NE(text.str().find("`" + std::string(column.name) + "`"), std::string::npos) << column.name;
  }
}

TEST(SimulationFigures, AreDrawnWhereSomethingDiffers) {
  std::vector<Row> rows;
  const auto add = [&](Study s) {
    s.load.requests = 60;
    s.efficiency = {{0.4, 0.4}, {0.5, 0.5}, {0.6, 0.6}, "given"};
    for (Row& row : run_study(s, nullptr, {})) rows.push_back(std::move(row));
  };
  add(study_of("photon-600m", 50.0));
  EXPECT_TRUE(analysis::simulation_figures(rows).empty());
  for (const char* const model : {"photon-600m", "vanilla-600m"}) add(study_of(model, 100.0));
  for (const int64_t samples : {1, 4}) {
    Study s = study_of("photon-600m", 0.0, Generation::recgen);
    s.service.samples = samples;
    add(s);
  }
  for (const char* const prompt : {"1000", "100000"}) {
    Study s = study_of("block-600m", 0.0);
    s.load.prompt = parse_length_law(prompt, "--prompt");
    s.prompt_law = prompt;
    add(s);
  }
  std::vector<std::string> names;
  for (const auto& [figure, caption] : analysis::simulation_figures(rows)) {
    names.push_back(figure.name);
    EXPECT_FALSE(caption.markup.empty());
    EXPECT_NE(gnuplot_script(figure).find(figure.name), std::string::npos);
    for (const auto& panel : figure.panels) {
      for (const auto& series : panel.series) EXPECT_FALSE(series.points.empty()) << series.title;
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"simulated-load", "simulated-context", "simulated-samples"}));
}

}  // namespace
}  // namespace photon::testing
