// Planes of channels <-> groups of channels next to one another.
#pragma once

#include "lanes.h"

namespace unwarp {
namespace {

// A square of lanes x lanes.
template <class A> UNWARP_INLINE void transpose(Real<A> (&rows)[Lanes<A>::count]) {
  constexpr int n = Lanes<A>::count;
  for (int i = 0; i < n; ++i)
    for (int j = i + 1; j < n; ++j) {
      A upper = rows[i][j];
      rows[i][j] = rows[j][i];
      rows[j][i] = upper;
    }
}

#if defined(__AVX512F__)
template <> UNWARP_INLINE void transpose<float>(float_lanes (&rows)[16]) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps((__m512)rows[i], (__m512)rows[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps((__m512)rows[i], (__m512)rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int i = 0; i < 16; i += 8)
    for (int j = 0; j < 4; ++j) {
      a[i + j] = _mm512_shuffle_f32x4(b[i + j], b[i + 4 + j], 0x88);
      a[i + 4 + j] = _mm512_shuffle_f32x4(b[i + j], b[i + 4 + j], 0xdd);
    }
  for (int j = 0; j < 4; ++j) {
    rows[j] = (float_lanes)_mm512_shuffle_f32x4(a[j], a[8 + j], 0x88);
    rows[8 + j] = (float_lanes)_mm512_shuffle_f32x4(a[j], a[8 + j], 0xdd);
    rows[4 + j] = (float_lanes)_mm512_shuffle_f32x4(a[4 + j], a[12 + j], 0x88);
    rows[12 + j] = (float_lanes)_mm512_shuffle_f32x4(a[4 + j], a[12 + j], 0xdd);
  }
}
#elif defined(__AVX2__)
template <> UNWARP_INLINE void transpose<float>(float_lanes (&rows)[8]) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps((__m256)rows[i], (__m256)rows[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps((__m256)rows[i], (__m256)rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int j = 0; j < 4; ++j) {
    rows[j] = (float_lanes)_mm256_permute2f128_ps(b[j], b[4 + j], 0x20);
    rows[4 + j] = (float_lanes)_mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
  }
}
#endif

// Four planes into as many pixels of four channels as a vector has lanes, in order; and back.
#if defined(__AVX512F__)
UNWARP_INLINE void transpose_within(__m512 (&v)[4]) {
  __m512 a = _mm512_unpacklo_ps(v[0], v[1]), b = _mm512_unpackhi_ps(v[0], v[1]);
  __m512 c = _mm512_unpacklo_ps(v[2], v[3]), d = _mm512_unpackhi_ps(v[2], v[3]);
  v[0] = _mm512_shuffle_ps(a, c, 0x44);
  v[1] = _mm512_shuffle_ps(a, c, 0xee);
  v[2] = _mm512_shuffle_ps(b, d, 0x44);
  v[3] = _mm512_shuffle_ps(b, d, 0xee);
}
UNWARP_INLINE void transpose_across(__m512 (&v)[4]) {
  __m512 a = _mm512_shuffle_f32x4(v[0], v[1], 0x44), b = _mm512_shuffle_f32x4(v[0], v[1], 0xee);
  __m512 c = _mm512_shuffle_f32x4(v[2], v[3], 0x44), d = _mm512_shuffle_f32x4(v[2], v[3], 0xee);
  v[0] = _mm512_shuffle_f32x4(a, c, 0x88);
  v[1] = _mm512_shuffle_f32x4(a, c, 0xdd);
  v[2] = _mm512_shuffle_f32x4(b, d, 0x88);
  v[3] = _mm512_shuffle_f32x4(b, d, 0xdd);
}
UNWARP_INLINE void join_planes(float_lanes (&planes)[4]) {
  __m512 v[4] = {(__m512)planes[0], (__m512)planes[1], (__m512)planes[2], (__m512)planes[3]};
  transpose_within(v);
  transpose_across(v);
  for (int i = 0; i < 4; ++i) planes[i] = (float_lanes)v[i];
}
UNWARP_INLINE void split_pixels(float_lanes (&pixels)[4]) {
  __m512 v[4] = {(__m512)pixels[0], (__m512)pixels[1], (__m512)pixels[2], (__m512)pixels[3]};
  transpose_across(v);
  transpose_within(v);
  for (int i = 0; i < 4; ++i) pixels[i] = (float_lanes)v[i];
}
#elif defined(__AVX2__)
UNWARP_INLINE void transpose_within(__m256 (&v)[4]) {
  __m256 a = _mm256_unpacklo_ps(v[0], v[1]), b = _mm256_unpackhi_ps(v[0], v[1]);
  __m256 c = _mm256_unpacklo_ps(v[2], v[3]), d = _mm256_unpackhi_ps(v[2], v[3]);
  v[0] = _mm256_shuffle_ps(a, c, 0x44);
  v[1] = _mm256_shuffle_ps(a, c, 0xee);
  v[2] = _mm256_shuffle_ps(b, d, 0x44);
  v[3] = _mm256_shuffle_ps(b, d, 0xee);
}
UNWARP_INLINE void join_planes(float_lanes (&planes)[4]) {
  __m256 v[4] = {(__m256)planes[0], (__m256)planes[1], (__m256)planes[2], (__m256)planes[3]};
  transpose_within(v);
  for (int i = 0; i < 2; ++i) {
    planes[i] = (float_lanes)_mm256_permute2f128_ps(v[2 * i], v[2 * i + 1], 0x20);
    planes[2 + i] = (float_lanes)_mm256_permute2f128_ps(v[2 * i], v[2 * i + 1], 0x31);
  }
}
UNWARP_INLINE void split_pixels(float_lanes (&pixels)[4]) {
  __m256 v[4];
  for (int i = 0; i < 2; ++i) {
    v[2 * i] = _mm256_permute2f128_ps((__m256)pixels[i], (__m256)pixels[2 + i], 0x20);
    v[2 * i + 1] = _mm256_permute2f128_ps((__m256)pixels[i], (__m256)pixels[2 + i], 0x31);
  }
  transpose_within(v);
  for (int i = 0; i < 4; ++i) pixels[i] = (float_lanes)v[i];
}
#else
UNWARP_INLINE void join_planes(float_lanes (&planes)[4]) { transpose<float>(planes); }
UNWARP_INLINE void split_pixels(float_lanes (&pixels)[4]) { transpose<float>(pixels); }
#endif

constexpr int packed_channels = 16;

// `channels` planes, `stride` elements apart, into pixels of 16 channels; the missing ones are 0.
template <class A, class S>
void pack(const S* planes, int64_t stride, int64_t channels, A* pixels, int64_t count) {
  constexpr int n = Lanes<A>::count;
  for (int64_t k = 0; k < count; k += n)
    for (int c = 0; c < packed_channels; c += n) {
      Real<A> rows[n];
      for (int i = 0; i < n; ++i)
        rows[i] = c + i < channels ? load_some<A>(planes + (c + i) * stride + k, count - k) : Real<A>{};
      transpose<A>(rows);
      for (int i = 0; i < n && k + i < count; ++i) put(pixels + (k + i) * packed_channels + c, rows[i]);
    }
}

// And back.
template <class A, class S>
void unpack(const A* pixels, int64_t count, S* planes, int64_t stride, int64_t channels) {
  constexpr int n = Lanes<A>::count;
  for (int64_t k = 0; k < count; k += n)
    for (int c = 0; c < packed_channels; c += n) {
      Real<A> rows[n];
      for (int i = 0; i < n; ++i)
        rows[i] = k + i < count ? aligned<Real<A>>(pixels + (k + i) * packed_channels + c) : Real<A>{};
      transpose<A>(rows);
      for (int i = 0; i < n && c + i < channels; ++i) store_some<A>(planes + (c + i) * stride + k, rows[i], count - k);
    }
}

}  // namespace
}  // namespace unwarp
