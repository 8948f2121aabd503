// Channels-last images of two to four channels with the linear kernel in 2D: a vector of samples at a time, not a pixel's
// channels, which would leave most of a vector empty.
#pragma once

#include "channels_last.h"
#include "gather.h"

namespace unwarp {
namespace {

// As many pixels of C channels as a vector has lanes: from memory, where the channels lie next to one another, into one
// vector a channel, and back. The last `left` pixels may be fewer.
#if defined(__AVX512F__)
struct Permutation {
  alignas(64) int32_t low[16], high[16];  // lanes of the first two vectors, and of the other ones
  uint16_t from_high;                     // which lanes come from those
};

constexpr Permutation permutation(int count, int vector, bool split) {
  Permutation p{};
  for (int i = 0; i < 16; ++i) {
    int at = split ? i * count + vector : 16 * vector + i;  // in memory
    int from = split ? at / 16 : at % count, lane = split ? at % 16 : at / count;
    p.low[i] = 16 * (from % 2) + lane;
    p.high[i] = 16 * (from % 2) + lane;
    if (from >= 2) p.from_high = static_cast<uint16_t>(p.from_high | 1 << i);
  }
  return p;
}

template <int C, int V, bool Split> UNWARP_INLINE float_lanes permuted(const float_lanes (&v)[C]) {
  static constexpr Permutation p = permutation(C, V, Split);
  __m512 low = _mm512_permutex2var_ps((__m512)v[0], _mm512_load_si512(p.low), (__m512)v[1]);
  if constexpr (C == 2) return (float_lanes)low;
  __m512 high = _mm512_permutex2var_ps((__m512)v[2], _mm512_load_si512(p.high), (__m512)v[C - 1]);
  return (float_lanes)_mm512_mask_blend_ps(p.from_high, low, high);
}

template <int C, bool Split> UNWARP_INLINE void rearrange(float_lanes (&v)[C]) {
  float_lanes from[C];
  for (int c = 0; c < C; ++c) from[c] = v[c];
  v[0] = permuted<C, 0, Split>(from);
  v[1] = permuted<C, 1, Split>(from);
  if constexpr (C > 2) v[2] = permuted<C, 2, Split>(from);
  if constexpr (C > 3) v[3] = permuted<C, 3, Split>(from);
}

template <int C> UNWARP_INLINE void load_channels(const float* p, int64_t left, float_lanes (&v)[C]) {
  for (int c = 0; c < C; ++c) v[c] = left * C > 16 * c ? load_some<float>(p + 16 * c, left * C - 16 * c) : float_lanes{};
  rearrange<C, true>(v);
}

template <int C> UNWARP_INLINE void store_channels(float* p, int64_t left, float_lanes (&v)[C]) {
  rearrange<C, false>(v);
  for (int c = 0; c < C; ++c)
    if (left * C > 16 * c) store_some<float>(p + 16 * c, v[c], left * C - 16 * c);
}
#else
template <int C> UNWARP_INLINE void load_channels(const float* p, int64_t left, float_lanes (&v)[C]) {
  for (int c = 0; c < C; ++c) v[c] = float_lanes{};
  for (int l = 0; l < smaller<int64_t>(left, Lanes<float>::count); ++l)
    for (int c = 0; c < C; ++c) v[c][l] = p[l * C + c];
}

template <int C> UNWARP_INLINE void store_channels(float* p, int64_t left, float_lanes (&v)[C]) {
  for (int l = 0; l < smaller<int64_t>(left, Lanes<float>::count); ++l)
    for (int c = 0; c < C; ++c) p[l * C + c] = v[c][l];
}
#endif

// Whether offsets of elements fit the indices.
inline bool few_channels(const Problem& p) { return p.channels_last && p.channels <= 4 && p.in_pixels < int64_t{1} << 29; }

// Both taps of one row of a vector of samples: 2 C neighbours in memory, four at a time.
template <int C>
UNWARP_INLINE void fetch_channels(const Tile<float, 2, 2>& tile, int r, int64_t k, const float* image, float_lanes (&v)[2][C]) {
  constexpr int rest = 2 * C - 4;
  alignas(64) int32_t at[Lanes<float>::count];
  put(at, aligned<Indices<float>>(tile.row[r] + k) * C);
  float_lanes first[4], last[4];
  Window<float, 4, float>::load(image, at, first);
  if constexpr (rest > 0) Window<float, 4, float>::load(image + rest, at, last);
  for (int s = 0; s < 2; ++s)
    for (int c = 0; c < C; ++c) v[s][c] = s * C + c < 4 ? first[s * C + c] : last[s * C + c - rest];
}

template <int C>
UNWARP_INLINE void prefetch_samples(const Tile<float, 2, 2>& tile, int64_t k, const float* image, int64_t ahead) {
  for (int l = 0; ahead && l < Lanes<float>::count; l += 4)
    prefetch_pixels(tile, smaller(k + l + ahead, tile.count - 1), true, image, C);
}

template <int C>
void blend_channels(const Tile<float, 2, 2>& tile, const float* image, float* out, const float* fill, int64_t ahead) {
  for (int64_t k = 0; k < tile.count; k += Lanes<float>::count) {
    prefetch_samples<C>(tile, k, image, ahead);
    float_lanes total[C] = {};
    for (int r = 0; r < tile.rows; ++r) {
      float_lanes v[2][C], outer = aligned<float_lanes>(tile.wrow[r] + k);
      fetch_channels(tile, r, k, image, v);
      for (int c = 0; c < C; ++c)
        total[c] += outer * (aligned<float_lanes>(tile.wx[0] + k) * v[0][c] + aligned<float_lanes>(tile.wx[1] + k) * v[1][c]);
    }
    if (fill)
      for (int c = 0; c < C; ++c) total[c] += aligned<float_lanes>(tile.outside + k) * fill[c];
    store_channels(out + k * C, tile.count - k, total);
  }
}

// Adds d loss / d position to the tile. The channels are summed before the weights and slopes, which they share.
template <int C>
void position_gradient_channels(Tile<float, 2, 2>& tile, const float* image, const float* g, int64_t ahead) {
  for (int64_t k = 0; k < tile.count; k += Lanes<float>::count) {
    prefetch_samples<C>(tile, k, image, ahead);
    float_lanes upstream[C], along[2] = {};
    load_channels(g + k * C, tile.count - k, upstream);
    for (int r = 0; r < tile.rows; ++r) {
      float_lanes v[2][C], sum[2] = {};
      fetch_channels(tile, r, k, image, v);
      for (int s = 0; s < 2; ++s)
        for (int c = 0; c < C; ++c) sum[s] += upstream[c] * v[s][c];
      add_slopes(tile, r, k, sum, along);
    }
    for (int d = 0; d < 2; ++d) put(tile.gradient[d] + k, aligned<float_lanes>(tile.gradient[d] + k) + along[d]);
  }
}

}  // namespace
}  // namespace unwarp
