// SPDX-License-Identifier: Apache-2.0
#include "core/cost/launch_sums.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/base/error.h"
#include "tests/core/base/temp_folder.h"

namespace photon {
namespace {

Launch launch(const std::string& scope, const std::string& op, double weights) {
  Launch l{scope, op, "cuda_impl/kernels/a,b.cu", {}};
  l.work.weight_bytes = weights;
  l.work.kv_read_bytes = 0.1;
  l.work.flops = 1e15;
  return l;
}

TEST(LaunchSums, AddUpByPlaceInOrderAndReadBack) {
  const std::vector<Launch> launches{launch("x/b", "one", 1.0), launch("x/a", "one", 2.0),
                                     launch("x/b", "two", 4.0), launch("x/b", "one", 8.0)};
  const auto sums = sum_launches(launches);
  ASSERT_EQ(sums.size(), 3u);
  EXPECT_EQ(sums[0].scope, "x/b");
  EXPECT_EQ(sums[0].launches, 2);
  EXPECT_EQ(sums[0].work.weight_bytes, 9.0);
  EXPECT_EQ(sums[2].op, "two");
  const testing::TempFolder folder;
  const auto file = folder.path() / "launches.csv";
  std::ofstream(file) << to_csv(sums);
  const auto again = read_launch_sums(file);
  ASSERT_EQ(again.size(), sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    EXPECT_EQ(again[i].scope, sums[i].scope);
    EXPECT_EQ(again[i].op, sums[i].op);
    EXPECT_EQ(again[i].file, sums[i].file);
    EXPECT_EQ(again[i].launches, sums[i].launches);
    EXPECT_EQ(again[i].work.weight_bytes, sums[i].work.weight_bytes);
    EXPECT_EQ(again[i].work.kv_read_bytes, sums[i].work.kv_read_bytes);
    EXPECT_EQ(again[i].work.flops, sums[i].work.flops);
  }
}

TEST(LaunchSums, RefuseOtherFiles) {
  const testing::TempFolder folder;
  const auto file = folder.path() / "launches.csv";
  const auto error_of = [&](const std::string& text) {
    std::ofstream(file) << text;
    try {
      read_launch_sums(file);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const std::string header = to_csv({});
  EXPECT_NE(error_of("a,b\n1,2\n").find("line 1"), std::string::npos);
  EXPECT_NE(error_of(header + "s,o,f,1,2,3,4,5\n").find("line 2"), std::string::npos);
  EXPECT_NE(error_of(header + "s,o,f,1,x,3,4,5,6\n").find("weight_bytes"), std::string::npos);
  EXPECT_NE(error_of(header + "s,o,f,1,2,3,4,5,nan\n").find("flops"), std::string::npos);
  EXPECT_NE(error_of(header + "s,o,f,-1,2,3,4,5,6\n").find("launches"), std::string::npos);
}

}  // namespace
}  // namespace photon
