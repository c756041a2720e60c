// SPDX-License-Identifier: Apache-2.0
// The gradients that the cases hold kernels to, in double, against central differences of what they are the
// gradients of.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "core/base/error.h"
#include "cuda_impl/kernels/embed_backward.h"
#include "reference/conditioning.h"
#include "tests/cuda_impl/cases/gradient_host.h"
#include "tests/support.h"

namespace photon::PHOTON_GPU {
namespace {

using photon::testing::test_seed;
using Vector = std::vector<double>;

Vector random_vector(int64_t size, uint64_t stream, double scale = 1.0) {
  std::mt19937_64 engine(test_seed() + stream);
  std::normal_distribution<double> normal(0.0, scale);
  Vector out(static_cast<size_t>(size));
  for (double& v : out) v = normal(engine);
  return out;
}

Strided<Vector> whole(const Vector& v) {
  return {v};
}

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// `gradient` is that of f at x; `step` is where differences err least.
void expect_gradient(const std::function<double(const Vector&)>& f, Vector x, const Vector& gradient,
                     double step = 1e-5) {
  ASSERT_EQ(gradient.size(), x.size());
  double largest = 0.0;
  for (const double g : gradient) largest = std::max(largest, std::abs(g));
  ASSERT_GT(largest, 0.0);
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + step;
    const double above = f(x);
    x[i] = at - step;
    const double below = f(x);
    x[i] = at;
    EXPECT_NEAR((above - below) / (2.0 * step), gradient[i], 1e-7 * largest) << "element " << i;
  }
}

TEST(HostGradients, OfRmsNormAreItsDifferences) {
  constexpr int64_t width = 7;
  constexpr float eps = 0.1f;  // so large that it matters
  const Vector x = random_vector(width, 1);
  const Vector gain = random_vector(width, 2);
  const Vector d = random_vector(width, 3);
  const auto along = [&](const Vector& at, const Vector& gains) {
    const double mean = dot(at, at) / width;
    double sum = 0.0;
    for (size_t i = 0; i < at.size(); ++i) {
      sum += d[i] * at[i] / std::sqrt(mean + static_cast<double>(eps)) * gains[i];
    }
    return sum;
  };
  const auto gradient = norm_gradient<double>(whole(x), whole(gain), whole(d), width, eps);
  expect_gradient([&](const Vector& v) { return along(v, gain); }, x, gradient.d_x);
  expect_gradient([&](const Vector& v) { return along(x, v); }, gain, gradient.d_gain);
}

TEST(HostGradients, OfSwigluAreItsDifferences) {
  const auto swiglu = [](const Vector& v) { return v[0] / (1.0 + std::exp(-v[0])) * v[1]; };
  for (uint64_t i = 0; i < 10; ++i) {
    const Vector v = random_vector(3, 10 + i, 2.0);
    const auto gradient = swiglu_gradient(v[0], v[1], v[2]);
    expect_gradient([&](const Vector& x) { return v[2] * swiglu(x); }, {v[0], v[1]},
                    {gradient.gate, gradient.up});
  }
}

TEST(HostGradients, OfCrossEntropyAreItsDifferences) {
  constexpr int64_t vocab = 9;
  constexpr double factor = 0.3;
  const Vector logits = random_vector(vocab, 20, 3.0);
  for (int32_t target = 0; target < vocab; ++target) {
    Vector gradient;
    const double loss = cross_entropy_on_host<double>(whole(logits), vocab, target, factor, &gradient);
    double sum = 0.0;
    for (const double x : logits) sum += std::exp(x);
    EXPECT_NEAR(loss, -std::log(std::exp(logits[static_cast<size_t>(target)]) / sum), 1e-12);
    expect_gradient(
        [&](const Vector& x) {
          return factor * cross_entropy_on_host<double>(whole(x), vocab, target, factor, nullptr);
        },
        logits, gradient);
  }
}

void expect_distance_gradients(Distance kind, const Vector& a, const Vector& b, double step_a) {
  constexpr double factor = 0.7;
  const auto of = [&](const Vector& x, const Vector& y) {
    return distance_gradient<double>(kind, whole(x), whole(y), std::ssize(x), factor);
  };
  const auto gradient = of(a, b);
  expect_gradient([&](const Vector& v) { return factor * of(v, b).loss; }, a, gradient.d_a, step_a);
  expect_gradient([&](const Vector& v) { return factor * of(a, v).loss; }, b, gradient.d_b);
}

TEST(HostGradients, OfDistancesAreTheirDifferences) {
  Vector a = random_vector(6, 30);
  const Vector b = random_vector(6, 31);
  expect_distance_gradients(Distance::squared, a, b, 1e-5);
  expect_distance_gradients(Distance::cosine, a, b, 1e-5);
  for (double& v : a) v *= 1e-10;  // the norm is held, and the distance linear in a
  expect_distance_gradients(Distance::cosine, a, b, 1e-10);
}

TEST(HostGradients, OfConditioningGoWhereTheReferenceTakesItFrom) {
  for (const bool previous : {false, true}) {
    for (int64_t context = 1; context <= 3; ++context) {
      const reference::ConditioningWindow window{context, previous};
      for (int64_t chunk = 0; chunk < 5; ++chunk) {
        for (int64_t k = 0; k < context; ++k) {
          EXPECT_EQ(conditioning_source(k, chunk, context, previous), window.source(chunk, k));
        }
      }
    }
  }
}

TEST(HostGradients, OfProductsAreTheirDifferences) {
  constexpr int64_t rows = 3;
  constexpr int64_t in = 4;
  constexpr int64_t out = 5;
  const Vector x = random_vector(rows * in, 40);
  const Vector weight = random_vector(out * in, 41);
  const Vector d = random_vector(rows * out, 42);
  const auto along = [&](const Vector& at, const Vector& weights) {
    double sum = 0.0;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t o = 0; o < out; ++o) {
        for (size_t i = 0; i < in; ++i) sum += d[r * out + o] * at[r * in + i] * weights[o * in + i];
      }
    }
    return sum;
  };
  double magnitude = 0.0;
  Vector d_x;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < in; ++i) {
      d_x.push_back(dot_on_host<double>(Strided<Vector>{d, r * out, 1}, Strided<Vector>{weight, i, in}, out,
                                        &magnitude));
    }
  }
  Vector d_weight;
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      d_weight.push_back(
          dot_on_host<double>(Strided<Vector>{d, o, out}, Strided<Vector>{x, i, in}, rows, &magnitude));
    }
  }
  expect_gradient([&](const Vector& v) { return along(v, weight); }, x, d_x);
  expect_gradient([&](const Vector& v) { return along(x, v); }, weight, d_weight);
}

TEST(TokenPlaces, NameEveryPlaceOnceUnderItsTokenInSegments) {
  std::mt19937_64 engine(test_seed());
  constexpr int32_t vocab = 20;
  std::uniform_int_distribution<int32_t> any(0, vocab - 1);
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{32}, size_t{33}, size_t{64}, size_t{65}, size_t{1500}}) {
    std::vector<int32_t> ids(size);
    for (size_t i = 0; i < size; ++i) ids[i] = i % 3 == 0 || size <= 65 ? 7 : any(engine);
    const TokenPlaces places = token_places(ids, vocab);
    ASSERT_EQ(places.positions.size(), size);
    int32_t next = 0;
    int32_t last_token = -1;
    std::vector<TokenSegment> partial;
    for (const TokenSegment& s : places.segments) {
      EXPECT_EQ(s.first, next);
      EXPECT_GE(s.count, 1);
      EXPECT_LE(s.count, TokenPlaces::longest_segment);
      EXPECT_GE(s.token, last_token);
      if (s.token == last_token) {
        EXPECT_GE(s.partial, 0);
      }
      for (int32_t p = s.first; p < s.first + s.count; ++p) {
        const int32_t position = places.positions[static_cast<size_t>(p)];
        EXPECT_EQ(ids.at(static_cast<size_t>(position)), s.token);
        if (p > s.first) {
          EXPECT_GT(position, places.positions[static_cast<size_t>(p - 1)]);
        }
      }
      if (s.partial >= 0) {
        EXPECT_EQ(s.partial, static_cast<int32_t>(partial.size()));
        partial.push_back(s);
      }
      next = s.first + s.count;
      last_token = s.token;
    }
    EXPECT_EQ(next, static_cast<int32_t>(size));
    int32_t rows = 0;
    for (const TokenPartials& t : places.partials) {
      EXPECT_GE(t.count, 2);
      EXPECT_EQ(t.first, rows);
      for (int32_t i = t.first; i < t.first + t.count; ++i) {
        EXPECT_EQ(partial.at(static_cast<size_t>(i)).token, t.token);
      }
      rows += t.count;
    }
    EXPECT_EQ(rows, static_cast<int32_t>(partial.size()));
    EXPECT_LE(rows, embed_backward_workspace(static_cast<int64_t>(size), 1));
  }
}

TEST(TokenPlaces, RefuseWhatIsNoToken) {
  for (const int32_t id : {-1, 5}) {
    const std::vector<int32_t> ids = {0, id};
    const std::string message = photon::testing::message_of<Error>([&] { token_places(ids, 5); });
    EXPECT_TRUE(photon::testing::holds(message, {std::to_string(id), "vocabulary of 5"}));
  }
}

}  // namespace
}  // namespace photon::PHOTON_GPU
