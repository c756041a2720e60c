// SPDX-License-Identifier: Apache-2.0
// AdamW against the rule written in double for one number, and the independence of both results from threads.
#include "core/backend/adamw.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "core/base/random.h"

namespace photon {
namespace {

uint64_t test_seed() {
  const char* given = std::getenv("PHOTON_TEST_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 20251;
  testing::Test::RecordProperty("seed", std::to_string(seed));
  printf("PHOTON_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

std::vector<ParameterInfo> odd_list() {
  std::vector<ParameterInfo> list{{.name = "matrix", .shape = {131, 257}, .decay = true},
                                  {.name = "gain", .shape = {13}},
                                  {.name = "frozen", .shape = {7}, .trained = false},
                                  {.name = "second", .shape = {3, 5}, .decay = true}};
  int64_t next = 0;
  for (auto& p : list) {
    p.offset = next;
    next += p.size();
  }
  return list;
}

int64_t elements(const std::vector<ParameterInfo>& list) {
  return list.back().offset + list.back().size();
}

std::vector<float> noise(uint64_t seed, uint64_t stream, int64_t count, double scale) {
  std::vector<float> out(static_cast<size_t>(count));
  const Philox philox(seed);
  for (int64_t i = 0; i < count; ++i) {
    out[static_cast<size_t>(i)] =
        static_cast<float>(scale * philox.normals(stream, static_cast<uint64_t>(i))[0]);
  }
  return out;
}

void expect_the_rule(const AdamWStep& given) {
  const uint64_t seed = test_seed();
  const auto list = odd_list();
  const auto count = elements(list);
  auto p = noise(seed, 0, count, 0.1);
  const auto start = p;
  std::vector<float> m(p.size()), v(p.size());
  std::vector<double> exact(p.begin(), p.end()), em(p.size()), ev(p.size());

  AdamWStep step = given;
  for (step.step = 1; step.step <= 5; ++step.step) {
    step.gradient_scale = step.step == 3 ? 0.25 : 1.0;
    const auto g = noise(seed, static_cast<uint64_t>(step.step), count, 1.0);
    adamw_update(list, step, p, g, m, v);
    for (const auto& info : list) {
      if (!info.trained) continue;
      for (auto i = static_cast<size_t>(info.offset); i < static_cast<size_t>(info.offset + info.size());
           ++i) {
        const double scaled = g[i] * step.gradient_scale;
        em[i] = given.beta1 * em[i] + (1.0 - given.beta1) * scaled;
        ev[i] = given.beta2 * ev[i] + (1.0 - given.beta2) * scaled * scaled;
        if (info.decay) exact[i] *= 1.0 - given.learning_rate * given.weight_decay;
        const double m_hat = em[i] / (1.0 - std::pow(given.beta1, step.step));
        const double v_hat = ev[i] / (1.0 - std::pow(given.beta2, step.step));
        exact[i] -= given.learning_rate * m_hat / (std::sqrt(v_hat) + given.epsilon);
      }
    }
  }
  for (const auto& info : list) {
    for (auto i = static_cast<size_t>(info.offset); i < static_cast<size_t>(info.offset + info.size()); ++i) {
      if (info.trained) {
        ASSERT_NEAR(p[i], exact[i], 2e-6) << info.name << " element " << i;
        ASSERT_NE(p[i], start[i]);
      } else {
        ASSERT_EQ(p[i], start[i]) << "a frozen parameter moved";
        ASSERT_EQ(m[i], 0.0f);
        ASSERT_EQ(v[i], 0.0f);
      }
    }
  }
}

TEST(AdamW, FollowsTheRuleWithDecayOnMatricesOnly) {
  expect_the_rule({.learning_rate = 0.01});
  expect_the_rule({.learning_rate = 0.02, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-2, .weight_decay = 0.4});
  expect_the_rule({.learning_rate = 0.01, .beta1 = 0.0, .weight_decay = 0.0});
}

TEST(AdamW, FirstStepMovesByTheRateAgainstTheGradientsSign) {
  std::vector<ParameterInfo> list{{.name = "gain", .shape = {2}}};
  std::vector<float> p{1.0f, 1.0f}, m(2), v(2);
  const std::vector<float> g{1e-3f, -40.0f};
  adamw_update(list, {.step = 1, .learning_rate = 0.5}, p, g, m, v);
  EXPECT_NEAR(p[0], 0.5, 1e-4);
  EXPECT_NEAR(p[1], 1.5, 1e-4);
}

TEST(AdamW, SameBitsForAnyNumberOfThreads) {
  const uint64_t seed = test_seed();
  const auto list = odd_list();
  const auto g = noise(seed, 1, elements(list), 1.0);
  const int before = omp_get_max_threads();
  std::vector<float> first_p;
  double first_norm = 0.0;
  for (const int threads : {1, 2, 3, 5}) {
    omp_set_num_threads(threads);
    auto p = noise(seed, 0, elements(list), 0.1);
    std::vector<float> m(p.size()), v(p.size());
    for (int64_t s = 1; s <= 3; ++s) adamw_update(list, {.step = s, .learning_rate = 0.01}, p, g, m, v);
    const double norm = gradient_norm(list, g);
    if (threads == 1) {
      first_p = p;
      first_norm = norm;
    }
    EXPECT_EQ(p, first_p) << threads << " threads";
    EXPECT_EQ(norm, first_norm) << threads << " threads";
  }
  omp_set_num_threads(before);
}

TEST(GradientNorm, IsTheNormOverTrainedParametersAndKeepsNaN) {
  const auto list = odd_list();
  auto g = noise(test_seed(), 2, elements(list), 1.0);
  double sum = 0.0;
  for (const auto& p : list) {
    for (int64_t i = p.offset; p.trained && i < p.offset + p.size(); ++i) {
      sum += static_cast<double>(g[static_cast<size_t>(i)]) * g[static_cast<size_t>(i)];
    }
  }
  EXPECT_NEAR(gradient_norm(list, g), std::sqrt(sum), 1e-10 * std::sqrt(sum));

  const auto frozen = static_cast<size_t>(list[2].offset);
  g[frozen] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isfinite(gradient_norm(list, g))) << "a frozen parameter's gradient counted";
  g[static_cast<size_t>(list[3].offset)] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(gradient_norm(list, g)));
}

}  // namespace
}  // namespace photon
