// SPDX-License-Identifier: Apache-2.0
// Nsight Compute's raw page: what is read of it, what is refused, and how it is set beside the model.
#include "analysis/join/counters.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/error.h"
#include "tests/support.h"

namespace photon::analysis {
namespace {

constexpr const char* header =
    "\"ID\",\"Process ID\",\"Kernel Name\",\"thread "
    "Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:"
    "Msg\",\"Block "
    "Size\",\"dram__bytes_read.sum\",\"dram__bytes_write.sum\",\"gpu__time_duration.sum\",\"lts__t_"
    "bytes.sum\"\n";
constexpr const char* units = "\"\",\"\",\"\",\"\",\"\",\"Mbyte\",\"Kbyte\",\"us\",\"Gbyte\"\n";

std::string kernel_row(const std::string& name, const std::string& ranges, const std::string& numbers) {
  std::string quoted;
  for (const char c : ranges) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return "\"0\",\"42\",\"" + name + "\",\"42  " + quoted + " \",\"(256, 1, 1)\"," + numbers + "\n";
}

std::string range(const std::string& name, const std::string& domain = "photon") {
  return "\"" + domain + ":" + name + ":none:none:none:none:none:none\"  ";
}

class Counters : public ::testing::Test {
 protected:
  Counters() : file_(std::filesystem::temp_directory_path() / ("ncu_" + std::to_string(getpid()) + ".csv")) {}
  ~Counters() override { std::filesystem::remove(file_); }

  std::vector<KernelCounters> read(const std::string& text) {
    std::ofstream(file_) << text;
    return read_kernel_counters(file_);
  }
  std::string error_of(const std::string& text) {
    try {
      read(text);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  std::filesystem::path file_;
};

TEST_F(Counters, ReadsUnitsThousandsAndTheProjectsRanges) {
  const std::string library = "void cutlass::Kernel2<a<b, c>>(T1::Params)";
  const auto kernels =
      read(std::string(header) + units +
           kernel_row("gemv_kernel", range("a case") + range("decode") + range("encoder 2") + range("gemv"),
                      "\"1,234.5\",\"500\",\"12.5\",\"2\"") +
           kernel_row(library, range("a case") + range("prefill") + range("qkv") + range("inside", "CCCL"),
                      "\"1\",\"0\",\"1\",\"0\"") +
           kernel_row("someone_else", range("theirs", "<default domain>"), "\"3\",\"0\",\"1\",\"0\""));
  ASSERT_EQ(kernels.size(), 3u);
  EXPECT_EQ(kernels[0].scope, "a case/decode/encoder 2");
  EXPECT_EQ(kernels[0].op, "gemv");
  EXPECT_DOUBLE_EQ(kernels[0].dram_bytes, 1234.5e6 + 500e3);
  EXPECT_DOUBLE_EQ(kernels[0].cache_bytes, 2e9);
  EXPECT_DOUBLE_EQ(kernels[0].seconds, 12.5e-6);
  EXPECT_EQ(kernels[1].kernel, library);
  EXPECT_EQ(kernels[1].scope, "a case/prefill");
  EXPECT_EQ(kernels[1].op, "qkv") << "a library's own ranges do not count";
  EXPECT_EQ(kernels[2].op, "");
}

TEST_F(Counters, ARangeWithoutANameIsNone) {
  const auto kernels =
      read(std::string(header) + units +
           kernel_row("k", range("a case") + range("gemv") + range(""), "\"1\",\"1\",\"1\",\"1\"") +
           kernel_row("k", range(""), "\"1\",\"1\",\"1\",\"1\""));
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].scope, "a case");
  EXPECT_EQ(kernels[0].op, "gemv");
  EXPECT_EQ(kernels[1].scope, "");
  EXPECT_EQ(kernels[1].op, "");
}

TEST_F(Counters, RefusesOtherFilesByNameAndLine) {
  const auto refused = [&](const std::string& text, const std::vector<std::string>& parts) {
    const std::string said = error_of(text);
    EXPECT_NE(said.find(file_.string()), std::string::npos) << said;
    for (const std::string& part : parts) EXPECT_NE(said.find(part), std::string::npos) << said;
  };
  const std::string good = kernel_row("k", range("x"), "\"1\",\"1\",\"1\",\"1\"");
  const auto without = [](std::string text, const std::string& part, const std::string& instead) {
    return text.replace(text.find(part), part.size(), instead);
  };
  refused("", {"empty"});
  refused("==PROF== Connected to process 42\n", {"line 1", "Kernel Name"});
  refused("schema_version,kind\n1,bench\n", {"line 1", "--page raw"});
  refused(without(header, "lts__t_bytes.sum", "lts__t_sectors.sum") + units + good,
          {"line 1", "lts__t_bytes.sum"});
  refused(without(header, "thread Domain", "Domain") + units + good, {"line 1", "Push/Pop_Range"});
  refused(header, {"line 2", "units"});
  refused(header + without(units, "Mbyte", "sector") + good, {"line 2", "dram__bytes_read.sum", "'sector'"});
  refused(std::string(header) + units + good + kernel_row("k", range("x"), "\"n/a\",\"1\",\"1\",\"1\""),
          {"line 4", "dram__bytes_read.sum"});
  refused(std::string(header) + units + kernel_row("k", range("x"), "\"-1\",\"1\",\"1\",\"1\""), {"line 3"});
  refused(std::string(header) + units + kernel_row("k", range("x"), "\"nan\",\"1\",\"1\",\"1\""), {"line 3"});
  refused(std::string(header) + units + kernel_row("k", range("x"), "\"1e308\",\"1\",\"1\",\"1\""),
          {"line 3", "no amount"});  // megabytes: infinitely many bytes
  refused(std::string(header) + units + "\"0\",\"42\"\n", {"line 3"});
}

// A page made under a locale with decimal commas: read as if its commas parted thousands, every amount would
// be wrong by powers of ten.
TEST_F(Counters, RefusesCommasThatDoNotPartThousands) {
  const auto page = [](const std::string& cell) {
    return std::string(header) + units +
           kernel_row("k", range("a case") + range("qkv"), "\"1\",\"1\",\"1\",\"1\"") +
           kernel_row("k", range("a case") + range("qkv"), "\"1\",\"" + cell + "\",\"1\",\"1\"");
  };
  for (const std::string cell : {"24,58", "1.216,38", "0,5", "2.000,1", ",5", "5,", "1,23,456", "1234,567",
                                 "1,2345", "1,,234", "12,34.5", "1,234,56", "1.5,000", "-1,234", "a,bcd"}) {
    SCOPED_TRACE(cell);
    const std::string message = error_of(page(cell));
    EXPECT_TRUE(testing::holds(message, {"line 4", "dram__bytes_write.sum", "'" + cell + "'", "LC_ALL=C"}))
        << message;
  }
  for (const auto& [cell, kilobytes] : std::vector<std::pair<std::string, double>>{{"1,216.38", 1216.38},
                                                                                   {"24.58", 24.58},
                                                                                   {"1,002,003", 1002003.0},
                                                                                   {"999", 999.0},
                                                                                   {"12,345.5", 12345.5}}) {
    const auto kernels = read(page(cell));
    EXPECT_DOUBLE_EQ(kernels[1].dram_bytes, 1e6 + 1e3 * kilobytes) << cell;
  }
}

LaunchSum launched(const std::string& scope, const std::string& op, int64_t launches, double weights) {
  LaunchSum sum{scope, op, "cuda_impl/kernels/x.cu", launches, {}};
  sum.work.weight_bytes = weights;
  sum.work.kv_read_bytes = 10.0;
  sum.work.other_bytes = 5.0;
  sum.work.flops = 1e9;
  return sum;
}

TEST(Comparison, RefusesCountersOfAnotherRun) {
  const std::vector<LaunchSum> launches{launched("a B=1/decode/encoder 1", "qkv", 2, 100.0),
                                        launched("a B=8/prefill", "qkv", 1, 100.0)};
  const KernelCounters stray{"", "", "stray", 1e-6, 1.0, 1.0, "f.csv, line 3"};
  const KernelCounters own{"a B=8/prefill", "gemv", "k", 1e-6, 1.0, 1.0, "f.csv, line 4"};
  const KernelCounters other{"a B=16/prefill", "qkv", "k", 1e-6, 1.0, 1.0, "f.csv, line 5"};
  EXPECT_NO_THROW(check_same_run(launches, std::vector{stray, own}));
  EXPECT_TRUE(testing::holds(testing::message_of<Error>([&] {
                               check_same_run(launches, std::vector{stray, own, other});
                             }),
                             {"f.csv, line 5", "'a B=16'", "'a B=1', 'a B=8'", "another run"}));
}

TEST(Comparison, MatchesPlacesAndLosesNothing) {
  const std::vector<LaunchSum> launches{launched("c/decode/encoder 1", "qkv", 2, 100.0),
                                        launched("c/decode/encoder 1", "attention", 2, 0.0),
                                        launched("c/decode/encoder 2", "qkv", 1, 50.0)};
  const std::vector<KernelCounters> kernels{{"", "", "stray", 1e-6, 7.0, 8.0},
                                            {"c/decode/encoder 1", "qkv", "gemm", 2e-6, 90.0, 200.0},
                                            {"c/decode/encoder 1", "qkv", "gemm", 2e-6, 30.0, 200.0},
                                            {"c/decode/encoder 1", "qkv", "split_k", 1e-6, 1.0, 2.0},
                                            {"c/decode/head", "head", "gemm", 1e-6, 3.0, 4.0}};
  const auto by_launch = compare(launches, kernels, Grouping::launch);
  ASSERT_EQ(by_launch.size(), 5u);
  EXPECT_EQ(by_launch[0].name, "c/decode/encoder 1 / qkv");
  EXPECT_EQ(by_launch[0].launches, 2);
  EXPECT_EQ(by_launch[0].kernels, 3);
  EXPECT_EQ(by_launch[0].model_bytes, 110.0);
  EXPECT_EQ(by_launch[0].dram_bytes, 121.0);
  EXPECT_EQ(by_launch[1].kernels, 0) << "launched, not profiled";
  EXPECT_EQ(by_launch[3].launches, 0) << "profiled, not launched by the model";
  EXPECT_EQ(by_launch.back().name, "") << "kernels outside any range stand last";
  const auto by_level = compare(launches, kernels, Grouping::level);
  ASSERT_EQ(by_level.size(), 4u);
  EXPECT_EQ(by_level[0].model_bytes, 120.0);
  const auto by_op = compare(launches, kernels, Grouping::op);
  EXPECT_EQ(by_op[0].name, "qkv");
  EXPECT_EQ(by_op[0].model_bytes, 170.0);
  for (const auto grouping : {Grouping::launch, Grouping::level, Grouping::op}) {
    double dram = 0.0, model = 0.0;
    int64_t count = 0, launches_sum = 0;
    for (const Comparison& c : compare(launches, kernels, grouping)) {
      dram += c.dram_bytes;
      model += c.model_bytes;
      count += c.kernels;
      launches_sum += c.launches;
    }
    EXPECT_EQ(dram, 131.0);
    EXPECT_EQ(model, 180.0);
    EXPECT_EQ(count, 5);
    EXPECT_EQ(launches_sum, 5);
  }
  const std::string html = counter_tables(launches, kernels).markup;
  for (const char* part : {"c/decode/encoder 1 / qkv", "in no range", "DRAM / model"})
    EXPECT_NE(html.find(part), std::string::npos) << html;
}

}  // namespace
}  // namespace photon::analysis
