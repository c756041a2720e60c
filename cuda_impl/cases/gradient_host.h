// Gradients on the host, in float as a kernel without thought would compute them and in double. Arrays are
// whatever has elements: those of a case, or plain vectors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace photon::PHOTON_GPU {

/// Elements of an array, from one on and so many apart.
template <class Array>
struct Strided {
  const Array& array;
  int64_t first = 0;
  int64_t step = 1;

  auto operator[](int64_t i) const { return array[static_cast<size_t>(first + i * step)]; }
};

/// sum of a_i b_i; *magnitude becomes at least the sum of their absolute values.
template <class S, class A, class B>
S dot_on_host(const Strided<A>& a, const Strided<B>& b, int64_t count, double* magnitude) {
  S sum = 0;
  double all = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    const S term = static_cast<S>(a[i]) * static_cast<S>(b[i]);
    sum += term;
    all += std::abs(static_cast<double>(term));
  }
  *magnitude = std::max(*magnitude, all);
  return sum;
}

}  // namespace photon::PHOTON_GPU
