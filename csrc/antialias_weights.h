// Vectors of pixels and of kernel weights for anti-aliased sampling. Included by one translation unit for each
// instruction set.
#pragma once

#include "lanes.h"
#include "problem.h"

namespace unwarp {
namespace {

// The first `count` elements, at most a vector, and zeros: reads nothing beyond them.
template <class A> UNWARP_INLINE Real<A> load_first(const A* p, int64_t count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(A) == 4) return (Real<A>)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
  else return (Real<A>)_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), p);
#elif defined(__AVX2__)
  if (count >= Lanes<A>::count) return unaligned<Real<A>>(p);
  if constexpr (sizeof(A) == 4) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (Real<A>)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane));
  } else {
    __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return (Real<A>)_mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), lane));
  }
#else
  if (count >= Lanes<A>::count) return unaligned<Real<A>>(p);
  Real<A> v{};
  for (int l = 0; l < count; ++l) v[l] = p[l];
  return v;
#endif
}

// Whether `load_weighted` goes by the weights alone.
#if defined(__AVX2__)
constexpr bool loads_by_weight = true;
#else
constexpr bool loads_by_weight = false;
#endif

// The elements whose weight is not 0, at most the first `count`, and zeros: reads nothing else. So a NaN beyond the
// kernel's reach stays out of the sum.
template <class A> UNWARP_INLINE Real<A> load_weighted(const A* p, [[maybe_unused]] Real<A> weight, [[maybe_unused]] int64_t count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(A) == 4) return (Real<A>)_mm512_maskz_loadu_ps(_mm512_test_epi32_mask((__m512i)weight, _mm512_set1_epi32(0x7fffffff)), p);
  else return (Real<A>)_mm512_maskz_loadu_pd(_mm512_test_epi64_mask((__m512i)weight, _mm512_set1_epi64(0x7fffffffffffffff)), p);
#elif defined(__AVX2__)
  if constexpr (sizeof(A) == 4) return (Real<A>)_mm256_maskload_ps(p, (__m256i)(weight != 0));
  else return (Real<A>)_mm256_maskload_pd(p, (__m256i)(weight != 0));
#else
  return load_first<A>(p, smaller<int64_t>(count, Lanes<A>::count));
#endif
}

template <class A> UNWARP_INLINE Real<A> absolute(Real<A> v) {
  constexpr auto magnitude = static_cast<Index<A>>(~uint64_t{0} >> (65 - 8 * sizeof(A)));
  return (Real<A>)((Indices<A>)v & magnitude);
}
template <class A> UNWARP_INLINE Real<A> least(Real<A> a, Real<A> b) { return a < b ? a : b; }
template <class A> UNWARP_INLINE Real<A> most(Real<A> a, Real<A> b) { return a > b ? a : b; }
#if defined(__AVX512F__)
template <> UNWARP_INLINE float_lanes least<float>(float_lanes a, float_lanes b) { return (float_lanes)_mm512_min_ps((__m512)a, (__m512)b); }
template <> UNWARP_INLINE float_lanes most<float>(float_lanes a, float_lanes b) { return (float_lanes)_mm512_max_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__)
template <> UNWARP_INLINE float_lanes least<float>(float_lanes a, float_lanes b) { return (float_lanes)_mm256_min_ps((__m256)a, (__m256)b); }
template <> UNWARP_INLINE float_lanes most<float>(float_lanes a, float_lanes b) { return (float_lanes)_mm256_max_ps((__m256)a, (__m256)b); }
#endif

// The distance, at most 1.
template <class A> UNWARP_INLINE Real<A> near_distance(Real<A> t) { return least<A>(absolute<A>(t), splat<A>(1)); }
#if defined(__AVX512F__)
// One instruction: of the two the one with the lesser magnitude, without its sign.
template <> UNWARP_INLINE float_lanes near_distance<float>(float_lanes t) {
  return (float_lanes)_mm512_range_ps((__m512)t, _mm512_set1_ps(1), 0b1010);
}
#endif

template <class A, Kernel K> struct Weights;
template <class A> struct Weights<A, Kernel::linear> {
  static constexpr double support = 1;
  explicit Weights(double) {}
  UNWARP_INLINE Real<A> along(Real<A> t) const { return 1 - near_distance<A>(t); }
  // The right-hand one where there are two, as in src/unwarp/kernels/linear.py.
  UNWARP_INLINE Real<A> slope(Real<A> t) const {
    Real<A> before = (t >= -1) & (t < 0) ? splat<A>(1) : splat<A>(0);
    return (t >= 0) & (t < 1) ? splat<A>(-1) : before;
  }
  // (1 - |u|) (1 - |v|), each at least 0.
  UNWARP_INLINE Real<A> operator()(Real<A> u, Real<A> v) const {
    Real<A> rest = 1 - near_distance<A>(u);
    return rest - rest * near_distance<A>(v);
  }
};
// Exactly 0 at distances 1 and 2, as in src/unwarp/kernels/cubic.py.
template <class A> struct Weights<A, Kernel::cubic> {
  static constexpr double support = 2;
  const A a;
  explicit Weights(double cubic_a) : a(static_cast<A>(cubic_a)) {}
  UNWARP_INLINE Real<A> operator()(Real<A> u, Real<A> v) const { return along(u) * along(v); }

  UNWARP_INLINE Real<A> along(Real<A> t) const {
    Real<A> one = splat<A>(1);
    t = absolute<A>(t);
    Real<A> near = least<A>(t, one), beyond = least<A>(t - near, one), rest = 1 - beyond;
    return 1 - near * near * (1 + (a + 2) * (1 - near)) + a * beyond * rest * rest;
  }
  UNWARP_INLINE Real<A> slope(Real<A> t) const {
    Real<A> one = splat<A>(1), distance = absolute<A>(t), beyond = least<A>(distance - 1, one);
    Real<A> inner = distance * ((a + 2) * 3 * distance - (a + 3) * 2), outer = a * (1 - beyond) * (1 - 3 * beyond);
    Real<A> rising = distance < 1 ? inner : outer;
    return t < 0 ? -rising : rising;
  }
};

}  // namespace
}  // namespace unwarp
