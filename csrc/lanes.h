// Vectors of the compiler's own kind, as wide as the instruction set of the translation unit, and the image's element
// types. Nothing here may call a function of the standard library: it would be emitted with this unit's instructions
// and could be linked into another's.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

// Vectors that cross a function call go through memory.
#define UNWARP_INLINE inline __attribute__((always_inline))

namespace unwarp {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

typedef float float_lanes __attribute__((vector_size(vector_bytes), may_alias));
typedef int32_t int32_lanes __attribute__((vector_size(vector_bytes), may_alias));
typedef double double_lanes __attribute__((vector_size(vector_bytes), may_alias));
typedef int64_t int64_lanes __attribute__((vector_size(vector_bytes), may_alias));

// For an accumulation type A: its vector, and an index type of the same width.
template <class A> struct Lanes;
template <> struct Lanes<float> {
  using Real = float_lanes;
  using Index = int32_t;
  using Indices = int32_lanes;
  static constexpr int count = vector_bytes / 4;
};
template <> struct Lanes<double> {
  using Real = double_lanes;
  using Index = int64_t;
  using Indices = int64_lanes;
  static constexpr int count = vector_bytes / 8;
};
template <class A> using Real = typename Lanes<A>::Real;
template <class A> using Index = typename Lanes<A>::Index;
template <class A> using Indices = typename Lanes<A>::Indices;

template <class V, class T> UNWARP_INLINE V aligned(const T* p) { return *reinterpret_cast<const V*>(p); }
template <class V, class T> UNWARP_INLINE void put(T* p, V v) { *reinterpret_cast<V*>(p) = v; }
template <class V, class T> UNWARP_INLINE V unaligned(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V, class T> UNWARP_INLINE void put_unaligned(T* p, V v) { std::memcpy(p, &v, sizeof v); }

// Has the compiler load a vector once that several products use; it would rather load it anew for each.
template <class V> UNWARP_INLINE void in_register(V& v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__AVX2__)
  asm("" : "+x"(v));
#else
  (void)v;
#endif
}

template <class A> UNWARP_INLINE Real<A> splat(A a) { return Real<A>{} + a; }
template <class A> UNWARP_INLINE Indices<A> splat_index(Index<A> i) { return Indices<A>{} + i; }

template <class A> UNWARP_INLINE Real<A> ramp() {
  Real<A> v;
  for (int l = 0; l < Lanes<A>::count; ++l) v[l] = static_cast<A>(l);
  return v;
}

template <class A> UNWARP_INLINE A sum_lanes(Real<A> v) {
  A total = 0;
  for (int l = 0; l < Lanes<A>::count; ++l) total += v[l];
  return total;
}
#if defined(__AVX512F__)
template <> UNWARP_INLINE float sum_lanes<float>(float_lanes v) { return _mm512_reduce_add_ps((__m512)v); }
#endif

// Whether every lane of a comparison is true.
template <class A> UNWARP_INLINE bool all_lanes(Indices<A> v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(A) == 4) return _mm512_movepi32_mask((__m512i)v) == 0xffff;
  else return _mm512_movepi64_mask((__m512i)v) == 0xff;
#elif defined(__AVX2__)
  return _mm256_movemask_epi8((__m256i)v) == -1;
#else
  Index<A> all = -1;
  for (int l = 0; l < Lanes<A>::count; ++l) all &= v[l];
  return all != 0;
#endif
}

template <class T> UNWARP_INLINE T smaller(T a, T b) { return b < a ? b : a; }
template <class T> UNWARP_INLINE T larger(T a, T b) { return a < b ? b : a; }

struct bfloat16 { uint16_t bits; };
struct float16 { uint16_t bits; };

UNWARP_INLINE float widen(float v) { return v; }
UNWARP_INLINE double widen(double v) { return v; }
UNWARP_INLINE float widen(bfloat16 v) {
  uint32_t bits = static_cast<uint32_t>(v.bits) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
UNWARP_INLINE float widen(float16 v) {
  // Subnormals and normals alike through one multiplication: the exponent's bias differs by 112.
  uint32_t sign = static_cast<uint32_t>(v.bits & 0x8000) << 16, rest = static_cast<uint32_t>(v.bits & 0x7fff) << 13;
  float f;
  std::memcpy(&f, &rest, 4);
  f *= 0x1p112f;
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  if ((v.bits & 0x7c00) == 0x7c00) bits = rest | 0x7f800000;
  bits |= sign;
  std::memcpy(&f, &bits, 4);
  return f;
}

template <class S> struct Narrow;
template <> struct Narrow<float> { static float from(double v) { return static_cast<float>(v); } };
template <> struct Narrow<double> { static double from(double v) { return v; } };
template <> struct Narrow<bfloat16> {
  static bfloat16 from(double wide) {
    float v = static_cast<float>(wide);
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    if (v != v) return {0x7fc0};
    return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
  }
};
template <> struct Narrow<float16> {
  static float16 from(double wide) {
    float v = static_cast<float>(wide);
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return {static_cast<uint16_t>(sign | 0x7e00)};
    if (magnitude >= 0x477ff000) return {static_cast<uint16_t>(sign | 0x7c00)};
    if (magnitude < 0x38800000) {
      // Below the smallest normal: adding 0.5 aligns the wanted bits at the bottom of the mantissa, rounded to even.
      float f;
      std::memcpy(&f, &magnitude, 4);
      f += 0.5f;
      uint32_t aligned_bits;
      std::memcpy(&aligned_bits, &f, 4);
      return {static_cast<uint16_t>(sign | (aligned_bits - 0x3f000000))};
    }
    uint32_t rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1);
    return {static_cast<uint16_t>(sign | (rounded >> 13))};
  }
};

// One vector of A from consecutive elements, and back.
template <class A, class S> UNWARP_INLINE Real<A> load_lanes(const S* p) {
  Real<A> v;
  for (int l = 0; l < Lanes<A>::count; ++l) v[l] = static_cast<A>(widen(p[l]));
  return v;
}
template <> UNWARP_INLINE float_lanes load_lanes<float, float>(const float* p) { return unaligned<float_lanes>(p); }
template <> UNWARP_INLINE double_lanes load_lanes<double, double>(const double* p) { return unaligned<double_lanes>(p); }

template <class A, class S> UNWARP_INLINE void store_lanes(S* p, Real<A> v) {
  for (int l = 0; l < Lanes<A>::count; ++l) p[l] = Narrow<S>::from(v[l]);
}
template <> UNWARP_INLINE void store_lanes<float, float>(float* p, float_lanes v) { put_unaligned(p, v); }
template <> UNWARP_INLINE void store_lanes<double, double>(double* p, double_lanes v) { put_unaligned(p, v); }

#if defined(__AVX512F__)
UNWARP_INLINE __m256i narrow_bfloat16(__m512 v) {
  __m512i bits = _mm512_castps_si512(v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7fc0)));
}
UNWARP_INLINE __m512 widen_bfloat16(__m256i v) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}
template <> UNWARP_INLINE float_lanes load_lanes<float, bfloat16>(const bfloat16* p) {
  return (float_lanes)widen_bfloat16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
template <> UNWARP_INLINE float_lanes load_lanes<float, float16>(const float16* p) {
  return (float_lanes)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
template <> UNWARP_INLINE void store_lanes<float, bfloat16>(bfloat16* p, float_lanes v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow_bfloat16((__m512)v));
}
template <> UNWARP_INLINE void store_lanes<float, float16>(float16* p, float_lanes v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__AVX2__)
template <> UNWARP_INLINE float_lanes load_lanes<float, bfloat16>(const bfloat16* p) {
  __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return (float_lanes)_mm256_slli_epi32(wide, 16);
}
template <> UNWARP_INLINE float_lanes load_lanes<float, float16>(const float16* p) {
  return (float_lanes)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
template <> UNWARP_INLINE void store_lanes<float, float16>(float16* p, float_lanes v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
}
#endif

template <class A, class S> UNWARP_INLINE Real<A> load_some(const S* p, int64_t count) {
  if (count >= Lanes<A>::count) return load_lanes<A>(p);
#if defined(__AVX512F__)
  if constexpr (sizeof(A) == 4 && sizeof(S) == 4)
    return (float_lanes)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
#endif
  Real<A> v{};
  for (int l = 0; l < count; ++l) v[l] = static_cast<A>(widen(p[l]));
  return v;
}

template <class A, class S> UNWARP_INLINE void store_some(S* p, Real<A> v, int64_t count) {
  if (count >= Lanes<A>::count) return store_lanes<A>(p, v);
#if defined(__AVX512F__)
  if constexpr (sizeof(A) == 4 && sizeof(S) == 4) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), (__m512)v);
    return;
  }
#endif
  for (int l = 0; l < count; ++l) p[l] = Narrow<S>::from(v[l]);
}

// Adds the first `count` lanes to memory. Less than a vector goes in halves, quarters and so on: after a masked store the
// next load of the same elements would have to wait until they have reached the cache.
template <class A> UNWARP_INLINE void add_some(A* p, Real<A> v, int64_t count) {
  if (count >= Lanes<A>::count) return put_unaligned(p, unaligned<Real<A>>(p) + v);
#if defined(__AVX512F__)
  if constexpr (sizeof(A) == sizeof(float)) {
    __m256 eight = _mm512_castps512_ps256((__m512)v);
    if (count & 8) {
      _mm256_storeu_ps(p, _mm256_loadu_ps(p) + eight);
      if (count == 8) return;
      eight = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)v), 1));
      p += 8;
    }
    __m128 four = _mm256_castps256_ps128(eight);
    if (count & 4) {
      _mm_storeu_ps(p, _mm_loadu_ps(p) + four);
      if (!(count & 3)) return;
      four = _mm256_extractf128_ps(eight, 1);
      p += 4;
    }
    if (count & 2) {
      __m128 two = _mm_castpd_ps(_mm_set_sd(unaligned<double>(p)));
      _mm_storel_pi(reinterpret_cast<__m64*>(p), two + four);
      four = _mm_movehl_ps(four, four);
      p += 2;
    }
    if (count & 1) *p += four[0];
    return;
  }
#endif
  for (int l = 0; l < count; ++l) p[l] += v[l];
}

}  // namespace
}  // namespace unwarp
