// SPDX-License-Identifier: Apache-2.0
// Sweeps, regimes and formats as they are written on the command line.
#include <gtest/gtest.h>

#include "bench/output.h"
#include "bench/regime.h"
#include "bench/sweep.h"
#include "core/base/error.h"

namespace photon::bench {
namespace {

using Values = std::vector<int64_t>;

TEST(Sweep, ListsAndRanges) {
  EXPECT_EQ(parse_sweep("8", "--batch"), Values({8}));
  EXPECT_EQ(parse_sweep("1,8,64", "--batch"), Values({1, 8, 64}));
  EXPECT_EQ(parse_sweep("3-6", "--batch"), Values({3, 4, 5, 6}));
  EXPECT_EQ(parse_sweep("4-17+4", "--batch"), Values({4, 8, 12, 16}));
  EXPECT_EQ(parse_sweep("1-64*2", "--batch"), Values({1, 2, 4, 8, 16, 32, 64}));
  EXPECT_EQ(parse_sweep("3-100*3", "--batch"), Values({3, 9, 27, 81}));
  EXPECT_EQ(parse_sweep("5-5", "--batch"), Values({5}));
}

TEST(Sweep, KeepsTheOrderAndEachValueOnce) {
  EXPECT_EQ(parse_sweep("64,1,64,1-4*2", "--batch"), Values({64, 1, 2, 4}));
}

TEST(Sweep, MaxOnlyWhereItMeansSomething) {
  EXPECT_EQ(parse_sweep("1,max", "--batch", true), Values({1, sweep_max}));
  EXPECT_THROW(parse_sweep("1,max", "--prompt"), UsageError);
}

TEST(Sweep, RefusesWhatIsNoSweep) {
  for (const char* text : {"",
                           ",",
                           "1,",
                           ",1",
                           "0",
                           "-1",
                           "-",
                           "1-",
                           "-8",
                           "8-1",
                           "1-8*",
                           "1-8*1",
                           "1-8*0",
                           "1-8+",
                           "1-8+0",
                           "1-8+2*2",
                           "1*2",
                           "a",
                           "1a",
                           " 1",
                           "1.5",
                           "1e3",
                           "99999999999999999999",
                           "2147483649",
                           "1-1000000",
                           "MAX",
                           "maxi"}) {
    EXPECT_THROW(parse_sweep(text, "--batch", true), UsageError) << '"' << text << '"';
  }
}

TEST(Sweep, TheMessageNamesOptionAndItem) {
  try {
    parse_sweep("1,2x,3", "--new");
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_NE(std::string(e.what()).find("--new"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("'2x'"), std::string::npos);
  }
}

TEST(Regime, ThePapersAndScaled) {
  EXPECT_EQ(parse_regimes("pf"), std::vector<Regime>({{"pf", 2048, 128}}));
  EXPECT_EQ(parse_regimes("de,pf/8"), std::vector<Regime>({{"de", 128, 2048}, {"pf/8", 256, 16}}));
  EXPECT_EQ(parse_regimes("de/128"), std::vector<Regime>({{"de/128", 1, 16}}));
  EXPECT_EQ(parse_regimes("pf,pf/1"), std::vector<Regime>({{"pf", 2048, 128}})) << "the same said twice";
}

TEST(Regime, RefusesUnknownOnesAndScalesThatDoNotDivide) {
  for (const char* text :
       {"", "PF", "pf,", "pd", "pf/", "pf/0", "pf/3", "pf/256", "pf/-2", "pf/2x", "de/8/2"}) {
    EXPECT_THROW(parse_regimes(text), UsageError) << '"' << text << '"';
  }
}

TEST(Format, ByName) {
  EXPECT_EQ(Output::parse_format("md"), Output::Format::markdown);
  EXPECT_EQ(Output::parse_format("csv"), Output::Format::csv);
  EXPECT_EQ(Output::parse_format("jsonl"), Output::Format::jsonl);
  EXPECT_EQ(Output::parse_format("json"), Output::Format::jsonl) << "a line for each row";
  EXPECT_THROW(Output::parse_format("xml"), UsageError);
}

}  // namespace
}  // namespace photon::bench
