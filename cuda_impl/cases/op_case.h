// One struct an op describes its cases and serves correctness and benchmark: random inputs from a seed, the
// launch, what it moves, and the same arithmetic on the host, in double and in float on the same inputs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda_impl/runtime/stream.h"

namespace photon::PHOTON_GPU {

/// One result of an op. The rule: the error of `fast` against `exact` is at most twice that of `naive`, which
/// is the op in float on the same inputs, rounded once to the result's type.
struct OpOutput {
  std::string name;
  std::vector<double> fast;
  std::vector<double> naive;
  std::vector<double> exact;
  bool rounded = true;  ///< a bf16 result; else float
};

class OpCase {
 public:
  virtual ~OpCase() = default;
  /// May be called again and again: inputs stay as they are, outputs are poisoned first where that matters.
  virtual void launch(Stream& stream) = 0;
  /// Of one launch.
  virtual Work work() const = 0;
  /// After a launch and a synchronisation.
  virtual std::vector<OpOutput> outputs() = 0;
};

struct NamedCase {
  std::string op;          ///< as its launches are named
  std::string parameters;  ///< "rows=3 width=52"
  bool large = false;      ///< of the paper's size: for a device, not for emulation
  std::function<std::unique_ptr<OpCase>(uint64_t seed)> make;
};

/// The cases of all ops.
std::vector<NamedCase> op_cases();

}  // namespace photon::PHOTON_GPU
