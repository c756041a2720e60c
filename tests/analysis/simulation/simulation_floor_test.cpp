// SPDX-License-Identifier: Apache-2.0
// No simulated row beats the floor of its own steps, worked out here from the architecture by hand (design,
// sections 2 and 4) without the cost model and without the simulator's tables.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/simulation/study.h"
#include "core/base/paths.h"
#include "core/cost/floor.h"
#include "core/model/model_config.h"
#include "tests/analysis/simulation/subjects.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

using namespace analysis::simulation;

/// Serial floors of steps of a model without windows: reading causal, K = 1, two-byte numbers.
class ByHand {
 public:
  ByHand(const ModelSpec& spec, Generation generation, const Ceilings& ceilings)
      : spec_(spec), recgen_(generation == Generation::recgen), c_(ceilings) {}

  double seconds(std::span<const PrefillPiece> pieces, std::span<const DecodeRow> rows) {
    seconds_ = 0.0;
    if (!pieces.empty()) prefill(pieces);
    if (!rows.empty()) decode(rows);
    return seconds_;
  }

 private:
  void operation(double bytes, double flops) {
    seconds_ += std::max(bytes / c_.bandwidth, flops / c_.matrix_rate);
  }
  void product(double elements, double rows) { operation(2.0 * elements, 2.0 * elements * rows); }
  static double elements(const StackShape& s, int64_t layers) {
    const auto d = static_cast<double>(s.width);
    const double kv = d * static_cast<double>(s.kv_heads) / static_cast<double>(s.heads);
    return static_cast<double>(layers) * (2.0 * d * d + 2.0 * d * kv + 3.0 * d * static_cast<double>(s.ffn));
  }
  static double row_bytes(const StackShape& s, int64_t layers) {
    return 4.0 * static_cast<double>(layers * s.width) * static_cast<double>(s.kv_heads) /
           static_cast<double>(s.heads);
  }
  void head(double rows) { product(static_cast<double>(spec_.vocab * spec_.base.width), rows); }

  /// Queries at positions [from, to), each seeing all before it and itself; `read` rows come from the cache.
  void attention(const StackShape& s, int64_t layers, double pairs, double read, double written) {
    operation(row_bytes(s, layers) * (read + written), 4.0 * static_cast<double>(s.width * layers) * pairs);
  }

  void prefill(std::span<const PrefillPiece> pieces) {
    const int depth = spec_.depth();
    for (int l = depth == 0 ? 0 : 1; l <= depth; ++l) {
      const StackShape& shape = depth == 0 ? spec_.base : spec_.shape(l);
      const int64_t layers = depth == 0 ? spec_.layers : spec_.level(l).encoder_layers;
      double units_per_step = 1.0;
      for (int above = l + 1; above <= depth; ++above) {
        units_per_step *= static_cast<double>(spec_.level(above).chunk);
      }
      double units = 0.0;
      double pairs = 0.0;
      double read = 0.0;
      double written = 0.0;
      double last = 0.0;
      for (const PrefillPiece& p : pieces) {
        const double from = units_per_step * static_cast<double>(p.from);
        const double to = units_per_step * static_cast<double>(p.to);
        units += to - from;
        pairs += 0.5 * (to * (to + 1.0) - from * (from + 1.0));
        read += from;
        if (!recgen_ || l == depth || p.from > 0 || !p.last) written += to - from;
        last += p.last ? 1.0 : 0.0;
      }
      if (l >= 2) {
        product(static_cast<double>(spec_.level(l).chunk * spec_.shape(l - 1).width * shape.width), units);
      }
      product(elements(shape, layers), units);
      attention(shape, layers, pairs, read, written);
      if (l == 0 && last > 0.0) head(last);
    }
  }

  void decode(std::span<const DecodeRow> rows) {
    const auto n = static_cast<double>(rows.size());
    if (spec_.depth() == 0) {
      product(elements(spec_.base, spec_.layers), n);
      head(n);
      encode_cached(spec_.base, spec_.layers, rows, 1.0);
    } else if (recgen_ || spec_.depth() == 1) {
      double chunks = n;
      for (int l = spec_.depth(); l >= 1; --l) {
        for (int64_t j = 0; j < spec_.level(l).chunk; ++j) window(l, chunks, j);
        chunks *= static_cast<double>(spec_.level(l).chunk);
      }
      encode(spec_.depth(), rows, 1.0);
    } else {
      chunk(spec_.depth(), rows);
      // Every unit of a level comes by itself, so its cache is read once for each.
      double units = 1.0;
      for (int l = spec_.depth(); l >= 1; --l) {
        encode(l, rows, units);
        units *= static_cast<double>(spec_.level(l).chunk);
      }
    }
  }

  /// Unit j of `chunks` windows of decoder l, with the head behind level 1.
  void window(int l, double chunks, int64_t j) {
    const LevelSpec& s = spec_.level(l);
    const StackShape& below = spec_.shape(l - 1);
    if (j == 0) product(static_cast<double>(s.prefix * s.shape.width * below.width), chunks);
    const auto first = static_cast<double>(j == 0 ? 0 : s.prefix + j - 1);
    const auto count = static_cast<double>(j == 0 ? s.prefix : 1);
    product(elements(below, s.decoder_layers), chunks * count);
    const double pairs = count * first + 0.5 * count * (count + 1.0);
    operation(0.0, 4.0 * static_cast<double>(below.width * s.decoder_layers) * chunks * pairs);
    if (l == 1) head(chunks);
  }

  /// A chunk of level l and all below it, unit after unit, without the encoders.
  void chunk(int l, std::span<const DecodeRow> rows) {
    for (int64_t j = 0; j < spec_.level(l).chunk; ++j) {
      window(l, static_cast<double>(rows.size()), j);
      if (l > 1) chunk(l - 1, rows);
    }
  }

  /// Encoder l of `units` units of every row, one after another.
  void encode(int l, std::span<const DecodeRow> rows, double units) {
    const LevelSpec& s = spec_.level(l);
    const auto n = static_cast<double>(rows.size());
    for (double u = 0.0; u < units; u += 1.0) {
      if (l >= 2) product(static_cast<double>(s.chunk * spec_.shape(l - 1).width * s.shape.width), n);
      product(elements(s.shape, s.encoder_layers), n);
    }
    encode_cached(s.shape, s.encoder_layers, rows, units);
  }

  void encode_cached(const StackShape& shape, int64_t layers, std::span<const DecodeRow> rows, double units) {
    double seen = 0.0;  // rows before
    for (const DecodeRow& row : rows) {
      for (double u = 0.0; u < units; u += 1.0) seen += static_cast<double>(row.unit) * units + u;
    }
    const double count = static_cast<double>(rows.size()) * units;
    attention(shape, layers, seen + count, seen, count);
  }

  const ModelSpec& spec_;
  bool recgen_;
  Ceilings c_;
  double seconds_ = 0.0;
};

/// Adds up, step by step, the simulated time of one replica that is never idle and the floor by hand.
class Watched final : public StepCosts {
 public:
  Watched(ModelCosts& costs, ByHand& floors) : costs_(costs), floors_(floors) {}

  ServicePlan plan(const Request& request) const override { return costs_.plan(request); }
  double step_seconds(std::span<const PrefillPiece> prefill, std::span<const DecodeRow> rows) override {
    const double seconds = costs_.step_seconds(prefill, rows);
    const double floor = floors_.seconds(prefill, rows);
    EXPECT_GE(seconds, floor * (1.0 - 1e-6));
    EXPECT_LE(seconds, floor * 1.001);  // or the line above says little
    clock_ += seconds;
    steps_.emplace_back(clock_, floor);
    return seconds;
  }

  /// Of the steps that ended by then.
  double floor_until(double time) const {
    double sum = 0.0;
    for (const auto& [end, floor] : steps_) sum += end <= time * (1.0 + 1e-12) ? floor : 0.0;
    return sum;
  }

 private:
  ModelCosts& costs_;
  ByHand& floors_;
  double clock_ = 0.0;
  std::vector<std::pair<double, double>> steps_;
};

LengthLaw fixed(int64_t tokens) {
  return {.kind = LengthLaw::Kind::fixed, .first = static_cast<double>(tokens)};
}

/// Room for so many equal requests.
void make_room(Study& s, int64_t prompt, int64_t answer, int64_t count) {
  const Workload w{.prompt = prompt, .new_tokens = answer, .generation = s.service.generation};
  const double each = kv_bytes_ideal(s.service.spec, w) + local_bytes(s.service.spec, w);
  const double bytes = weights_bytes(s.service.spec, 2) + (static_cast<double>(count) + 0.5) * each;
  s.hardware.memory_bytes = static_cast<int64_t>(bytes / 0.95);
}

TEST(SimulationFloor, NoRowIsAboveTheSumOfTheFloorsOfItsOwnSteps) {
  for (const Subject& subject : subjects) {
    SCOPED_TRACE(fmt::format("{} {}", subject.model, to_string(subject.generation)));
    Study s = study_of(subject);
    s.load.prompt = parse_length_law("lognormal:600:1", "--prompt");
    s.load.answer = parse_length_law("lognormal:300:0.7", "--new");
    s.load.requests = 400;
    make_room(s, 600, 300, 60);
    const std::vector<Request> requests = make_requests(s.load, nullptr);
    ModelCosts costs = study_costs(s, {}, requests);
    ByHand floors(s.service.spec, subject.generation, s.hardware.ceilings(s.dtype));
    Watched watched(costs, floors);
    FleetConfig config;
    config.replica.room_bytes = costs.room_bytes(s.hardware.memory_bytes);
    config.replica.prefill_units = costs.prefill_units();
    const Outcome outcome = simulate(requests, config, watched);
    Row row = describe(s, requests);
    summarize(requests, s.service.spec.meta_context(), config, outcome, {}, row);

    double done = 0.0;
    double tokens = 0.0;
    for (size_t i = 0; i < requests.size(); ++i) {
      if (!(outcome.fates[i].done <= row.interval_seconds * (1.0 + 1e-12))) continue;
      done += 1.0;
      tokens += static_cast<double>(requests[i].answer);
    }
    EXPECT_GT(done, 200.0);
    EXPECT_NEAR(row.requests_per_s, done / row.interval_seconds, 1e-9 * row.requests_per_s);
    EXPECT_NEAR(row.throughput_tokens_per_s, tokens / row.interval_seconds,
                1e-9 * row.throughput_tokens_per_s);
    EXPECT_LE(row.throughput_tokens_per_s, tokens / watched.floor_until(row.interval_seconds) * (1.0 + 1e-6));
    EXPECT_EQ(row.throughput_tokens_per_s, run_study(s, nullptr, {})[0].throughput_tokens_per_s);
  }
}

TEST(SimulationFloor, EqualRequestsAreNeverAboveTheSerialFloor) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  SpecDice dice(seed);
  for (int repeat = 0; repeat < 40; ++repeat) {
    const Subject& subject = subjects[repeat % 4];
    Study s = study_of(subject);
    const int64_t prompt = dice(1, 3) == 1 ? dice(1, 64) : dice(64, 4000);
    const int64_t answer = dice(1, 3) == 1 ? dice(1, 40) : dice(40, 600);
    s.load.prompt = fixed(prompt);
    s.load.answer = fixed(answer);
    s.load.requests = dice(1, 600);
    s.replicas = dice(1, 3);
    // At once, or with overload and without at a rate.
    if (dice(0, 2) == 0)
      s.load.arrivals = {.kind = ArrivalLaw::Kind::poisson, .rate = static_cast<double>(dice(1, 400))};
    const int64_t fit = dice(1, 120);
    make_room(s, prompt, answer, fit);
    const Row row = run_study(s, nullptr, {})[0];

    Workload w{.prompt = prompt, .new_tokens = answer, .generation = subject.generation};
    w.batch = largest_batch(s.service.spec, w, s.hardware.memory_bytes);
    const RequestFloor floor = request_floor(s.service.spec, w, s.hardware.ceilings(s.dtype));
    const double most = static_cast<double>(s.replicas * w.batch * answer) /
                        (floor.prefill.serial_seconds + floor.decode.serial_seconds);
    EXPECT_LE(row.throughput_tokens_per_s, most * (1.0 + 1e-9))
        << subject.model << ' ' << to_string(subject.generation) << ", prompt " << prompt << ", answer "
        << answer << ", " << s.load.requests << " requests, " << fit << " fit";
    EXPECT_NEAR(row.cost_per_million_tokens,
                *s.hardware.price_per_hour * static_cast<double>(s.replicas) / 3600.0 * 1e6 /
                    row.throughput_tokens_per_s,
                1e-9 * row.cost_per_million_tokens);
  }
}

TEST(SimulationFloor, ThePapersModelsComeNearTheirFloorAndNotAboveIt) {
  for (const Subject& subject : subjects) {
    Study s = study_of(subject);
    constexpr int64_t prompt = 128;
    constexpr int64_t answer = 512;
    s.load.prompt = fixed(prompt);
    s.load.answer = fixed(answer);
    make_room(s, prompt, answer, 200);
    s.load.requests = 2000;
    const Row row = run_study(s, nullptr, {})[0];
    Workload w{.prompt = prompt, .new_tokens = answer, .batch = 200, .generation = subject.generation};
    const RequestFloor floor = request_floor(s.service.spec, w, s.hardware.ceilings(s.dtype));
    const double serial = 200.0 * answer / (floor.prefill.serial_seconds + floor.decode.serial_seconds);
    EXPECT_LE(row.throughput_tokens_per_s, serial) << subject.model;
    EXPECT_GT(row.throughput_tokens_per_s, 0.9 * serial) << subject.model;
  }
}

}  // namespace
}  // namespace photon::testing
