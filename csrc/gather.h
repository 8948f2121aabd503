// One vector from K neighbours each of as many pixels: out[s][l] = plane[index[l] + s].
//
// The neighbours are fetched with one load a pixel and separated afterwards, which halves (K = 2) or quarters (K = 4)
// the loads. Loads by hand beat the gather instruction on AMD (0.45 against 0.66 ns a pixel on Zen 5) and match it
// elsewhere.
#pragma once

#include "lanes.h"

namespace unwarp {
namespace {

template <class A, int K, class S> struct Window {
  static UNWARP_INLINE void load(const S* plane, const Index<A>* index, Real<A> (&out)[K]) {
    for (int s = 0; s < K; ++s)
      for (int l = 0; l < Lanes<A>::count; ++l) out[s][l] = static_cast<A>(widen(plane[index[l] + s]));
  }
};

#if defined(__AVX2__)
// Pixels a and b, two floats each.
UNWARP_INLINE __m128 two_pairs(const float* plane, int32_t a, int32_t b) {
  __m128 low = _mm_castpd_ps(_mm_set_sd(unaligned<double>(plane + a)));
  return _mm_loadh_pi(low, reinterpret_cast<const __m64*>(plane + b));
}

// Pixels a, b in the low half and c, d in the high one.
UNWARP_INLINE __m256 four_pairs(const float* plane, int32_t a, int32_t b, int32_t c, int32_t d) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(two_pairs(plane, a, b)), two_pairs(plane, c, d), 1);
}

// Two half-precision neighbours are one 32-bit element.
UNWARP_INLINE int32_t half_pair(const void* plane, int32_t i) {
  return unaligned<int32_t>(static_cast<const uint16_t*>(plane) + i);
}

UNWARP_INLINE __m128i four_halves(const void* plane, const int32_t* i) {
  __m128i v = _mm_cvtsi32_si128(half_pair(plane, i[0]));
  v = _mm_insert_epi32(v, half_pair(plane, i[1]), 1);
  v = _mm_insert_epi32(v, half_pair(plane, i[2]), 2);
  return _mm_insert_epi32(v, half_pair(plane, i[3]), 3);
}

UNWARP_INLINE __m256 two_quads(const float* plane, int32_t a, int32_t b) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(plane + a)), _mm_loadu_ps(plane + b), 1);
}
#endif

#if defined(__AVX512F__)
UNWARP_INLINE __m512 join(__m256 low, __m256 high) {
  return _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1));
}

template <> struct Window<float, 2, float> {
  static UNWARP_INLINE void load(const float* plane, const int32_t* i, float_lanes (&out)[2]) {
    // Shuffles work within 128 bits: part A holds pixels 0, 1 of every four, part B pixels 2, 3.
    __m512 a = join(four_pairs(plane, i[0], i[1], i[4], i[5]), four_pairs(plane, i[8], i[9], i[12], i[13]));
    __m512 b = join(four_pairs(plane, i[2], i[3], i[6], i[7]), four_pairs(plane, i[10], i[11], i[14], i[15]));
    out[0] = (float_lanes)_mm512_shuffle_ps(a, b, 0x88);
    out[1] = (float_lanes)_mm512_shuffle_ps(a, b, 0xdd);
  }
};

template <> struct Window<float, 4, float> {
  static UNWARP_INLINE void load(const float* plane, const int32_t* i, float_lanes (&out)[4]) {
    __m512 row[4];
    for (int r = 0; r < 4; ++r)
      row[r] = join(two_quads(plane, i[r], i[4 + r]), two_quads(plane, i[8 + r], i[12 + r]));
    __m512 a = _mm512_unpacklo_ps(row[0], row[1]), b = _mm512_unpackhi_ps(row[0], row[1]);
    __m512 c = _mm512_unpacklo_ps(row[2], row[3]), d = _mm512_unpackhi_ps(row[2], row[3]);
    out[0] = (float_lanes)_mm512_shuffle_ps(a, c, 0x44);
    out[1] = (float_lanes)_mm512_shuffle_ps(a, c, 0xee);
    out[2] = (float_lanes)_mm512_shuffle_ps(b, d, 0x44);
    out[3] = (float_lanes)_mm512_shuffle_ps(b, d, 0xee);
  }
};

UNWARP_INLINE __m512i half_pairs(const void* plane, const int32_t* i) {
  __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(four_halves(plane, i)), four_halves(plane, i + 4), 1);
  __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(four_halves(plane, i + 8)), four_halves(plane, i + 12), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
template <> struct Window<float, 2, bfloat16> {
  static UNWARP_INLINE void load(const bfloat16* plane, const int32_t* i, float_lanes (&out)[2]) {
    __m512i pairs = half_pairs(plane, i);
    out[0] = (float_lanes)_mm512_slli_epi32(pairs, 16);
    out[1] = (float_lanes)_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000)));
  }
};
template <> struct Window<float, 2, float16> {
  static UNWARP_INLINE void load(const float16* plane, const int32_t* i, float_lanes (&out)[2]) {
    __m512i pairs = half_pairs(plane, i);
    out[0] = (float_lanes)_mm512_cvtph_ps(_mm512_cvtepi32_epi16(pairs));
    out[1] = (float_lanes)_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(pairs, 16)));
  }
};
#elif defined(__AVX2__)
template <> struct Window<float, 2, float> {
  static UNWARP_INLINE void load(const float* plane, const int32_t* i, float_lanes (&out)[2]) {
    __m256 a = four_pairs(plane, i[0], i[1], i[4], i[5]), b = four_pairs(plane, i[2], i[3], i[6], i[7]);
    out[0] = (float_lanes)_mm256_shuffle_ps(a, b, 0x88);
    out[1] = (float_lanes)_mm256_shuffle_ps(a, b, 0xdd);
  }
};

template <> struct Window<float, 4, float> {
  static UNWARP_INLINE void load(const float* plane, const int32_t* i, float_lanes (&out)[4]) {
    __m256 row[4];
    for (int r = 0; r < 4; ++r) row[r] = two_quads(plane, i[r], i[4 + r]);
    __m256 a = _mm256_unpacklo_ps(row[0], row[1]), b = _mm256_unpackhi_ps(row[0], row[1]);
    __m256 c = _mm256_unpacklo_ps(row[2], row[3]), d = _mm256_unpackhi_ps(row[2], row[3]);
    out[0] = (float_lanes)_mm256_shuffle_ps(a, c, 0x44);
    out[1] = (float_lanes)_mm256_shuffle_ps(a, c, 0xee);
    out[2] = (float_lanes)_mm256_shuffle_ps(b, d, 0x44);
    out[3] = (float_lanes)_mm256_shuffle_ps(b, d, 0xee);
  }
};

template <> struct Window<float, 2, bfloat16> {
  static UNWARP_INLINE void load(const bfloat16* plane, const int32_t* i, float_lanes (&out)[2]) {
    __m256i pairs = _mm256_inserti128_si256(_mm256_castsi128_si256(four_halves(plane, i)), four_halves(plane, i + 4), 1);
    out[0] = (float_lanes)_mm256_slli_epi32(pairs, 16);
    out[1] = (float_lanes)_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000)));
  }
};
#endif

}  // namespace
}  // namespace unwarp
