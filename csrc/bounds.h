// Padding: where a tap index that may lie outside the image reads, and what becomes of its weight.
#pragma once

#include "lanes.h"
#include "problem.h"

namespace unwarp {
namespace {

// j modulo period in [0, period). Taps are nearly always within one period of the image; the division is for the rest.
template <class A> UNWARP_INLINE Indices<A> wrap(Indices<A> j, Index<A> period) {
  j = j < 0 ? j + period : j;
  j = j >= period ? j - period : j;
  Indices<A> wild = (j < 0) | (j >= period);
  bool any = false;
  for (int l = 0; l < Lanes<A>::count; ++l) any |= wild[l] != 0;
  if (any) {
    for (int l = 0; l < Lanes<A>::count; ++l) {
      Index<A> m = j[l] % period;
      j[l] = m < 0 ? m + period : m;
    }
  }
  return j;
}

template <class A> UNWARP_INLINE Indices<A> clamp_index(Indices<A> j, Index<A> size) {
  Indices<A> last = splat_index<A>(size - 1);
  j = j < 0 ? Indices<A>{} : j;
  return j > last ? last : j;
}

// Positions beyond these limits (in pixels from the edges) all see the same padding.
template <class A, Padding P, int K> UNWARP_INLINE Real<A> limit(Real<A> x, A size) {
  if constexpr (P == Padding::reflection || P == Padding::circular) {
    // No limit exists far away, so such positions are NaN.
    Indices<A> valid = (x <= A(1 << 30)) & (x >= A(-(1 << 30)));
    return valid ? x : splat<A>(A(__builtin_nan("")));
  } else {
    Real<A> low = splat<A>(A(-K)), high = splat<A>(size - 1 + K);
    x = x < low ? low : x;
    return x > high ? high : x;
  }
}

// Maps index j into the image; weight and slope vanish where the padding says so.
template <class A, Padding P> UNWARP_INLINE Indices<A> bound(
    Indices<A> j, Index<A> size, bool align_corners, Real<A>& weight, Real<A>& slope) {
  if constexpr (P == Padding::zeros) {
    Indices<A> inside = (j >= 0) & (j < size);
    weight = inside ? weight : Real<A>{};
    slope = inside ? slope : Real<A>{};
  }
  if constexpr (P == Padding::circular) return wrap<A>(j, size);
  if constexpr (P == Padding::reflection) {
    if (align_corners) {
      if (size == 1) return Indices<A>{};
      j = wrap<A>(j, 2 * size - 2);
      return j >= size ? 2 * size - 2 - j : j;
    }
    j = wrap<A>(j, 2 * size);
    return j >= size ? 2 * size - 1 - j : j;
  }
  return clamp_index<A>(j, size);
}

}  // namespace
}  // namespace unwarp
