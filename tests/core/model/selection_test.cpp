// SPDX-License-Identifier: Apache-2.0
#include "core/model/selection.h"

#include <gtest/gtest.h>

#include "core/base/error.h"

namespace photon {
namespace {

TEST(Selection, MajorityIgnoresSurroundingSpaceAndPrefersTheFirst) {
  const std::vector<std::string> answers = {"7", " 42\n", "42", "7", "42 "};
  EXPECT_EQ(majority_vote(answers), 1u);
  const std::vector<std::string> tied = {"b", "a", "a", "b"};
  EXPECT_EQ(majority_vote(tied), 0u);
  EXPECT_THROW(majority_vote({}), Error);
}

TEST(Selection, LikelihoodIsAMeanSoLengthDoesNotDecide) {
  const std::vector<std::vector<double>> log_probs = {{-0.5}, {-0.4, -0.4, -0.4}, {}, {-3.0}};
  EXPECT_EQ(best_by_likelihood(log_probs), 1u);
  EXPECT_THROW(best_by_likelihood({}), Error);
}

}  // namespace
}  // namespace photon
