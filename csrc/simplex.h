// The mesh of simplices of `unwarp.transforms.tessellation`, and where in it the points of a vector are.
#pragma once

#include "field.h"
#include "lanes.h"

namespace unwarp {
namespace {

constexpr double ring = 8;  // width of the boxes around the square

// With a_1 >= a_2 >= a_3 the distances from the box's centre along each axis, in half boxes: the barycentric weights are
// constant + linear @ a, and node i lies at offset @ (unit steps along those axes) from the centre.
template <int D> struct Shape;
template <> struct Shape<1> {
  static constexpr double constant[2] = {0.5, 0.5};
  static constexpr double linear[2][1] = {{0.5}, {-0.5}};
  static constexpr int offset[2][1] = {{1}, {-1}};
};
template <> struct Shape<2> {
  static constexpr double constant[3] = {1, 0, 0};
  static constexpr double linear[3][2] = {{-1, 0}, {0.5, 0.5}, {0.5, -0.5}};
  static constexpr int offset[3][2] = {{0, 0}, {1, 1}, {1, -1}};
};
template <> struct Shape<3> {
  static constexpr double constant[4] = {1, 0, 0, 0};
  static constexpr double linear[4][3] = {{-1, 0, 0}, {1, -1, 0}, {0, 0.5, 0.5}, {0, 0.5, -0.5}};
  static constexpr int offset[4][3] = {{0, 0, 0}, {1, 0, 0}, {1, 1, 1}, {1, 1, -1}};
};

template <class A> UNWARP_INLINE Real<A> magnitude(Real<A> v) { return v < 0 ? -v : v; }
template <class A> UNWARP_INLINE Real<A> least(Real<A> a, Real<A> b) { return b < a ? b : a; }
template <class A> UNWARP_INLINE Real<A> most(Real<A> a, Real<A> b) { return a < b ? b : a; }

template <class A, int D> struct Simplex {
  Indices<A> node[D + 1];    // in the flattened lattice
  Real<A> weight[D + 1];     // barycentric
  Real<A> slope[D + 1][D];   // how the weights change with the point
};

// The box along one axis, and the step from its centre in half boxes. No position, not even NaN, has none.
template <class A> struct Box {
  Indices<A> index;
  Real<A> from_centre, half;
};
template <class A> UNWARP_INLINE Box<A> box_of(Real<A> x, int64_t n) {
  Indices<A> index{};
  for (int64_t i = 0; i <= n; ++i) index -= x >= splat<A>(static_cast<A>(2.0 * static_cast<double>(i) / static_cast<double>(n) - 1));
  A width = static_cast<A>(1.0 / static_cast<double>(n));
  Real<A> place = __builtin_convertvector(index, Real<A>);
  Real<A> centre = (2 * place - 1) * width - 1, half = splat<A>(width);
  auto before = index == 0, behind = index == static_cast<Index<A>>(n + 1);
  centre = before ? splat<A>(static_cast<A>(-1 - ring / 2)) : behind ? splat<A>(static_cast<A>(1 + ring / 2)) : centre;
  half = before | behind ? splat<A>(static_cast<A>(ring / 2)) : half;
  return {index, x - centre, half};
}

template <class A, int D> UNWARP_INLINE void locate(const Field& p, const Real<A>* x, Simplex<A, D>& found) {
  Box<A> box[D];
  Real<A> distance[D], sign[D];
  Indices<A> axis[D];
  for (int d = 0; d < D; ++d) {
    box[d] = box_of<A>(x[d], p.boxes[d]);
    distance[d] = magnitude<A>(box[d].from_centre / box[d].half);
    sign[d] = box[d].from_centre < 0 ? splat<A>(-1) : splat<A>(1);
    axis[d] = splat_index<A>(d);
  }
  // The axes in the order of falling distance; among equals x is first.
  for (int last = D - 1; last > 0; --last) {
    for (int d = 0; d < last; ++d) {
      auto swap = distance[d + 1] > distance[d];
      Real<A> far = swap ? distance[d + 1] : distance[d];
      distance[d + 1] = swap ? distance[d] : distance[d + 1];
      distance[d] = far;
      Indices<A> first = swap ? axis[d + 1] : axis[d];
      axis[d + 1] = swap ? axis[d] : axis[d + 1];
      axis[d] = first;
    }
  }
  int64_t step = 1;
  for (int i = 0; i <= D; ++i) {
    found.node[i] = Indices<A>{};
    found.weight[i] = splat<A>(static_cast<A>(Shape<D>::constant[i]));
  }
  for (int d = 0; d < D; ++d) {
    for (int i = 0; i <= D; ++i) {
      Real<A> slope{};
      Indices<A> offset{};
      for (int k = 0; k < D; ++k) {
        auto here = axis[k] == d;
        slope = here ? splat<A>(static_cast<A>(Shape<D>::linear[i][k])) : slope;
        offset = here ? splat_index<A>(Shape<D>::offset[i][k]) : offset;
      }
      slope = slope * sign[d] / box[d].half;
      offset = sign[d] < 0 ? -offset : offset;
      found.slope[i][d] = slope;
      found.weight[i] += slope * box[d].from_centre;
      found.node[i] += (2 * box[d].index + 1 + offset) * static_cast<Index<A>>(step);
    }
    step *= 2 * (p.boxes[d] + 2) + 1;
  }
}

}  // namespace
}  // namespace unwarp
