// SPDX-License-Identifier: Apache-2.0
// What token i sees under each reading (docs/architecture.md, "The model"): the derivative of its state by
// token t's embeddings is exactly zero where t is not seen, and is not where it is.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <complex>
#include <numeric>

#include "reference/model.h"
#include "tests/reference/support.h"

namespace photon::reference {
namespace {

using Complex = std::complex<double>;

/// The table's last column for any depth: does the distribution of token i depend on token t?
bool sees(const ModelSpec& spec, int64_t i, int64_t t) {
  if (t >= i) return false;
  if (spec.depth() == 0 || spec.reading == Reading::causal) return true;
  const int64_t c1 = spec.level(1).chunk;
  const int64_t b = spec.meta_context();
  const bool own_chunk = t / c1 == i / c1;
  if (own_chunk) return spec.reading != Reading::hatted;
  int64_t shift = 0;
  if (spec.reading != Reading::parallel) {
    int64_t product = 1;
    for (int l = 1; l < spec.depth(); ++l) {
      if (l > 1) product *= spec.level(l).chunk;
      shift += product;
    }
  }
  const int64_t chunk = i / c1 - shift;
  return chunk >= 0 && t / b < chunk * c1 / b;
}

class Dataflow : public ::testing::TestWithParam<std::tuple<int, Reading>> {};

TEST_P(Dataflow, TokenSeesWhatItsReadingSays) {
  const auto [depth, reading] = GetParam();
  ModelSpec spec = testing::small_spec(depth, reading);
  const int64_t length = depth == 0 ? 9 : 4 * spec.meta_context();
  spec.vocab = length;  // every position its own token: a row of the tables is a position
  const auto parameters = testing::random_parameters(spec, testing::test_seed());
  AlignedVector<Complex> point(parameters.begin(), parameters.end());
  TokenBatch batch{1, length, std::vector<int32_t>(static_cast<size_t>(length))};
  std::iota(batch.ids.begin(), batch.ids.end(), 0);
  Model<Complex> model(spec, point.data());
  constexpr double h = 1e-50;
  for (int64_t t = 0; t < length; ++t) {
    for (const auto& p : parameter_list(spec)) {
      if (p.name.find("embedding") == std::string::npos) continue;
      for (int64_t d = 0; d < p.shape[1]; ++d) {
        const auto at = static_cast<size_t>(p.offset + t * p.shape[1] + d);
        point[at] = {parameters[at], h * (1.0 + static_cast<double>(d))};
      }
    }
    model.forward(batch);
    for (int64_t state = 0; state < length; ++state) {
      const int64_t i = depth == 0 ? state + 1 : state;  // the token this state predicts
      const double influence = model.xhat(0).row(state).imag().cwiseAbs().maxCoeff();
      if (sees(spec, i, t)) {
        EXPECT_GT(influence, 0.0) << "token " << i << " should see token " << t;
      } else {
        EXPECT_EQ(influence, 0.0) << "token " << i << " should not see token " << t;
      }
    }
    for (size_t at = 0; at < point.size(); ++at) point[at] = parameters[at];
  }
}

INSTANTIATE_TEST_SUITE_P(All, Dataflow,
                         ::testing::Combine(::testing::Values(0, 1, 2, 3),
                                            ::testing::Values(Reading::causal, Reading::parallel,
                                                              Reading::literal, Reading::hatted)),
                         [](const auto& test) {
                           return fmt::format("L{}_{}", std::get<0>(test.param),
                                              to_string(std::get<1>(test.param)));
                         });

}  // namespace
}  // namespace photon::reference
