// SPDX-License-Identifier: Apache-2.0
// The metrics file across a stop: rows after the checkpoint and torn rows go, the others stay byte for byte.
#include "trainer/metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "core/base/error.h"

namespace photon::trainer {
namespace {

namespace fs = std::filesystem;

class Metrics : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string text() const {
    std::ostringstream out;
    out << std::ifstream(file_).rdbuf();
    return out.str();
  }

  void write(int64_t from, int64_t to, int64_t kept) {
    MetricsFile metrics(file_, kept, 2);
    for (int64_t step = from; step <= to; ++step) metrics.append(row(step));
  }

  static MetricsRow row(int64_t step) {
    MetricsRow r{.step = step, .tokens = 512 * step, .flops = 1.0 / 3.0 * static_cast<double>(step)};
    r.train = {.token = 10.0 / static_cast<double>(step), .rec = 0.1, .context = 1e-300};
    r.gradient_norm = 0.7;
    r.learning_rate = 1e-3;
    if (step % 3 == 0) r.validation = Losses{.token = 2.5};
    r.tokens_per_second = 123.456;
    if (step % 2 == 0) r.mfu = 0.5;
    return r;
  }

  fs::path folder_ = fs::temp_directory_path() / ("photon-metrics-" + std::to_string(getpid()));
  fs::path file_ = folder_ / "metrics.csv";
};

TEST_F(Metrics, ResumedFileEqualsTheUninterruptedOne) {
  write(1, 9, 0);
  const std::string whole = text();
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 10);
  for (int64_t stop = 0; stop <= 9; ++stop) {
    for (int64_t ran = stop; ran <= 9; ++ran) {
      write(1, ran, 0);
      EXPECT_EQ(MetricsFile(file_, stop, 2).kept(), stop);
      write(stop + 1, 9, stop);
      ASSERT_EQ(text(), whole) << "stopped at " << ran << " after a checkpoint of " << stop;
    }
  }
}

TEST_F(Metrics, ATornRowIsDroppedAtAnyByte) {
  write(1, 3, 0);
  const std::string whole = text();
  const size_t two_rows = whole.rfind('\n', whole.size() - 2) + 1;
  for (size_t size = two_rows; size < whole.size(); ++size) {
    std::ofstream(file_, std::ios::binary) << whole.substr(0, size);
    EXPECT_EQ(MetricsFile(file_, 3, 2).kept(), 2) << "cut to " << size << " bytes";
    ASSERT_EQ(text(), whole.substr(0, two_rows));
  }
}

TEST_F(Metrics, ForeignColumnsAreRefusedAndLeftAlone) {
  std::ofstream(file_) << "step,loss\n1,2.0\n";
  EXPECT_THROW(MetricsFile(file_, 1, 2), Error);
  EXPECT_EQ(text(), "step,loss\n1,2.0\n");
}

TEST_F(Metrics, ALossThatTheModelHasNotIsEmpty) {
  const auto row_of_depth = [&](int depth) {
    MetricsFile(file_, 0, depth).append(row(3));
    const std::string all = text();
    const std::string line = all.substr(all.find('\n') + 1);
    return line.substr(0, line.find(",123"));
  };
  EXPECT_EQ(row_of_depth(2), "3,1536,1,3.3333333333333335,0.1,1e-300,0.7,0.001,2.5,0,0");
  EXPECT_EQ(row_of_depth(1), "3,1536,1,3.3333333333333335,,1e-300,0.7,0.001,2.5,,0");
  EXPECT_EQ(row_of_depth(0), "3,1536,1,3.3333333333333335,,,0.7,0.001,2.5,,");
}

TEST_F(Metrics, AFreshRunStartsAnew) {
  write(1, 4, 0);
  EXPECT_EQ(MetricsFile(file_, 0, 2).kept(), 0);
  const std::string left = text();
  EXPECT_EQ(std::count(left.begin(), left.end(), '\n'), 1);
}

}  // namespace
}  // namespace photon::trainer
