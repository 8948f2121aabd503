// Particles in a continuous piecewise-affine field: `unwarp.transforms.trajectory`, a vector of particles at a time, and
// the adjoint of its first derivative.
//
// Within a simplex v(x) = A x + b, and the way is the power series x(t) = x + sum_k t^k A^(k-1) v(x) / k!. A particle
// leaves when one of its barycentric weights, a series too, reaches zero. On the way back the gradient l of a position
// obeys dl/dt = -A' l, and that of a corner's velocity is the integral of l times the corner's weight, by Gauss's rule,
// within rounding. Were the field followed to the very face, the time of crossing would not matter, the field being
// continuous; a little behind it the velocities differ a little, and l changes by what that time is worth.
#pragma once

#include "crossing.h"

namespace unwarp {
namespace {

// Where a vector of particles was at the start of each stage, for how long, and through which face it left: to go back
// the way it came.
template <class A, int D> struct Stage {
  Real<A> from[D], time;
  Indices<A> face;
};

// Particles of one batch, from one index on; lanes beyond the last stand still.
template <class A, int D> UNWARP_INLINE Real<A> load_points(const A* from, int64_t count, Real<A>* x) {
  Real<A> left{};
  for (int d = 0; d < D; ++d) x[d] = Real<A>{};
  for (int l = 0; l < count; ++l) {
    for (int d = 0; d < D; ++d) x[d][l] = from[l * D + d];
    left[l] = 1;
  }
  return left;
}

// Follows a vector; returns the number of stages, which are kept if there is room for them.
template <class A, int D>
UNWARP_INLINE int64_t follow(const Field& p, const A* velocities, const Real<A>* start, Real<A> left, Real<A>* moved, Stage<A, D>* kept) {
  int64_t stage = 0;
  for (int d = 0; d < D; ++d) moved[d] = Real<A>{};
  for (; stage < p.stages && any_lane<A>(left > 0); ++stage) {
    Real<A> x[D], step[D];
    for (int d = 0; d < D; ++d) x[d] = start[d] + moved[d];
    Around<A, D> around;
    expand<A, D>(p, velocities, x, around);
    Indices<A> face;
    Real<A> time = time_in_simplex<A, D>(around, left, stage + 1 < p.stages, face);
    displacement<A, D>(around, time, step);
    for (int d = 0; d < D; ++d) moved[d] += step[d];
    left -= time;
    if (kept != nullptr) {
      for (int d = 0; d < D; ++d) kept[stage].from[d] = x[d];
      kept[stage].time = time;
      kept[stage].face = face;
    }
  }
  return stage;
}

template <class A, int D> void follow_part(const Field& p, int64_t item) {
  int64_t batch = item / p.parts, part = item % p.parts;
  const A* velocities = static_cast<const A*>(p.velocities) + batch * p.nodes * D;
  const A* start = static_cast<const A*>(p.start) + batch * p.points_stride;
  A* out = static_cast<A*>(p.moved) + batch * p.points * D;
  int64_t end = p.points * (part + 1) / p.parts;
  for (int64_t i = p.points * part / p.parts; i < end; i += Lanes<A>::count) {
    Real<A> x[D], moved[D];
    int64_t count = smaller<int64_t>(end - i, Lanes<A>::count);
    Real<A> left = load_points<A, D>(start + i * D, count, x);
    follow<A, D>(p, velocities, x, left, moved, nullptr);
    for (int l = 0; l < count; ++l)
      for (int d = 0; d < D; ++d) out[(i + l) * D + d] = moved[d][l];
  }
}

// Gauss's rule on -1..1, its places and weights from the middle outwards. What is integrated changes by e^2 at most.
template <class A> struct Gauss;
template <> struct Gauss<float> {
  static constexpr int count = 5;
  static constexpr double place[3] = {0, 0.5384693101056831, 0.9061798459386640};
  static constexpr double weight[3] = {0.5688888888888889, 0.4786286704993665, 0.2369268850561891};
};
template <> struct Gauss<double> {
  static constexpr int count = 8;
  static constexpr double place[4] = {0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363};
  static constexpr double weight[4] = {0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763};
};

// What goes back along a way: the gradient of the position, and of the time that is left, which stays the same.
template <class A, int D> struct Adjoint {
  Real<A> position[D], time;
  Indices<A> arrived;  // whether the lane has been on its way
};

// The change of the gradient at the end of a stage, where it is a face: what a later moment of leaving would be worth.
template <class A, int D> UNWARP_INLINE void cross(const Around<A, D>& around, const Stage<A, D>& stage, Adjoint<A, D>& adjoint) {
  Real<A> moved[D], worth{}, rate{}, normal[D];
  displacement<A, D>(around, stage.time, moved);
  for (int d = 0; d < D; ++d) {
    Real<A> velocity = around.way[0][d];
    for (int e = 0; e < D; ++e) velocity += around.matrix[d][e] * moved[e];
    normal[d] = Real<A>{};
    for (int i = 0; i <= D; ++i) normal[d] = stage.face == i ? around.simplex.slope[i][d] : normal[d];
    worth += adjoint.position[d] * velocity;
    rate += normal[d] * velocity;
  }
  auto first = (stage.time != 0) & ~adjoint.arrived;
  adjoint.time = first ? worth : adjoint.time;
  adjoint.arrived |= first;
  Real<A> change = stage.face >= 0 ? (adjoint.time - worth) / steep<A>(rate) : Real<A>{};
  for (int d = 0; d < D; ++d) adjoint.position[d] += change * normal[d];
}

// Takes the gradient from the end of a stage to its start, and adds to that of the velocities.
template <class A, int D>
UNWARP_INLINE void stage_adjoint(const Field& p, const A* velocities, const Stage<A, D>& stage, Adjoint<A, D>& adjoint, A* sums) {
  constexpr int terms = Around<A, D>::terms;
  Around<A, D> around;
  expand<A, D>(p, velocities, stage.from, around);
  cross<A, D>(around, stage, adjoint);
  Real<A>* grad = adjoint.position;
  Real<A> back[D][terms + 1];
  for (int d = 0; d < D; ++d) back[d][0] = grad[d];
  for (int k = 1; k <= terms; ++k) {
    for (int d = 0; d < D; ++d) {
      Real<A> next{};
      for (int e = 0; e < D; ++e) next += around.matrix[e][d] * back[e][k - 1];
      back[d][k] = next * static_cast<A>(1.0 / k);
    }
  }
  for (int d = 0; d < D; ++d) grad[d] = value<A, terms + 1>(back[d], stage.time);
  if (sums == nullptr) return;
  Real<A> total[D + 1][D] = {};
  for (int q = 0; q < Gauss<A>::count; ++q) {
    constexpr int odd = Gauss<A>::count % 2, middle = Gauss<A>::count / 2;
    int outwards = q < middle ? middle - 1 - q + odd : q - middle;
    double side = q < middle ? -Gauss<A>::place[outwards] : Gauss<A>::place[outwards];
    Real<A> time = stage.time * static_cast<A>((1 + side) / 2), moved[D], here[D];
    Real<A> share = stage.time * static_cast<A>(Gauss<A>::weight[outwards] / 2);
    displacement<A, D>(around, time, moved);
    for (int d = 0; d < D; ++d) here[d] = share * value<A, terms + 1>(back[d], stage.time - time);
    for (int i = 0; i <= D; ++i) {
      Real<A> weight = around.simplex.weight[i];
      for (int d = 0; d < D; ++d) weight += around.simplex.slope[i][d] * moved[d];
      for (int d = 0; d < D; ++d) total[i][d] += weight * here[d];
    }
  }
  for (int l = 0; l < Lanes<A>::count; ++l) {
    if (stage.time[l] == 0) continue;  // arrived before; NaN is not skipped
    for (int i = 0; i <= D; ++i)
      for (int d = 0; d < D; ++d) sums[int64_t{around.simplex.node[i][l]} * D + d] += total[i][d][l];
  }
}

template <class A, int D> void adjoint_part(const Field& p, int64_t item, void* scratch) {
  Stage<A, D>* kept = static_cast<Stage<A, D>*>(scratch);
  int64_t batch = item / p.parts, part = item % p.parts;
  const A* velocities = static_cast<const A*>(p.velocities) + batch * p.nodes * D;
  const A* start = static_cast<const A*>(p.start) + batch * p.points_stride;
  const A* upstream = static_cast<const A*>(p.grad_moved) + batch * p.points * D;
  A* sums = p.grad_velocities == nullptr ? nullptr : static_cast<A*>(p.grad_velocities) + item * p.nodes * D;
  A* grad_start = p.grad_start == nullptr ? nullptr : static_cast<A*>(p.grad_start) + batch * p.points * D;
  int64_t end = p.points * (part + 1) / p.parts;
  for (int64_t i = p.points * part / p.parts; i < end; i += Lanes<A>::count) {
    Real<A> x[D], moved[D], outer[D];
    Adjoint<A, D> adjoint{};
    int64_t count = smaller<int64_t>(end - i, Lanes<A>::count);
    Real<A> left = load_points<A, D>(start + i * D, count, x);
    load_points<A, D>(upstream + i * D, count, outer);
    for (int d = 0; d < D; ++d) adjoint.position[d] = outer[d];
    int64_t stages = follow<A, D>(p, velocities, x, left, moved, kept);
    while (stages-- > 0) stage_adjoint<A, D>(p, velocities, kept[stages], adjoint, sums);
    if (grad_start == nullptr) continue;
    for (int l = 0; l < count; ++l)
      for (int d = 0; d < D; ++d) grad_start[(i + l) * D + d] = adjoint.position[d][l] - outer[d][l];
  }
}

template <class A> void forward_of(const Field& p, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    if (p.dimensions == 1) follow_part<A, 1>(p, item);
    else if (p.dimensions == 2) follow_part<A, 2>(p, item);
    else follow_part<A, 3>(p, item);
  }
}
template <class A> void backward_of(const Field& p, int64_t begin, int64_t end, void* scratch) {
  for (int64_t item = begin; item < end; ++item) {
    if (p.dimensions == 1) adjoint_part<A, 1>(p, item, scratch);
    else if (p.dimensions == 2) adjoint_part<A, 2>(p, item, scratch);
    else adjoint_part<A, 3>(p, item, scratch);
  }
}

int64_t field_scratch(const Field& p) { return p.stages * (p.dimensions + 2) * vector_bytes; }
void field_forward(const Field& p, int64_t begin, int64_t end) {
  p.wide ? forward_of<double>(p, begin, end) : forward_of<float>(p, begin, end);
}
void field_backward(const Field& p, int64_t begin, int64_t end, void* scratch) {
  p.wide ? backward_of<double>(p, begin, end, scratch) : backward_of<float>(p, begin, end, scratch);
}

}  // namespace
}  // namespace unwarp
