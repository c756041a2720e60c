// SPDX-License-Identifier: Apache-2.0
// The matrices of the reference model. Activations hold one row per unit, weights are (out, in), both row
// major, so that concatenating the C units of a chunk is a reshape. The scalar is a template parameter: float
// trains, double proves, std::complex<double> differentiates (complex step), which is why nothing here may
// conjugate: no dot(), norm() or adjoint().
#pragma once

#include <Eigen/Core>
#include <complex>
#include <cstdint>
#include <new>
#include <vector>

namespace photon::reference {

using Index = Eigen::Index;

template <class S>
using Matrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class S>
using MatrixMap = Eigen::Map<Matrix<S>>;
template <class S>
using ConstMatrixMap = Eigen::Map<const Matrix<S>>;
template <class S>
using RowVector = Eigen::Matrix<S, 1, Eigen::Dynamic, Eigen::RowMajor>;
template <class S>
using RowMap = Eigen::Map<RowVector<S>>;
template <class S>
using ConstRowMap = Eigen::Map<const RowVector<S>>;

/// Arrays that start at a cache line. Eigen's sums begin at the first aligned element, so the bits of a
/// result depend on where an array lies; where all lie alike, the same work gives the same bits in every
/// process.
template <class S>
struct CacheLineAllocator {
  using value_type = S;
  static constexpr std::align_val_t alignment{64};
  CacheLineAllocator() = default;
  template <class T>
  CacheLineAllocator(const CacheLineAllocator<T>&) {}
  S* allocate(size_t n) { return static_cast<S*>(::operator new(n * sizeof(S), alignment)); }
  void deallocate(S* p, size_t) { ::operator delete(p, alignment); }
  bool operator==(const CacheLineAllocator&) const = default;
};
template <class S>
using AlignedVector = std::vector<S, CacheLineAllocator<S>>;

template <class S>
struct RealOf {
  using type = S;
};
template <class T>
struct RealOf<std::complex<T>> {
  using type = T;
};
template <class S>
using Real = typename RealOf<S>::type;

inline float real_part(float x) {
  return x;
}
inline double real_part(double x) {
  return x;
}
inline double real_part(const std::complex<double>& x) {
  return x.real();
}

/// The value that carries no derivative: what a stopped gradient means under complex step.
template <class S>
S detached(const S& x) {
  return S(real_part(x));
}

/// Views of a row-major matrix with the same elements and other extents.
template <class S>
MatrixMap<S> reshaped(Matrix<S>& m, Index rows, Index cols) {
  return {m.data(), rows, cols};
}
template <class S>
ConstMatrixMap<S> reshaped(const Matrix<S>& m, Index rows, Index cols) {
  return {m.data(), rows, cols};
}

}  // namespace photon::reference
