// SPDX-License-Identifier: Apache-2.0
// Arrivals, lengths and traces of the simulator.
#include "analysis/simulation/load.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

using namespace analysis::simulation;

constexpr std::string_view header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

Trace trace_of(const std::string& text) {
  const TempFolder folder;
  write_text(folder / "trace.csv", text);
  return read_trace(folder / "trace.csv");
}

/// What is said against a trace, the folder's name left out.
std::string fault(const std::string& text) {
  const std::string said = message_of<Error>([&] { trace_of(text); });
  const size_t name = said.find("trace.csv");
  return name == std::string::npos ? said : said.substr(name);
}

TEST(Trace, IsReadAsAzureWritesIt) {
  const Trace t = trace_of(std::string(header) +
                           "2023-11-16 23:59:59.5000000,374,44\n"
                           "2023-11-17 00:00:00.2500000,396,109\n"
                           "2023-11-17 00:00:00.2500000,0,7\n"
                           "2023-11-17 00:00:01,91,0\n"
                           "2024-02-29T00:00:01.5+00:00,7,1\r\n"
                           "2024-03-01 00:00:00Z,16777216,2");  // without a line break at the end
  ASSERT_EQ(t.requests.size(), 4u);
  EXPECT_EQ(t.left_out, 2);
  EXPECT_EQ(t.requests[0].arrival, 0.0);
  EXPECT_NEAR(t.requests[1].arrival, 0.75, 1e-6);
  EXPECT_NEAR(t.requests[2].arrival, 105 * 86400.0 + 2.0 - 86400.0, 1e-6);  // 16 November to 29 February
  EXPECT_NEAR(t.requests[3].arrival - t.requests[2].arrival, 86400.0 - 1.5, 1e-6);
  EXPECT_EQ(t.requests[0].prompt, 374);
  EXPECT_EQ(t.requests[0].answer, 44);
  EXPECT_EQ(t.requests[3].prompt, longest_text);
}

TEST(Trace, ColumnsMayStandInAnyOrder) {
  const Trace t =
      trace_of("GeneratedTokens,Model,TIMESTAMP,ContextTokens\n5,\"a, b\",2023-11-16 18:15:46.68,9\n");
  EXPECT_EQ(t.requests.at(0).prompt, 9);
  EXPECT_EQ(t.requests.at(0).answer, 5);
}

TEST(Trace, WhatIsNoneIsRefusedByFileAndLine) {
  const std::string head(header);
  const std::string good = "2023-11-16 18:15:46.68,9,5\n";
  EXPECT_EQ(fault(""), "trace.csv: empty; a trace begins with a header");
  EXPECT_EQ(fault(head), "trace.csv: no request in this trace");
  EXPECT_EQ(fault("a,b,c\n" + good),
            "trace.csv:1: the header has no column TIMESTAMP; a trace has TIMESTAMP, ContextTokens and "
            "GeneratedTokens");
  EXPECT_NE(fault("TIMESTAMP,ContextTokens\n2023-11-16 18:15:46.68,9\n").find("no column GeneratedTokens"),
            std::string::npos);
  EXPECT_EQ(fault(head + good + "2023-11-16 18:15:47,-9,5\n"),
            "trace.csv:3: ContextTokens is -9; 0 to 16777216 are allowed");
  EXPECT_EQ(fault(head + good + "2023-11-16 18:15:47,9,-5\n"),
            "trace.csv:3: GeneratedTokens is -5; 0 to 16777216 are allowed");
  EXPECT_EQ(fault(head + "2023-11-16 18:15:47,9,99999999999\n"),
            "trace.csv:2: GeneratedTokens is 99999999999; 0 to 16777216 are allowed");
  EXPECT_EQ(fault(head + good + good + "2023-11-16 18:15:47,9.5,5\n"),
            "trace.csv:4: ContextTokens is '9.5', no whole number");
  EXPECT_EQ(fault(head + "2023-11-16 18:15:47,9\n"), "trace.csv:2: 2 cells, the header has 3");
  EXPECT_EQ(fault(head + good + "2023-11-16 18:15:45,9,5\n"),
            "trace.csv:3: this request comes before the one above it");
  for (const char* const time :
       {"", "yesterday", "2023-02-29 00:00:00", "2023-11-16 25:00:00", "2023-11-16 18:15:47.", "2023-11-16",
        "2023-11-16 18:15:47 CET", "2023-11-16 18:15:47.5+01:00", "-023-11-16 18:15:47"}) {
    EXPECT_EQ(fault(fmt::format("{}{},9,5\n", head, time)),
              fmt::format("trace.csv:2: TIMESTAMP is '{}', not like 2023-11-16 18:15:46.6805900", time));
  }
}

Load load_of(ArrivalLaw arrivals, int64_t requests, uint64_t seed) {
  return {.arrivals = arrivals,
          .prompt = parse_length_law("lognormal:1000:1.2", "--prompt"),
          .answer = parse_length_law("uniform:16:512", "--new"),
          .requests = requests,
          .seed = seed};
}

TEST(Load, ArrivalsComeAtTheirRate) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  constexpr int64_t count = 200'000;
  for (const ArrivalLaw& law :
       {ArrivalLaw{.kind = ArrivalLaw::Kind::poisson, .rate = 7.0},
        ArrivalLaw{
            .kind = ArrivalLaw::Kind::bursts, .rate = 7.0, .burst_factor = 3.0, .burst_seconds = 2.0}}) {
    const auto requests = make_requests(load_of(law, count, seed), nullptr);
    ASSERT_TRUE(std::is_sorted(requests.begin(), requests.end(),
                               [](const auto& a, const auto& b) { return a.arrival < b.arrival; }));
    const double length = requests.back().arrival;
    EXPECT_NEAR(count / length / 7.0, 1.0, 0.05);
    // Arrivals in windows of 2 s: as variable as a Poisson process, or much more so in bursts.
    std::vector<double> counts(static_cast<size_t>(length / 2.0) + 1, 0.0);
    for (const Request& r : requests) counts[static_cast<size_t>(r.arrival / 2.0)] += 1.0;
    double mean = 0.0;
    double squares = 0.0;
    for (const double c : counts) {
      mean += c / static_cast<double>(counts.size());
      squares += c * c / static_cast<double>(counts.size());
    }
    const double dispersion = (squares - mean * mean) / mean;
    if (law.kind == ArrivalLaw::Kind::poisson) {
      EXPECT_NEAR(dispersion, 1.0, 0.05);
    } else {
      EXPECT_GT(dispersion, 5.0);
    }
  }
}

TEST(Load, LengthsFollowTheirLaws) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("PHOTON_TEST_SEED={}", seed));
  auto requests = make_requests(load_of({.rate = 1.0}, 100'000, seed), nullptr);
  double answers = 0.0;
  double logarithms = 0.0;
  double squares = 0.0;
  for (const Request& r : requests) {
    ASSERT_GE(r.prompt, 1);
    ASSERT_GE(r.answer, 16);
    ASSERT_LE(r.answer, 512);
    answers += static_cast<double>(r.answer) / 1e5;
    const double deviation = std::log(static_cast<double>(r.prompt) / 1000.0);
    logarithms += deviation / 1e5;
    squares += deviation * deviation / 1e5;
  }
  EXPECT_NEAR(answers, 264.0, 5.0 * 144.0 / std::sqrt(1e5));
  EXPECT_NEAR(logarithms, 0.0, 5.0 * 1.2 / std::sqrt(1e5));
  EXPECT_NEAR(std::sqrt(squares), 1.2, 0.03);
  EXPECT_EQ(std::count_if(requests.begin(), requests.end(), [](const auto& r) { return r.answer == 16; }) > 0,
            true);
}

TEST(Load, TheSameSeedGivesTheSameRequestsAndARateBringsThemCloser) {
  const auto slow = make_requests(load_of({.rate = 2.0}, 1000, 5), nullptr);
  const auto again = make_requests(load_of({.rate = 2.0}, 1000, 5), nullptr);
  const auto fast = make_requests(load_of({.rate = 8.0}, 1000, 5), nullptr);
  const auto other = make_requests(load_of({.rate = 2.0}, 1000, 6), nullptr);
  int64_t different = 0;
  for (size_t i = 0; i < slow.size(); ++i) {
    ASSERT_EQ(slow[i].arrival, again[i].arrival);
    ASSERT_EQ(slow[i].prompt, fast[i].prompt);
    ASSERT_EQ(slow[i].answer, fast[i].answer);
    ASSERT_DOUBLE_EQ(slow[i].arrival, 4.0 * fast[i].arrival);
    different += slow[i].prompt != other[i].prompt ? 1 : 0;
  }
  EXPECT_GT(different, 900);
}

TEST(Load, ATraceGivesArrivalsAndLengthsThatBelongTogether) {
  const Trace t = trace_of(std::string(header) +
                           "2023-11-16 18:15:46,100,1\n2023-11-16 18:15:48,200,2\n"
                           "2023-11-16 18:15:49,300,3\n2023-11-16 18:15:50,400,4\n");
  const LengthLaw recorded{.kind = LengthLaw::Kind::trace};
  Load load{.arrivals = {.kind = ArrivalLaw::Kind::trace},
            .prompt = recorded,
            .answer = recorded,
            .requests = 3,
            .seed = 1};
  auto requests = make_requests(load, &t);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[2].arrival, 3.0);
  EXPECT_EQ(requests[2].prompt, 300);
  load.requests = 100;
  load.arrivals.rate = 3.0;  // recorded: three in four seconds after the first
  requests = make_requests(load, &t);
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_NEAR(requests[3].arrival, 1.0, 1e-12);
  load.arrivals = {.kind = ArrivalLaw::Kind::poisson, .rate = 1.0};
  requests = make_requests(load, &t);
  ASSERT_EQ(requests.size(), 100u);
  std::array<int, 5> seen{};
  for (const Request& r : requests) {
    ASSERT_EQ(r.prompt, 100 * r.answer);
    ++seen[static_cast<size_t>(r.answer)];
  }
  for (size_t i = 1; i < seen.size(); ++i) EXPECT_GT(seen[i], 0) << i;
}

TEST(Load, WhatMakesNoLoadIsRefused) {
  for (const char* const law :
       {"", "0", "-3", "1.5", "16777217", "uniform:5", "uniform:5:4", "uniform:0:4", "lognormal:100:-1",
        "lognormal:100:nan", "lognormal:0:1", "zipf:1:2", "9x", "uniform:1:2:3", "1e300"}) {
    EXPECT_THROW(parse_length_law(law, "--prompt"), UsageError) << law;
  }
  const Load good = load_of({.rate = 1.0}, 10, 1);
  const auto refuse = [&](auto change) {
    Load load = good;
    change(load);
    EXPECT_THROW(make_requests(load, nullptr), UsageError);
  };
  refuse([](Load& l) { l.requests = 0; });
  refuse([](Load& l) { l.requests = most_requests + 1; });
  refuse([](Load& l) { l.arrivals.rate = 0.0; });
  refuse([](Load& l) { l.arrivals.rate = -1.0; });
  refuse([](Load& l) { l.arrivals.rate = std::nan(""); });
  refuse([](Load& l) { l.arrivals.rate = 1e10; });
  refuse([](Load& l) { l.arrivals = {ArrivalLaw::Kind::bursts, 1.0, 1.0, 1.0}; });
  refuse([](Load& l) { l.arrivals = {ArrivalLaw::Kind::bursts, 1.0, 2.0, 0.0}; });
  refuse([](Load& l) { l.arrivals.kind = ArrivalLaw::Kind::trace; });
  refuse([](Load& l) { l.prompt.kind = LengthLaw::Kind::trace; });
}

}  // namespace
}  // namespace photon::testing
