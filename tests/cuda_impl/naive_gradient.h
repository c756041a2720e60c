// SPDX-License-Identifier: Apache-2.0
// Numbers that remember how they were made, so that a result can be differentiated backwards through every
// single operation: what gradients the plain model has, and with rounded numbers what error bf16 brings to
// them by itself.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "tests/cuda_impl/naive_model.h"

namespace photon::testing {

/// Off: numbers keep all their bits.
inline bool rounding_at_random = true;

class Tape {
 public:
  struct Node {
    int32_t from[2] = {-1, -1};
    float slope[2] = {0.0f, 0.0f};
    bool rounded = false;
  };

  static Tape& current() {
    static thread_local Tape tape;
    return tape;
  }

  void clear() { nodes_.clear(); }
  int32_t add(const Node& node) {
    nodes_.push_back(node);
    return static_cast<int32_t>(nodes_.size()) - 1;
  }
  /// Of node `of` with respect to every node; what passed a rounding is rounded on its way back as well.
  std::vector<double> gradient(int32_t of, std::mt19937& random) const {
    std::vector<double> d(nodes_.size(), 0.0);
    d[static_cast<size_t>(of)] = 1.0;
    for (size_t i = nodes_.size(); i-- > 0;) {
      if (d[i] == 0.0) continue;
      const bool round = nodes_[i].rounded && rounding_at_random;
      const double passed = round ? rounded_at_random(static_cast<float>(d[i]), random) : d[i];
      for (int j = 0; j < 2; ++j) {
        if (nodes_[i].from[j] < 0) continue;
        d[static_cast<size_t>(nodes_[i].from[j])] += passed * nodes_[i].slope[j];
      }
    }
    return d;
  }

 private:
  std::vector<Node> nodes_;
};

struct Differentiable {
  float value = 0.0f;
  int32_t node = -1;  ///< -1: constant

  Differentiable() = default;
  explicit Differentiable(float v) : value(v) {}
  explicit Differentiable(double v) : value(static_cast<float>(v)) {}
  explicit Differentiable(int v) : value(static_cast<float>(v)) {}
  explicit Differentiable(size_t v) : value(static_cast<float>(v)) {}
  explicit operator double() const { return static_cast<double>(value); }

  static Differentiable leaf(float v) { return made(v, {}); }
  static Differentiable made(float v, const Tape::Node& node) {
    Differentiable out(v);
    out.node = Tape::current().add(node);
    return out;
  }
};

inline Differentiable operator+(const Differentiable& a, const Differentiable& b) {
  return Differentiable::made(a.value + b.value, {{a.node, b.node}, {1.0f, 1.0f}});
}
inline Differentiable operator-(const Differentiable& a, const Differentiable& b) {
  return Differentiable::made(a.value - b.value, {{a.node, b.node}, {1.0f, -1.0f}});
}
inline Differentiable operator-(const Differentiable& a) {
  return Differentiable::made(-a.value, {{a.node, -1}, {-1.0f, 0.0f}});
}
inline Differentiable operator*(const Differentiable& a, const Differentiable& b) {
  return Differentiable::made(a.value * b.value, {{a.node, b.node}, {b.value, a.value}});
}
inline Differentiable operator/(const Differentiable& a, const Differentiable& b) {
  const float quotient = a.value / b.value;
  return Differentiable::made(quotient, {{a.node, b.node}, {1.0f / b.value, -quotient / b.value}});
}
inline Differentiable& operator+=(Differentiable& a, const Differentiable& b) {
  return a = a + b;
}
inline bool operator<(const Differentiable& a, const Differentiable& b) {
  return a.value < b.value;
}
inline Differentiable exp(const Differentiable& a) {
  const float e = std::exp(a.value);
  return Differentiable::made(e, {{a.node, -1}, {e, 0.0f}});
}
inline Differentiable log(const Differentiable& a) {
  return Differentiable::made(std::log(a.value), {{a.node, -1}, {1.0f / a.value, 0.0f}});
}
inline Differentiable sqrt(const Differentiable& a) {
  const float root = std::sqrt(a.value);
  return Differentiable::made(root, {{a.node, -1}, {0.5f / root, 0.0f}});
}
inline Differentiable rounded_at_random(const Differentiable& a, std::mt19937& random) {
  const float value = rounding_at_random ? rounded_at_random(a.value, random) : a.value;
  return Differentiable::made(value, {{a.node, -1}, {1.0f, 0.0f}, true});
}

/// The loss and its gradients, flat as the parameters, by the plain model with numbers rounded at random.
struct NaiveGradients {
  double loss = 0.0;
  std::vector<double> gradients;

  NaiveGradients(const ModelSpec& spec, const std::vector<float>& parameters, const TokenBatch& batch,
                 const LossConfig& config, uint64_t seed) {
    Tape::current().clear();
    std::vector<Differentiable> leaves;
    for (const float p : parameters) leaves.push_back(Differentiable::leaf(p));
    auto model = NaiveModel<Differentiable>::of(spec, std::move(leaves), seed);
    const Differentiable total = model.loss(batch, config);
    loss = static_cast<double>(total);
    std::mt19937 random(static_cast<uint32_t>(seed + 1));
    gradients = Tape::current().gradient(total.node, random);
    gradients.resize(parameters.size());
  }
};

}  // namespace photon::testing
