// SPDX-License-Identifier: Apache-2.0
#include "reference/ceilings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "reference/blas.h"
#include "reference/memory.h"

namespace photon::reference {
namespace {

TEST(Ceilings, AreFiniteAndConsistent) {
  const Ceilings c = measure_ceilings(DType::float32);
  for (const double rate : {c.read_bandwidth, c.copy_bandwidth, c.matrix_rate}) {
    EXPECT_TRUE(std::isfinite(rate));
    EXPECT_GT(rate, 0.0);
  }
  EXPECT_EQ(c.bandwidth, std::max(c.read_bandwidth, c.copy_bandwidth));
  // Neither number of the cache means anything without the other.
  EXPECT_EQ(c.cache_bandwidth > 0.0, c.cache_bytes > 0);
  EXPECT_EQ(c.launch_seconds, 0.0);
  EXPECT_GE(c.spread, 0.0);
  EXPECT_LT(c.spread, 1.0);
}

TEST(Ceilings, CachesGrowOutwards) {
  const CacheSizes caches = cache_sizes();
  EXPECT_GE(caches.last_level, caches.second_level);
}

TEST(Memory, ResidentSetFollowsWhatIsTouched) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory for a while";
#endif
  EXPECT_GT(usable_memory_bytes(), resident_bytes());
  constexpr int64_t size = int64_t{64} << 20;
  const int64_t before = resident_bytes();
  std::vector<char> block(static_cast<size_t>(size), 1);
  EXPECT_NEAR(static_cast<double>(resident_bytes() - before), size, 0.1 * size);
  std::vector<char>().swap(block);
  EXPECT_LT(resident_bytes() - before, size / 10);
}

TEST(Blas, RestartsNothingWhereTheKernelsWereChosenByHand) {
  setenv("OPENBLAS_CORETYPE", "Haswell", 0);
  const std::string before = blas_name();
  char* argv[] = {nullptr};
  use_best_blas(argv);  // would replace this process
  EXPECT_EQ(blas_name(), before);
  EXPECT_FALSE(before.empty());
}

}  // namespace
}  // namespace photon::reference
