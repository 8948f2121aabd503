// Power series in time: the way of particles within their simplices.
#pragma once

#include "simplex.h"

namespace unwarp {
namespace {

template <class A> struct Precision;
template <> struct Precision<float> {
  static constexpr int terms = 10;        // a stage has |tA| <= 1
  static constexpr float beyond = 4e-6f;  // how far, in weight, a particle goes beyond a face to be found behind it
};
template <> struct Precision<double> {
  static constexpr int terms = 17;
  static constexpr double beyond = 1e-9;
};

template <class A> UNWARP_INLINE bool any_lane(Indices<A> v) { return !all_lanes<A>(v == 0); }

// A polynomial of N coefficients, and its first and second derivatives.
template <class A, int N> UNWARP_INLINE Real<A> value(const Real<A>* c, Real<A> t) {
  Real<A> total = c[N - 1];
  for (int k = N - 2; k >= 0; --k) total = total * t + c[k];
  return total;
}
template <class A, int N> UNWARP_INLINE Real<A> slope(const Real<A>* c, Real<A> t) {
  Real<A> total = c[N - 1] * static_cast<A>(N - 1);
  for (int k = N - 2; k >= 1; --k) total = total * t + c[k] * static_cast<A>(k);
  return total;
}
template <class A, int N> UNWARP_INLINE Real<A> bend(const Real<A>* c, Real<A> t) {
  Real<A> total = c[N - 1] * static_cast<A>((N - 1) * (N - 2));
  for (int k = N - 2; k >= 2; --k) total = total * t + c[k] * static_cast<A>(k * (k - 1));
  return total;
}

// A slope to divide by: tiny ones are replaced.
template <class A> UNWARP_INLINE Real<A> steep(Real<A> slope) {
  return magnitude<A>(slope) < static_cast<A>(1e-9) ? splat<A>(-1) : slope;
}

// The field around the particles of a vector, and their way in it: way[k] belongs to t^(k + 1).
template <class A, int D> struct Around {
  static constexpr int terms = Precision<A>::terms;
  Simplex<A, D> simplex;
  Real<A> matrix[D][D];
  Real<A> way[terms][D];
  Real<A> rate;
};

template <class A, int D> UNWARP_INLINE void expand(const Field& p, const A* velocities, const Real<A>* x, Around<A, D>& a) {
  locate<A, D>(p, x, a.simplex);
  for (int d = 0; d < D; ++d) {
    a.way[0][d] = Real<A>{};
    for (int e = 0; e < D; ++e) a.matrix[d][e] = Real<A>{};
  }
  for (int i = 0; i <= D; ++i) {
    for (int d = 0; d < D; ++d) {
      Real<A> corner;
      for (int l = 0; l < Lanes<A>::count; ++l) corner[l] = velocities[int64_t{a.simplex.node[i][l]} * D + d];
      a.way[0][d] += a.simplex.weight[i] * corner;
      for (int e = 0; e < D; ++e) a.matrix[d][e] += corner * a.simplex.slope[i][e];
    }
  }
  for (int k = 1; k < Around<A, D>::terms; ++k) {
    for (int d = 0; d < D; ++d) {
      Real<A> next{};
      for (int e = 0; e < D; ++e) next += a.matrix[d][e] * a.way[k - 1][e];
      a.way[k][d] = next * static_cast<A>(1.0 / (k + 1));
    }
  }
  a.rate = Real<A>{};
  for (int d = 0; d < D; ++d) {
    Real<A> row{};
    for (int e = 0; e < D; ++e) row += magnitude<A>(a.matrix[d][e]);
    a.rate = most<A>(a.rate, row);
  }
}

template <class A, int D> UNWARP_INLINE void displacement(const Around<A, D>& a, Real<A> t, Real<A>* moved) {
  for (int d = 0; d < D; ++d) {
    Real<A> total = a.way[Around<A, D>::terms - 1][d];
    for (int k = Around<A, D>::terms - 2; k >= 0; --k) total = total * t + a.way[k][d];
    moved[d] = total * t;
  }
}

}  // namespace
}  // namespace unwarp
