// Adding samples to an image's gradient, where both taps of a row are one addition.
//
// In the order of the output this would be slow: the windows of neighbours overlap in part, and a load must then wait
// until the store before it has reached the cache (4.5 ns a sample). So samples that follow one another are taken 11 to
// 23 pixels apart.
#pragma once

#include "planar.h"

namespace unwarp {
namespace {

constexpr int apart_pixels = 512;  // among which the order is free; what they touch should fit the first-level cache

typedef float pair __attribute__((vector_size(8), may_alias));

// How far apart samples that follow one another are taken, in an output of rows of `width` pixels: such that the next
// few do not come to lie beside one another in neighbouring rows either.
inline int64_t distance_apart(int64_t count, int64_t width) {
  for (int64_t step = 23; step >= 11; step -= 2) {
    int64_t rest = width % step;
    if (16 * step <= count && rest >= 3 && rest <= step - 3) return step;
  }
  return larger<int64_t>(1, count / 16);
}

// Calls use(k) for every k in [from, to), in this order.
template <class F> UNWARP_INLINE void each_apart(int64_t from, int64_t to, int64_t width, const F& use) {
  const int64_t step = distance_apart(to - from, width);
  for (int64_t first = from; first < from + step; ++first)
    for (int64_t k = first; k < to; k += step) use(k);
}

// a0 b0 a1 b1 ...
UNWARP_INLINE void interleave_lanes(float_lanes a, float_lanes b, float* out) {
#if defined(__AVX512F__)
  put(out, __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  put(out + 16, __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
#elif defined(__AVX2__)
  put(out, __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
  put(out + 8, __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15));
#else
  put(out, __builtin_shufflevector(a, b, 0, 4, 1, 5));
  put(out + 4, __builtin_shufflevector(a, b, 2, 6, 3, 7));
#endif
}

// One plane and the samples [from, to), at most `apart_pixels`. What every tap adds is computed before any is added.
template <class S, int D>
void add_pairs(const Tile<float, D, 2>& tile, const S* g, float* plane, int64_t width, int64_t from, int64_t to) {
  constexpr int rows = Tile<float, D, 2>::rows;
  alignas(64) float added[rows][2 * apart_pixels];
  for (int64_t k = from; k < to; k += Lanes<float>::count) {
    float_lanes upstream = load_some<float>(g + k, to - k);
    float_lanes left = upstream * aligned<float_lanes>(tile.wx[0] + k);
    float_lanes right = upstream * aligned<float_lanes>(tile.wx[1] + k);
    for (int r = 0; r < rows; ++r) {
      float_lanes outer = aligned<float_lanes>(tile.wrow[r] + k);
      interleave_lanes(outer * left, outer * right, added[r] + 2 * (k - from));
    }
  }
  each_apart(from, to, width, [&](int64_t k) {
    for (int r = 0; r < rows; ++r) {
      float* at = plane + tile.row[r][k];
      put_unaligned(at, unaligned<pair>(at) + aligned<pair>(added[r] + 2 * (k - from)));
    }
  });
}

// Any number of samples; linear kernel, windowed taps.
template <class S, int D>
void scatter_pairs(const Tile<float, D, 2>& tile, const S* g, float* plane, int64_t width, int64_t from, int64_t to) {
  for (int64_t k = from; k < to; k += apart_pixels) add_pairs(tile, g, plane, width, k, smaller(to, k + apart_pixels));
}

}  // namespace
}  // namespace unwarp
