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

template <class S>
struct NormGradient {
  std::vector<S> d_x;
  std::vector<S> d_gain;
};

/// Of RMSNorm at a row x.
template <class S, class X, class G, class D>
NormGradient<S> norm_gradient(const Strided<X>& x, const Strided<G>& gain, const Strided<D>& d_out,
                              int64_t width, float eps) {
  S squares = 0;
  S projection = 0;
  for (int64_t i = 0; i < width; ++i) {
    const S v = static_cast<S>(x[i]);
    squares += v * v;
    projection += v * static_cast<S>(gain[i]) * static_cast<S>(d_out[i]);
  }
  const S scale = S{1} / std::sqrt(squares / static_cast<S>(width) + static_cast<S>(eps));
  const S along = projection / static_cast<S>(width) * scale * scale;
  NormGradient<S> out;
  for (int64_t i = 0; i < width; ++i) {
    const S v = static_cast<S>(x[i]);
    const S d = static_cast<S>(d_out[i]);
    out.d_x.push_back(scale * (static_cast<S>(gain[i]) * d - v * along));
    out.d_gain.push_back(v * scale * d);
  }
  return out;
}

}  // namespace photon::PHOTON_GPU
