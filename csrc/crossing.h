// When, and through which face, particles leave their simplices.
#pragma once

#include "series.h"

namespace unwarp {
namespace {

constexpr int search_terms = 6;   // enough for a root that one Newton step on the whole series makes exact
constexpr int iterations = 5, turn_iterations = 2;

// When a series is lowest before `end`: in between if it falls first and rises later (a particle may leave and come back).
template <class A> UNWARP_INLINE Real<A> lowest(const Real<A>* c, Real<A> end) {
  Real<A> falls = -c[1], rises = slope<A, search_terms>(c, end);
  auto turns = (falls > 0) & (rises > 0);
  if (!any_lane<A>(turns)) return end;
  Real<A> t = end * falls / (turns ? falls + rises : splat<A>(1));
  for (int i = 0; i < turn_iterations; ++i) {
    t -= slope<A, search_terms>(c, t) / steep<A>(bend<A, search_terms>(c, t));
    t = least<A>(most<A>(t, Real<A>{}), end);
  }
  return turns ? t : end;
}

// The first time before `late`, where the series is negative, at which it is zero.
template <class A> UNWARP_INLINE Real<A> root(const Real<A>* c, Real<A> late) {
  Real<A> early{}, straight = c[0] / -steep<A>(c[1]);
  Real<A> t = (straight > 0) & (straight < late) ? straight : late;
  for (int i = 0; i < iterations; ++i) {
    Real<A> here = value<A, search_terms>(c, t);
    auto before = here > 0;
    early = before ? t : early;
    late = before ? late : t;
    Real<A> newton = t - here / steep<A>(slope<A, search_terms>(c, t));
    t = (newton >= early) & (newton <= late) ? newton : (early + late) / 2;
  }
  return t;
}

// Until the particles leave their simplices, their time is over, or the series would need more terms; and the face
// through which they leave, or -1.
template <class A, int D> UNWARP_INLINE Real<A> time_in_simplex(const Around<A, D>& a, Real<A> left, bool may_leave, Indices<A>& face) {
  constexpr int count = Around<A, D>::terms + 1;
  Real<A> longest = least<A>(left, 1 / most<A>(a.rate, splat<A>(static_cast<A>(1e-3))));
  face = splat_index<A>(-1);
  if (!may_leave) return longest;
  Real<A> found = longest, crossed[count] = {};
  for (int i = 0; i <= D; ++i) {
    Real<A> weight[count];
    weight[0] = a.simplex.weight[i] + Precision<A>::beyond;
    for (int k = 1; k < count; ++k) {
      weight[k] = Real<A>{};
      for (int d = 0; d < D; ++d) weight[k] += a.simplex.slope[i][d] * a.way[k - 1][d];
    }
    Real<A> late = lowest<A>(weight, longest);
    auto leaves = value<A, count>(weight, late) < 0;
    if (!any_lane<A>(leaves)) continue;
    Real<A> t = root<A>(weight, late);
    auto first = leaves & (t < found);
    found = first ? t : found;
    face = first ? splat_index<A>(i) : face;
    for (int k = 0; k < count; ++k) crossed[k] = first ? weight[k] : crossed[k];
  }
  Real<A> exact = found - value<A, count>(crossed, found) / steep<A>(slope<A, count>(crossed, found));
  auto trusted = (found < longest) & (exact > 0) & (exact < longest);
  face = trusted ? face : splat_index<A>(-1);
  return trusted ? exact : found;
}

}  // namespace
}  // namespace unwarp
