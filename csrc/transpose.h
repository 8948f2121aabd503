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

// Four rows at a time: within each quarter of a vector (AVX2: half), four floats of a row become one of four rows.
#if defined(__AVX512F__)
UNWARP_INLINE float_lanes low_of(float_lanes a, float_lanes b) { return (float_lanes)_mm512_unpacklo_ps((__m512)a, (__m512)b); }
UNWARP_INLINE float_lanes high_of(float_lanes a, float_lanes b) { return (float_lanes)_mm512_unpackhi_ps((__m512)a, (__m512)b); }
template <int Which> UNWARP_INLINE float_lanes pairs_of(float_lanes a, float_lanes b) {
  return (float_lanes)_mm512_shuffle_ps((__m512)a, (__m512)b, Which);
}
template <int Which> UNWARP_INLINE float_lanes quarters_of(float_lanes a, float_lanes b) {
  return (float_lanes)_mm512_shuffle_f32x4((__m512)a, (__m512)b, Which);
}
#elif defined(__AVX2__)
UNWARP_INLINE float_lanes low_of(float_lanes a, float_lanes b) { return (float_lanes)_mm256_unpacklo_ps((__m256)a, (__m256)b); }
UNWARP_INLINE float_lanes high_of(float_lanes a, float_lanes b) { return (float_lanes)_mm256_unpackhi_ps((__m256)a, (__m256)b); }
template <int Which> UNWARP_INLINE float_lanes pairs_of(float_lanes a, float_lanes b) {
  return (float_lanes)_mm256_shuffle_ps((__m256)a, (__m256)b, Which);
}
template <int Which> UNWARP_INLINE float_lanes halves_of(float_lanes a, float_lanes b) {
  return (float_lanes)_mm256_permute2f128_ps((__m256)a, (__m256)b, Which);
}
#endif

#if defined(__AVX2__)
UNWARP_INLINE void transpose_within(float_lanes* rows) {
  float_lanes a = low_of(rows[0], rows[1]), b = high_of(rows[0], rows[1]);
  float_lanes c = low_of(rows[2], rows[3]), d = high_of(rows[2], rows[3]);
  rows[0] = pairs_of<0x44>(a, c);
  rows[1] = pairs_of<0xee>(a, c);
  rows[2] = pairs_of<0x44>(b, d);
  rows[3] = pairs_of<0xee>(b, d);
}
#endif

#if defined(__AVX512F__)
template <> UNWARP_INLINE void transpose<float>(float_lanes (&rows)[16]) {
  float_lanes a[16];
  for (int i = 0; i < 16; i += 4) transpose_within(rows + i);
  for (int i = 0; i < 16; i += 8)
    for (int j = 0; j < 4; ++j) {
      a[i + j] = quarters_of<0x88>(rows[i + j], rows[i + 4 + j]);
      a[i + 4 + j] = quarters_of<0xdd>(rows[i + j], rows[i + 4 + j]);
    }
  for (int j = 0; j < 4; ++j) {
    rows[j] = quarters_of<0x88>(a[j], a[8 + j]);
    rows[8 + j] = quarters_of<0xdd>(a[j], a[8 + j]);
    rows[4 + j] = quarters_of<0x88>(a[4 + j], a[12 + j]);
    rows[12 + j] = quarters_of<0xdd>(a[4 + j], a[12 + j]);
  }
}
#elif defined(__AVX2__)
template <> UNWARP_INLINE void transpose<float>(float_lanes (&rows)[8]) {
  for (int i = 0; i < 8; i += 4) transpose_within(rows + i);
  for (int j = 0; j < 4; ++j) {
    float_lanes first = halves_of<0x20>(rows[j], rows[4 + j]);
    rows[4 + j] = halves_of<0x31>(rows[j], rows[4 + j]);
    rows[j] = first;
  }
}
#endif

// Four planes into as many pixels of four channels as a vector has lanes, in order; and back.
#if defined(__AVX512F__)
UNWARP_INLINE void transpose_across(float_lanes* v) {
  float_lanes a = quarters_of<0x44>(v[0], v[1]), b = quarters_of<0xee>(v[0], v[1]);
  float_lanes c = quarters_of<0x44>(v[2], v[3]), d = quarters_of<0xee>(v[2], v[3]);
  v[0] = quarters_of<0x88>(a, c);
  v[1] = quarters_of<0xdd>(a, c);
  v[2] = quarters_of<0x88>(b, d);
  v[3] = quarters_of<0xdd>(b, d);
}
UNWARP_INLINE void join_planes(float_lanes (&planes)[4]) {
  transpose_within(planes);
  transpose_across(planes);
}
UNWARP_INLINE void split_pixels(float_lanes (&pixels)[4]) {
  transpose_across(pixels);
  transpose_within(pixels);
}
#elif defined(__AVX2__)
UNWARP_INLINE void join_planes(float_lanes (&planes)[4]) {
  float_lanes v[4] = {planes[0], planes[1], planes[2], planes[3]};
  transpose_within(v);
  for (int i = 0; i < 2; ++i) {
    planes[i] = halves_of<0x20>(v[2 * i], v[2 * i + 1]);
    planes[2 + i] = halves_of<0x31>(v[2 * i], v[2 * i + 1]);
  }
}
UNWARP_INLINE void split_pixels(float_lanes (&pixels)[4]) {
  float_lanes v[4] = {pixels[0], pixels[1], pixels[2], pixels[3]};
  for (int i = 0; i < 2; ++i) {
    pixels[2 * i] = halves_of<0x20>(v[i], v[2 + i]);
    pixels[2 * i + 1] = halves_of<0x31>(v[i], v[2 + i]);
  }
  transpose_within(pixels);
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
