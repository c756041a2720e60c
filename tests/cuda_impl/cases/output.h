// SPDX-License-Identifier: Apache-2.0
// What the cases' outputs are put together from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cuda_impl/device/repeated_array.h"
#include "tests/cuda_impl/cases/op_case.h"

namespace photon::PHOTON_GPU {

inline double number(bf16 x) {
  return static_cast<double>(to_float(x));
}
inline double number(float x) {
  return static_cast<double>(x);
}
inline double number(int32_t x) {
  return static_cast<double>(x);
}

/// One more element that is rounded to bf16.
inline void add_rounded(OpOutput& to, bf16 fast, float naive, double exact) {
  to.fast.push_back(number(fast));
  to.naive.push_back(number(to_bf16(naive)));
  to.exact.push_back(exact);
}

/// One more element of a result that is bf16 or float.
inline void add_stored(OpOutput& to, bf16 fast, float naive, double exact) {
  add_rounded(to, fast, naive, exact);
}
inline void add_stored(OpOutput& to, float fast, float naive, double exact) {
  to.fast.push_back(number(fast));
  to.naive.push_back(number(naive));
  to.exact.push_back(exact);
}

/// One more element that is what `expected` is.
template <class T>
void add_copied(OpOutput& to, T fast, T expected) {
  to.fast.push_back(number(fast));
  to.naive.push_back(number(expected));
  to.exact.push_back(number(expected));
}

inline OpOutput copied_output(std::string name) {
  return {std::move(name), {}, {}, {}, Precision::copied};
}

/// Of `count` things every so many-th is compared, so that at most about `most` are.
inline int64_t check_step(int64_t count, int64_t most) {
  return std::max<int64_t>(1, count / most);
}

/// An array that a launch writes parts of: all but what is touched is to stay as it was.
template <class T>
class Untouched {
 public:
  explicit Untouched(const RepeatedArray<T>& array) : array_(array), touched_(array.size(), false) {}

  void touch(size_t i) { touched_[i] = true; }
  void touch(size_t first, size_t count) {
    for (size_t i = first; i < first + count; ++i) touched_[i] = true;
  }
  /// now: the array after the launch.
  OpOutput output(std::string name, const std::vector<T>& now) const {
    OpOutput out = copied_output(std::move(name));
    constexpr int64_t most_checked = 1'000'000;
    const auto step = static_cast<size_t>(check_step(static_cast<int64_t>(now.size()), most_checked));
    for (size_t i = 0; i < now.size(); i += step) {
      if (!touched_[i]) add_copied(out, now[i], array_.value(i));
    }
    return out;
  }

 private:
  const RepeatedArray<T>& array_;
  std::vector<bool> touched_;
};

}  // namespace photon::PHOTON_GPU
