// SPDX-License-Identifier: Apache-2.0
// One struct an op describes its cases: random inputs from a seed, the launch, what it moves, and the same
// arithmetic on the host, in double and in float on the same inputs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda_impl/device/stream.h"

namespace photon::PHOTON_GPU {

/// What a result is stored as.
enum class Precision { bfloat16, float32, float64, copied };

/// One result of an op, all of it or, of large cases, some. The rule: the error of `fast` against `exact` is
/// at most twice that of `naive`, which is the op in float on the same inputs, every stored result rounded
/// once. What is copied is equal.
struct OpOutput {
  std::string name;
  std::vector<double> fast;
  std::vector<double> naive;
  std::vector<double> exact;
  Precision precision = Precision::bfloat16;
  /// Largest number that floats are rounded at on the way, or what those of one result come to together,
  /// where that may exceed the results.
  double magnitude = 0.0;
};

class OpCase {
 public:
  virtual ~OpCase() = default;
  /// May be called again and again; what it reads and writes stays within the case's arrays.
  virtual void launch(Stream& stream) = 0;
  /// Of one launch.
  virtual Work work() const = 0;
  /// After one launch since the construction or the last call, and a synchronisation. Puts back what the
  /// launch has changed of its inputs.
  virtual std::vector<OpOutput> outputs() = 0;
};

struct NamedCase {
  std::string op;          ///< as its launches are named
  std::string parameters;  ///< "rows=3 width=52"
  bool large = false;      ///< of the paper's size: for the GPU suite, not for emulation
  std::function<std::unique_ptr<OpCase>(uint64_t seed)> make;
};

/// The cases of all ops.
std::vector<NamedCase> op_cases();

}  // namespace photon::PHOTON_GPU
