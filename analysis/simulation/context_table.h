// SPDX-License-Identifier: Apache-2.0
// What attention to a cache costs, as a function of how much is in it: the exact cost model at all small
// contexts and at 32 a factor of two beyond, straight lines between. The cost is made of straight lines, so
// the only error is at a kink, where an encoder's window fills: below relative_error there, rounding
// elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace photon::analysis::simulation {

class ContextTable {
 public:
  static constexpr double relative_error = 0.01;

  /// Asks `exact` at as many units as it takes for 0 .. last.
  ContextTable(int64_t last, const std::function<double(int64_t)>& exact);

  /// At `unit`, 0 .. last.
  double at(int64_t unit) const {
    const Line& line = lines_[index(unit)];
    return line.value + line.slope * static_cast<double>(unit - line.begin);
  }

 private:
  struct Line {
    int64_t begin;
    double value;
    double slope;
  };

  /// Units below 64 have their own line; after them 32 lines a factor of two.
  static size_t index(int64_t unit);
  static int64_t begin_of(size_t index);

  std::vector<Line> lines_;
};

}  // namespace photon::analysis::simulation
