// The matrices of the reference model. Activations hold one row per unit, weights are (out, in), both row major, so
// that concatenating the C units of a chunk is a reshape. The scalar is a template parameter: float trains, double
// proves, std::complex<double> differentiates (complex step), which is why nothing here may conjugate: no dot(),
// norm() or adjoint().
#pragma once

#include <Eigen/Core>
#include <complex>
#include <cstdint>

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

inline float real_part(float x) { return x; }
inline double real_part(double x) { return x; }
inline double real_part(const std::complex<double>& x) { return x.real(); }

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
