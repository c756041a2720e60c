// Floors of requests: order, bounds, batches that fit, and the targets set for one H200.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.h"
#include "core/floor.h"
#include "core/hardware.h"
#include "core/model_config.h"

namespace photon {
namespace {

const std::filesystem::path configs = std::filesystem::path(PHOTON_SOURCE_DIR) / "configs";

ModelSpec model(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return load_model_spec(configs / "models" / (name + ".toml"), overrides);
}

Hardware h200() {
  return load_hardware(configs / "hardware" / "h200.toml");
}

struct Way {
  const char* model;
  Generation generation = Generation::hiergen;
  Schedule schedule = Schedule::streamed;
};
constexpr Way ways[] = {{"vanilla-600m"},
                        {"block-600m"},
                        {"photon-600m"},
                        {"photon-600m", Generation::recgen},
                        {"photon-600m", Generation::recgen, Schedule::unrolled}};

Workload workload(const Way& way, int64_t prompt, int64_t new_tokens, int64_t batch) {
  return {.prompt = prompt,
          .new_tokens = new_tokens,
          .batch = batch,
          .generation = way.generation,
          .schedule = way.schedule};
}

RequestFloor floor_of(const ModelSpec& spec, const Workload& w, const Ceilings& ceilings,
                      MemoryLevels levels = MemoryLevels::one) {
  return request_floor(request_cost(spec, w), ceilings, levels);
}

TEST(Floor, IsNeverAboveTheSerialOneAndRisesWithEverythingAsked) {
  const Ceilings ceilings = h200().ceilings(DType::bfloat16);
  for (const Way& way : ways) {
    const ModelSpec spec = model(way.model);
    const auto seconds = [&](int64_t prompt, int64_t new_tokens, int64_t batch) {
      const RequestFloor f = floor_of(spec, workload(way, prompt, new_tokens, batch), ceilings);
      for (const PhaseFloor& phase : {f.prefill, f.decode}) {
        EXPECT_GT(phase.seconds, 0.0);
        EXPECT_LE(phase.seconds, phase.serial_seconds * (1 + 1e-12));
        // No more can be won by overlap than the smaller of the two times.
        EXPECT_LE(phase.serial_seconds, 2 * phase.seconds * (1 + 1e-12));
      }
      return std::pair{f.prefill.serial_seconds, f.decode.serial_seconds};
    };
    const auto base = seconds(128, 256, 4);
    EXPECT_GT(seconds(256, 256, 4).second, base.second) << "a longer prompt is read again and again";
    EXPECT_GT(seconds(256, 256, 4).first, 0.0);
    EXPECT_GT(seconds(128, 512, 4).second, base.second);
    EXPECT_GT(seconds(128, 256, 400).second, base.second);
    EXPECT_LT(seconds(128, 256, 400).second, 100 * base.second) << "a batch shares the weights";
  }
}

// Decode DE at the largest batch on one H200: the serial floors behind the targets of the CUDA back end, k
// tok/s.
TEST(Floor, GivesTheTargetsOfTheH200) {
  const Hardware hardware = h200();
  const Ceilings ceilings = hardware.ceilings(DType::bfloat16);
  struct Target {
    Way way;
    double share, ktok;
  };
  for (const Target& t :
       {Target{ways[0], 0.80, 27}, {ways[1], 0.65, 325}, {ways[2], 0.65, 530}, {ways[3], 0.65, 930}}) {
    const ModelSpec spec = model(t.way.model);
    Workload w = workload(t.way, 128, 2048, 1);
    w.batch = largest_batch(spec, w, hardware.memory_bytes);
    const RequestFloor f = floor_of(spec, w, ceilings);
    const double ktok = static_cast<double>(w.batch * w.new_tokens) / f.decode.serial_seconds / 1e3;
    EXPECT_NEAR(t.share * ktok / t.ktok, 1.0, 0.02) << t.way.model << ' ' << to_string(t.way.generation);
  }
}

TEST(Floor, LargestBatchFillsTheMemory) {
  const int64_t memory = h200().memory_bytes;
  for (const Way& way : ways) {
    const ModelSpec spec = model(way.model);
    for (const int64_t samples : {1, 4}) {
      Workload w = workload(way, 128, 2048, 1);
      w.samples = samples;
      w.batch = largest_batch(spec, w, memory);
      const auto needed = [&] {
        return weights_bytes(spec, w.weight_bytes) + static_cast<double>(w.rows()) * kv_bytes_ideal(spec, w);
      };
      EXPECT_LE(needed(), 0.95 * static_cast<double>(memory));
      ++w.batch;
      EXPECT_GT(needed(), 0.95 * static_cast<double>(memory));
    }
  }
  EXPECT_THROW(largest_batch(model("vanilla-600m"), workload(ways[0], 128, 2048, 1), 1 << 30), Error);
}

// Each ceiling in turn made so low that it decides.
TEST(Floor, NamesWhatBinds) {
  const ModelSpec spec = model("photon-600m");
  const Workload w = workload(ways[2], 128, 64, 2);
  const Ceilings wide{.bandwidth = 1e15, .matrix_rate = 1e18};
  Ceilings c = wide;
  c.bandwidth = 1e9;
  EXPECT_EQ(floor_of(spec, w, c).decode.bound, Bound::bandwidth);
  c = wide;
  c.matrix_rate = 1e12;
  EXPECT_EQ(floor_of(spec, w, c).decode.bound, Bound::compute);
  EXPECT_EQ(floor_of(spec, w, c).prefill.bound, Bound::compute);
  c = wide;
  c.launch_seconds = 1e-3;
  EXPECT_EQ(floor_of(spec, w, c).decode.bound, Bound::launch);

  const Ceilings real = h200().ceilings(DType::bfloat16);
  EXPECT_EQ(floor_of(spec, workload(ways[2], 2048, 128, 32), real).prefill.bound, Bound::compute);
  const ModelSpec vanilla = model("vanilla-600m");
  EXPECT_EQ(floor_of(vanilla, workload(ways[0], 128, 128, 500), real).decode.bound, Bound::bandwidth);
}

// One ceiling infinitely far away leaves sums that a division gives.
TEST(Floor, IsBytesOverBandwidthWhereArithmeticIsFree) {
  for (const Way& way : ways) {
    const ModelSpec spec = model(way.model);
    const RequestCost cost = request_cost(spec, workload(way, 100, 50, 3));
    const RequestFloor memory = request_floor(cost, {.bandwidth = 1e9, .matrix_rate = 1e30});
    const double bytes = total(cost.decode).floor_bytes();
    EXPECT_NEAR(memory.decode.seconds * 1e9 / bytes, 1.0, 1e-12);
    EXPECT_NEAR(memory.decode.serial_seconds * 1e9 / bytes, 1.0, 1e-12);
    const RequestFloor arithmetic = request_floor(cost, {.bandwidth = 1e30, .matrix_rate = 1e12});
    EXPECT_NEAR(arithmetic.decode.serial_seconds * 1e12 / total(cost.decode).flops, 1.0, 1e-12);
  }
}

TEST(Floor, ACacheHelpsOnlyWhatFitsIt) {
  const ModelSpec spec = model("photon-tiny");
  const RequestCost cost = request_cost(spec, {.prompt = 64, .new_tokens = 64});
  Ceilings c{
      .bandwidth = 1e10, .matrix_rate = 1e30, .cache_bandwidth = 1e11, .cache_bytes = int64_t{1} << 40};
  const double one = request_floor(cost, c).decode.seconds;
  const double two = request_floor(cost, c, MemoryLevels::two).decode.seconds;
  EXPECT_LT(two, one);
  EXPECT_GT(two, one / 10);
  c.cache_bytes = 1 << 10;
  EXPECT_DOUBLE_EQ(request_floor(cost, c, MemoryLevels::two).decode.seconds, one);
}

TEST(Floor, RefusesCeilingsThatAreNone) {
  const RequestCost cost = request_cost(model("photon-tiny"), {.prompt = 64, .new_tokens = 64});
  EXPECT_THROW(request_floor(cost, {.bandwidth = 0.0, .matrix_rate = 1e12}), Error);
  EXPECT_THROW(request_floor(cost, {.bandwidth = 1e9, .matrix_rate = 0.0}), Error);
}

}  // namespace
}  // namespace photon
