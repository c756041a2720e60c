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

/// The latent that a chunk takes as its k-th of `context`, oldest first; < 0: the start latent.
inline int64_t conditioning_source(int64_t k, int64_t chunk, int64_t context, bool previous) {
  return chunk - (previous ? 1 : 0) - (context - 1) + k;
}

}  // namespace photon::PHOTON_GPU
