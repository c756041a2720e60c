// SPDX-License-Identifier: Apache-2.0
// Every parameter's gradient against the complex step of the same code: dL/dp = Im L(p + ih) / h, exact to
// rounding.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <complex>

#include "reference/model.h"
#include "tests/reference/support.h"

namespace photon::reference {
namespace {

using Complex = std::complex<double>;

struct GradientCase {
  std::string name;
  ModelSpec spec;
  LossConfig loss;
  int64_t meta_contexts = 3;
};

void PrintTo(const GradientCase& c, std::ostream* out) {
  *out << c.name;
}

std::vector<GradientCase> cases() {
  std::vector<GradientCase> out;
  const LossConfig all{.alpha = 0.3, .beta = 0.2};
  for (int depth = 0; depth <= 3; ++depth) {
    for (const Reading reading : {Reading::causal, Reading::parallel, Reading::literal, Reading::hatted}) {
      if (depth == 0 && reading != Reading::causal) continue;
      out.push_back(
          {fmt::format("L{}_{}", depth, to_string(reading)), testing::small_spec(depth, reading), all});
      // In a text of the same token throughout, which a few are now and then, attention has no gradient.
      if (depth == 0) out.back().meta_contexts = 12;
    }
  }
  for (const Reading reading : {Reading::causal, Reading::literal}) {
    GradientCase c{fmt::format("context_{}", to_string(reading)), testing::small_spec(3, reading), all};
    c.spec.levels[0].converter_context = 2;
    c.spec.levels[1].converter_context = 3;
    c.spec.levels[2].converter_context = 2;
    out.push_back(c);
  }
  GradientCase windows{"windows", testing::small_spec(2), all, 4};
  windows.spec.levels[0].encoder_window = {EncoderWindow::Kind::units, 3};
  out.push_back(windows);
  windows.name = "window_block";
  windows.spec.levels[0].encoder_window = {EncoderWindow::Kind::block, 0};
  out.push_back(windows);
  for (const bool detach : {false, true}) {
    for (const Distance distance : {Distance::cosine, Distance::squared}) {
      out.push_back({fmt::format("{}_{}", distance == Distance::cosine ? "cosine" : "squared",
                                 detach ? "detached" : "attached"),
                     testing::small_spec(2, Reading::parallel),
                     {.alpha = 0.7, .beta = 0.5, .distance = distance, .detach_targets = detach}});
    }
  }
  GradientCase ones{"chunk_of_one", testing::small_spec(2), all};
  ones.spec.levels[0].chunk = 1;
  ones.spec.levels[1].prefix = 1;
  out.push_back(ones);
  // Enough units that attention runs in blocks of queries.
  GradientCase blocked{"blocked_attention", testing::small_spec(0), all, 70};
  blocked.spec.layers = 1;
  out.push_back(blocked);
  GradientCase blocked_window{"blocked_attention_window", testing::small_spec(2), all, 12};
  blocked_window.spec.levels[0].encoder_window = {EncoderWindow::Kind::units, 5};
  out.push_back(blocked_window);
  return out;
}

class Gradient : public ::testing::TestWithParam<GradientCase> {};

TEST_P(Gradient, MatchesComplexStep) {
  const GradientCase& c = GetParam();
  const uint64_t seed = testing::test_seed();
  AlignedVector<double> parameters = testing::random_parameters(c.spec, seed);
  const TokenBatch batch =
      testing::random_batch(c.spec, 2, c.meta_contexts * c.spec.meta_context(), seed + 1);

  AlignedVector<double> gradients(parameters.size(), 0.0);
  Model<double> model(c.spec, parameters.data());
  const double weight = 1.7;
  const double loss = model.losses(batch, c.loss, weight, gradients.data()).total(c.loss);
  ASSERT_TRUE(std::isfinite(loss));

  AlignedVector<Complex> point(parameters.begin(), parameters.end());
  Model<Complex> complex_model(c.spec, point.data());
  constexpr double h = 1e-50;
  // Whole tensors up to a size, a seeded choice of elements beyond: the paths differ by tensor, not by
  // element.
  std::mt19937_64 engine(seed + 2);
  for (const auto& p : parameter_list(c.spec)) {
    double largest = 0.0;
    double worst = 0.0;
    const int64_t checks = std::min<int64_t>(p.size(), 40);
    for (int64_t n = 0; n < checks; ++n) {
      const int64_t element =
          p.size() == checks ? n : std::uniform_int_distribution<int64_t>(0, p.size() - 1)(engine);
      const auto i = static_cast<size_t>(p.offset + element);
      point[i] += Complex(0.0, h);
      const double expected = weight * complex_model.losses(batch, c.loss).total(c.loss).imag() / h;
      point[i] = parameters[i];
      ASSERT_TRUE(std::isfinite(gradients[i])) << p.name;
      largest = std::max(largest, std::abs(expected));
      worst = std::max(worst, std::abs(expected - gradients[i]));
    }
    EXPECT_LE(worst, 1e-10 * largest) << p.name << ": largest gradient " << largest;
    const bool every_row_used = p.name.find("embedding") == std::string::npos;
    if (!p.trained) {
      EXPECT_EQ(largest, 0.0) << p.name << " is frozen but has a gradient";
    } else if (every_row_used) {
      EXPECT_GT(largest, 0.0) << p.name << " is dead";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Gradient, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

// Gradients are added, not assigned, and scale with the weight.
TEST(GradientAccumulation, AddsUp) {
  const ModelSpec spec = testing::small_spec(2);
  AlignedVector<double> parameters = testing::random_parameters(spec, testing::test_seed());
  const TokenBatch batch = testing::random_batch(spec, 3, 2 * spec.meta_context(), 5);
  Model<double> model(spec, parameters.data());
  AlignedVector<double> once(parameters.size(), 0.0);
  AlignedVector<double> twice(parameters.size(), 0.0);
  model.losses(batch, {}, 1.0, once.data());
  model.losses(batch, {}, 0.25, twice.data());
  model.losses(batch, {}, 0.75, twice.data());
  for (size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(once[i], twice[i], 1e-13 * (1.0 + std::abs(once[i])));
}

}  // namespace
}  // namespace photon::reference
