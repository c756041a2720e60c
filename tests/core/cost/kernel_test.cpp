// SPDX-License-Identifier: Apache-2.0
// The kernels of a request against the cost model that they are cut from, the distances between visits
// against a list of all that was touched, and predictions on a machine whose times are known.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <set>

#include "core/base/error.h"
#include "core/cost/kernel_rates.h"
#include "tests/core/base/temp_folder.h"
#include "tests/core/model/random_spec.h"
#include "tests/support.h"

namespace photon {
namespace {

struct Request {
  ModelSpec spec;
  Workload workload;
};

Request random_request(uint64_t seed, bool windows = true) {
  testing::SpecDice dice(seed);
  Request r;
  r.spec = dice.spec(static_cast<int>(dice(0, 3)));
  if (!windows) {
    for (LevelSpec& level : r.spec.levels) level.encoder_window = {};
  }
  r.workload = {.prompt = dice(1, 90), .new_tokens = dice(1, 60), .batch = dice(1, 5)};
  if (r.spec.depth() >= 2 && dice(0, 1) == 1) {
    r.workload.generation = Generation::recgen;
    if (dice(0, 1) == 1) r.workload.schedule = Schedule::unrolled;
  }
  return r;
}

std::string named(uint64_t seed, const Request& r) {
  return fmt::format("seed {}, {} levels, prompt {}, {} new, batch {}", seed, r.spec.depth(),
                     r.workload.prompt, r.workload.new_tokens, r.workload.batch);
}

/// Seconds on a machine that takes so many for a byte, a FLOP and a start.
double machine_seconds(const Kernel& kernel) {
  const Work w = kernel_work(kernel, 2);
  return 1e-6 + 3e-11 * (w.floor_bytes() + w.other_bytes) + 2e-12 * w.flops;
}

KernelRates rates_of(const std::vector<KernelPlace>& places) {
  KernelRates rates;
  for (const KernelPlace& place : places) {
    rates.add(
        {.kernel = place.kernel, .footprint = place.footprint, .seconds = machine_seconds(place.kernel)});
  }
  return rates;
}

TEST(Kernels, AddUpToTheCostModel) {
  for (uint64_t i = 0; i < 60; ++i) {
    const uint64_t seed = testing::test_seed() + i;
    const Request r = random_request(seed, false);
    Work prefill, decode;
    const auto add = [](Work& sum) {
      return [&sum](const KernelVisit& v) {
        Work w = kernel_work(v.kernel, 2);
        for (double* x : {&w.weight_bytes, &w.kv_read_bytes, &w.kv_write_bytes, &w.other_bytes, &w.flops})
          *x *= v.times;
        sum += w;
      };
    };
    visit_kernels(r.spec, r.workload, add(prefill), add(decode));
    const RequestCost cost = request_cost(r.spec, r.workload);
    const auto same = [&](const Work& got, const Work& want, const char* what) {
      EXPECT_NEAR(got.weight_bytes, want.weight_bytes, 1e-9 * want.weight_bytes) << what << named(seed, r);
      EXPECT_NEAR(got.flops, want.flops, 1e-9 * want.flops) << what << named(seed, r);
      EXPECT_NEAR(got.kv_read_bytes, want.kv_read_bytes, 1e-9 * want.kv_read_bytes) << what << named(seed, r);
    };
    same(prefill, total(cost.prefill), "prefill, ");
    same(decode, total(cost.decode), "decode, ");
    EXPECT_NEAR(decode.kv_write_bytes, total(cost.decode).kv_write_bytes, 1e-9 * decode.kv_write_bytes + 1e-9)
        << named(seed, r);
  }
}

TEST(Kernels, AreAsFarAwayAsWhatWasTouchedSince) {
  for (uint64_t i = 0; i < 20; ++i) {
    const uint64_t seed = testing::test_seed() + i;
    const Request r = random_request(seed);
    // Everything that was touched, in order, as (place, bytes); embeddings are in no kernel but take room.
    std::vector<std::pair<std::string, double>> touched;
    std::vector<int64_t> wanted;
    const double all = weights_bytes(r.spec, 2) +
                       kv_bytes_ideal(r.spec, r.workload) * static_cast<double>(r.workload.sequences());
    const auto walk = [&](const Forwards& forwards) {
      for (const Forward& forward : forwards) {
        for (const Operation& op : forward) {
          const std::string place = fmt::format("{} {} {}", static_cast<int>(op.kind), op.level, op.decoder);
          double distance = op.work.floor_bytes() + op.work.other_bytes;
          touched.emplace_back(place, distance);
          std::set<std::string> seen{place};
          bool before = false;
          for (auto at = touched.rbegin() + 1; at != touched.rend() && !before; ++at) {
            before = at->first == place;
            if (seen.insert(at->first).second) distance += at->second;
          }
          if (!before) distance = std::max(distance, all);
          if (op.kind == Operation::Kind::embedding) continue;
          if (op.kind == Operation::Kind::local_attention) distance = 0.0;
          wanted.push_back(std::clamp(static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(distance))),
                                      int64_t{256} << 10, largest_footprint));
        }
      }
    };
    visit_request(r.spec, r.workload, walk, walk);
    size_t at = 0;
    const auto compare = [&](const KernelVisit& v) {
      ASSERT_LT(at, wanted.size());
      EXPECT_EQ(v.footprint, wanted[at]) << describe(v.kernel) << ", visit " << at << ", " << named(seed, r);
      ++at;
    };
    visit_kernels(r.spec, r.workload, compare, compare);
    EXPECT_EQ(at, wanted.size()) << named(seed, r);
  }
}

TEST(Predictions, AreExactWhereTimeIsLinearInTheContext) {
  for (uint64_t i = 0; i < 40; ++i) {
    const uint64_t seed = testing::test_seed() + i;
    const Request r = random_request(seed);
    const KernelRates rates = rates_of(kernels_of(r.spec, r.workload));
    double prefill = 0.0, decode = 0.0;
    visit_kernels(
        r.spec, r.workload, [&](const KernelVisit& v) { prefill += v.times * machine_seconds(v.kernel); },
        [&](const KernelVisit& v) { decode += v.times * machine_seconds(v.kernel); });
    const auto predicted = predict(r.spec, r.workload, rates);
    ASSERT_TRUE(predicted.has_value()) << named(seed, r);
    EXPECT_NEAR(predicted->prefill, prefill, 1e-9 * prefill) << named(seed, r);
    EXPECT_NEAR(predicted->decode, decode, 1e-9 * decode) << named(seed, r);
  }
}

TEST(Predictions, AreNotMadeFromKernelsThatWereNotTimed) {
  const Request r = random_request(testing::test_seed());
  const std::vector<KernelPlace> places = kernels_of(r.spec, r.workload);
  for (const KernelPlace& left_out : places) {
    std::vector<KernelPlace> others;
    for (const KernelPlace& place : places) {
      // Of the same shape, none: between two numbers of rows or keys there would be an answer.
      KernelPlace alike = place;
      alike.kernel.rows = left_out.kernel.rows;
      alike.kernel.keys = left_out.kernel.keys;
      if (alike != left_out) others.push_back(place);
    }
    EXPECT_FALSE(predict(r.spec, r.workload, rates_of(others)).has_value()) << describe(left_out.kernel);
  }
  Workload shared = r.workload;
  shared.samples = 2;
  EXPECT_FALSE(predict(r.spec, shared, rates_of(kernels_of(r.spec, shared))).has_value());
}

TEST(KernelRates, LieBetweenWhatWasTimed) {
  Kernel k;
  k.kind = Kernel::Kind::converter;
  k.in = 24;
  k.out = 48;
  KernelRates rates;
  for (const auto& [rows, seconds] : {std::pair{4, 1e-4}, {16, 4e-4}}) {
    k.rows = rows;
    rates.add({.kernel = k, .footprint = 1 << 20, .seconds = seconds});
  }
  k.rows = 8;
  EXPECT_NEAR(rates.seconds(k, 1 << 20).value(), 2e-4, 1e-12);
  EXPECT_FALSE(rates.seconds(k, 1 << 21).has_value());
  k.rows = 32;
  EXPECT_FALSE(rates.seconds(k, 1 << 20).has_value());
  Kernel a;
  a.kind = Kernel::Kind::attention;
  for (const int64_t rows : {1, 4}) {
    for (const int64_t keys : {0, 100}) {
      a.rows = rows;
      a.keys = keys;
      rates.add(
          {.kernel = a, .footprint = 1 << 20, .seconds = 1e-6 * static_cast<double>(rows * (10 + keys))});
    }
  }
  a.rows = 2;
  a.keys = 25;
  EXPECT_NEAR(rates.seconds(a, 1 << 20).value(), 2e-6 * 35, 1e-15);
  a.keys = 101;
  EXPECT_FALSE(rates.seconds(a, 1 << 20).has_value());
  k.rows = 4;
  rates.add({.kernel = k, .cold = false, .seconds = 1e-9});  // hot: in no prediction
  EXPECT_EQ(rates.seconds(k, 1 << 20), 1e-4);
}

class KernelRatesFile : public ::testing::Test {
 protected:
  KernelRate sample() const {
    KernelRate r{.run_id = "a",
                 .time = "2026-01-01T00:00:00Z",
                 .commit = "c",
                 .backend = "cpu",
                 .device = "A \"core\", two threads",
                 .dtype = "float32",
                 .footprint = int64_t{1} << 23,
                 .seconds = 1.0 / 3.0,
                 .samples = 7,
                 .spread = 0.1,
                 .bytes = 12.0,
                 .flops = 1e15,
                 .floor_seconds = 0.25};
    r.kernel = {Kernel::Kind::prefill_attention, {128, 0, 4, 2}, 0, 0, 8, 64, 0, 16};
    return r;
  }
  std::string refused(const std::string& text) {
    std::ofstream(file_) << text;
    return testing::message_of<Error>([&] { read_kernel_rates(file_); });
  }
  testing::TempFolder folder_;
  std::filesystem::path file_ = folder_ / "rates.csv";
};

TEST_F(KernelRatesFile, ReadsBackWhatItWrote) {
  append_kernel_rate(file_, sample());
  append_kernel_rate(file_, sample());
  const auto rates = read_kernel_rates(file_);
  ASSERT_EQ(rates.size(), 2u);
  const KernelRate& r = rates[1];
  EXPECT_EQ(to_csv(r), to_csv(sample()));
  EXPECT_EQ(r.kernel, sample().kernel);
  EXPECT_EQ(r.seconds, sample().seconds);
  EXPECT_EQ(r.device, sample().device);
}

TEST_F(KernelRatesFile, NamesWhatDoesNotFit) {
  const std::string header = kernel_rates_header();
  const std::string line = to_csv(sample());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = line;
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return header + changed.replace(at, from.size(), to);
  };
  using testing::holds;
  EXPECT_TRUE(holds(refused("a,b\n1,2\n"), {"rates.csv, line 1", "no rates of kernels"}));
  EXPECT_TRUE(
      holds(refused(with("prefill_attention", "polka")), {"line 2, column kernel", "no kernel 'polka'"}));
  EXPECT_TRUE(holds(refused(with(",cold,", ",tepid,")), {"line 2, column variant", "tepid"}));
  EXPECT_TRUE(holds(refused(with(",7,", ",7.5,")), {"line 2, column samples", "whole number"}));
  EXPECT_TRUE(holds(refused(with("1000000000000000", "nan")), {"line 2, column flops"}));
  EXPECT_TRUE(holds(refused(header + "9" + line.substr(1)), {"column schema_version", "schema 9"}));
  EXPECT_TRUE(holds(refused(header + line.substr(0, line.size() - 1)), {"line 2"}));  // cut off
  EXPECT_TRUE(holds(refused(header + line.substr(0, line.rfind(',')) + "\n"), {"line 2"}));
}

}  // namespace
}  // namespace photon
