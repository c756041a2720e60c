// SPDX-License-Identifier: Apache-2.0
// Gradients on the host, in float as a kernel without thought would compute them and in double. Arrays are
// whatever has elements: those of a case, or plain vectors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/backend/backend.h"
#include "cuda_impl/device.h"

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
  double magnitude = 0.0;  ///< of what d_x is summed up from
};

/// Of RMSNorm at a row x.
template <class S, class X, class G, class D>
NormGradient<S> norm_gradient(const Strided<X>& x, const Strided<G>& gain, const Strided<D>& d_out,
                              int64_t width, float eps) {
  S squares = 0;
  S projection = 0;
  S size = 0;
  for (int64_t i = 0; i < width; ++i) {
    const S v = static_cast<S>(x[i]);
    const S term = v * static_cast<S>(gain[i]) * static_cast<S>(d_out[i]);
    squares += v * v;
    projection += term;
    size += std::abs(term);
  }
  const S scale = S{1} / std::sqrt(squares / static_cast<S>(width) + static_cast<S>(eps));
  const S along = projection / static_cast<S>(width) * scale * scale;
  const S size_along = size / static_cast<S>(width) * scale * scale;
  NormGradient<S> out;
  for (int64_t i = 0; i < width; ++i) {
    const S v = static_cast<S>(x[i]);
    const S d = static_cast<S>(d_out[i]);
    out.d_x.push_back(scale * (static_cast<S>(gain[i]) * d - v * along));
    out.d_gain.push_back(v * scale * d);
    const S terms = scale * (std::abs(static_cast<S>(gain[i]) * d) + std::abs(v) * size_along);
    out.magnitude = std::max(out.magnitude, static_cast<double>(terms));
  }
  return out;
}

template <class S>
struct SwigluGradient {
  S gate;
  S up;
};

template <class S>
SwigluGradient<S> swiglu_gradient(S gate, S up, S d) {
  const S sigmoid = S{1} / (S{1} + std::exp(-gate));
  return {d * up * sigmoid * (S{1} + gate * (S{1} - sigmoid)), d * gate * sigmoid};
}

/// -log softmax(x)[target] of a row, and with `gradient` what it gives each logit, times `factor`.
template <class S, class X>
S cross_entropy_on_host(const Strided<X>& x, int64_t vocab, int32_t target, S factor,
                        std::vector<S>* gradient) {
  S high = static_cast<S>(x[0]);
  for (int64_t i = 1; i < vocab; ++i) high = std::max(high, static_cast<S>(x[i]));
  S sum = 0;
  for (int64_t i = 0; i < vocab; ++i) sum += std::exp(static_cast<S>(x[i]) - high);
  if (gradient != nullptr) {
    for (int64_t i = 0; i < vocab; ++i) {
      const S p = std::exp(static_cast<S>(x[i]) - high) * (factor / sum);
      gradient->push_back(i == target ? p - factor : p);
    }
  }
  return high - static_cast<S>(x[target]) + std::log(sum);
}

template <class S>
struct DistanceGradient {
  S loss;
  std::vector<S> d_a;
  std::vector<S> d_b;
  double magnitude = 0.0;  ///< of what these are summed up from

  void note(S terms) { magnitude = std::max(magnitude, static_cast<double>(terms)); }
};

/// d(a, b) of two rows, and its gradients times `factor`.
template <class S, class A, class B>
DistanceGradient<S> distance_gradient(Distance kind, const Strided<A>& a, const Strided<B>& b, int64_t width,
                                      S factor) {
  S aa = 0;
  S bb = 0;
  S ab = 0;
  S squares = 0;
  for (int64_t i = 0; i < width; ++i) {
    const S x = static_cast<S>(a[i]);
    const S y = static_cast<S>(b[i]);
    aa += x * x;
    bb += y * y;
    ab += x * y;
    squares += (x - y) * (x - y);
  }
  const S n = static_cast<S>(width);
  const S floor = static_cast<S>(1e-8);
  const S norm_a = std::max(std::sqrt(aa), floor);
  const S norm_b = std::max(std::sqrt(bb), floor);
  const S cosine = ab / (norm_a * norm_b);
  DistanceGradient<S> out{kind == Distance::squared ? squares / n : S{1} - cosine, {}, {}, 0.0};
  for (int64_t i = 0; i < width; ++i) {
    const S x = static_cast<S>(a[i]);
    const S y = static_cast<S>(b[i]);
    if (kind == Distance::squared) {
      out.d_a.push_back((x - y) * (S{2} * factor / n));
      out.d_b.push_back((y - x) * (S{2} * factor / n));
      out.note((std::abs(x) + std::abs(y)) * (S{2} * factor / n));
    } else {
      const S along_a = norm_a > floor ? x * (cosine / (norm_a * norm_a)) : S{0};
      const S along_b = norm_b > floor ? y * (cosine / (norm_b * norm_b)) : S{0};
      const S across_a = y / (norm_a * norm_b);
      const S across_b = x / (norm_a * norm_b);
      out.d_a.push_back(factor * (along_a - across_a));
      out.d_b.push_back(factor * (along_b - across_b));
      out.note(factor * (std::abs(along_a) + std::abs(across_a)));
      out.note(factor * (std::abs(along_b) + std::abs(across_b)));
    }
  }
  return out;
}

/// The latent that a chunk takes as its k-th of `context`, oldest first; < 0: the start latent.
inline int64_t conditioning_source(int64_t k, int64_t chunk, int64_t context, bool previous) {
  return chunk - (previous ? 1 : 0) - (context - 1) + k;
}

}  // namespace photon::PHOTON_GPU
