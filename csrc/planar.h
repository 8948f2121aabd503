// Taps -> values and gradients for images whose channels lie in planes (N, C, *spatial contiguous).
#pragma once

#include "gather.h"
#include "taps.h"

namespace unwarp {
namespace {

// The K elements of one row of taps for one vector of pixels.
template <class A, int D, int K, bool Windowed, class S>
UNWARP_INLINE void fetch(const Tile<A, D, K>& tile, int r, int64_t k, const S* plane, Real<A> (&v)[K]) {
  if constexpr (Windowed) {
    Window<A, K, S>::load(plane, tile.row[r] + k, v);
  } else {
    alignas(64) Index<A> at[Lanes<A>::count];
    for (int s = 0; s < K; ++s) {
      put(at, aligned<Indices<A>>(tile.row[r] + k) + aligned<Indices<A>>(tile.column[s] + k));
      Real<A> one[1];
      Window<A, 1, S>::load(plane, at, one);
      v[s] = one[0];
    }
  }
}

// Asks for the cache lines that one vector of pixels is going to read, or with Write to add to. Where a transform
// rotates, the processor does not foresee them.
template <bool Write, class A, int D, int K, class S>
UNWARP_INLINE void prefetch(const Tile<A, D, K>& tile, int64_t k, const S* plane) {
  constexpr int step = 8;
  for (int r = 0; r < Tile<A, D, K>::rows; ++r)
    for (int l = 0; l < Lanes<A>::count; l += step) __builtin_prefetch(plane + tile.row[r][k + l], Write);
}

template <bool Write, class A, int D, int K, class S>
void prefetch_tile(const Tile<A, D, K>& tile, const S* plane) {
  for (int64_t k = 0; k < tile.count; k += Lanes<A>::count) prefetch<Write>(tile, k, plane);
}

// `next` is the plane that is wanted next, or null.
template <class A, int D, int K, bool Windowed, class S>
void blend(const Tile<A, D, K>& tile, const S* plane, const S* next, S* out, const A* fill) {
  for (int64_t k = 0; k < tile.count; k += Lanes<A>::count) {
    if (next) prefetch<false>(tile, k, next);
    Real<A> weight[K], total{};
    for (int s = 0; s < K; ++s) weight[s] = aligned<Real<A>>(tile.wx[s] + k);
    for (int r = 0; r < Tile<A, D, K>::rows; ++r) {
      Real<A> v[K];
      fetch<A, D, K, Windowed>(tile, r, k, plane, v);
      Real<A> line = weight[0] * v[0];
      for (int s = 1; s < K; ++s) line += weight[s] * v[s];
      total += aligned<Real<A>>(tile.wrow[r] + k) * line;
    }
    if (fill) total += aligned<Real<A>>(tile.outside + k) * *fill;
    store_some<A>(out + k, total, tile.count - k);
  }
}

// Adds one channel's part of d loss / d position to the tile.
template <class A, int D, int K, bool Windowed, class S>
void position_gradient(Tile<A, D, K>& tile, const S* plane, const S* next, const A* g) {
  for (int64_t k = 0; k < tile.count; k += Lanes<A>::count) {
    if (next) prefetch<false>(tile, k, next);
    Real<A> weight[K], slope[K], along[D] = {};
    for (int s = 0; s < K; ++s) {
      weight[s] = aligned<Real<A>>(tile.wx[s] + k);
      slope[s] = aligned<Real<A>>(tile.sx[s] + k);
    }
    for (int r = 0; r < Tile<A, D, K>::rows; ++r) {
      Real<A> v[K];
      fetch<A, D, K, Windowed>(tile, r, k, plane, v);
      Real<A> line = weight[0] * v[0], tilt = slope[0] * v[0];
      for (int s = 1; s < K; ++s) {
        line += weight[s] * v[s];
        tilt += slope[s] * v[s];
      }
      along[0] += aligned<Real<A>>(tile.wrow[r] + k) * tilt;
      for (int d = 1; d < D; ++d) along[d] += aligned<Real<A>>(tile.srow[d - 1][r] + k) * line;
    }
    Real<A> upstream = load_some<A>(g + k, tile.count - k);
    for (int d = 0; d < D; ++d)
      put(tile.gradient[d] + k, aligned<Real<A>>(tile.gradient[d] + k) + along[d] * upstream);
  }
}

// The same for all of up to four channels at once, with the linear kernel in 2D: they are summed tap by tap before the
// weights and slopes, which they share.
template <int Channels, class S>
void position_gradients(Tile<float, 2, 2>& tile, const S* image, int64_t stride, const float* g, int64_t g_stride) {
  for (int64_t k = 0; k < tile.count; k += Lanes<float>::count) {
    float_lanes sum[2][2] = {}, along[2] = {};
    for (int c = 0; c < Channels; ++c) {
      float_lanes upstream = unaligned<float_lanes>(g + c * g_stride + k);
      for (int r = 0; r < 2; ++r) {
        float_lanes v[2];
        fetch<float, 2, 2, true>(tile, r, k, image + c * stride, v);
        for (int s = 0; s < 2; ++s) sum[r][s] += upstream * v[s];
      }
    }
    for (int r = 0; r < 2; ++r) add_slopes(tile, r, k, sum[r], along);
    for (int d = 0; d < 2; ++d) put(tile.gradient[d] + k, aligned<float_lanes>(tile.gradient[d] + k) + along[d]);
  }
}

// Adds the samples' gradients [from, to) to Channels planes of the image's. Scalar on purpose: neighbouring pixels meet
// in the same elements, and the chains of the channels (each a store forwarded to the next load) overlap.
template <class A, int D, int K, bool Windowed, int Channels>
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("no-tree-slp-vectorize", "no-tree-vectorize")))
#endif
void scatter(const Tile<A, D, K>& tile, const A* const* g, A* const* planes, int64_t from, int64_t to) {
  A* plane[Channels];
  const A* upstream[Channels];
  for (int c = 0; c < Channels; ++c) {
    plane[c] = planes[c];
    upstream[c] = g[c];
  }
  for (int64_t k = from; k < to; ++k) {
    A value[Channels];
    for (int c = 0; c < Channels; ++c) value[c] = upstream[c][k];
    for (int r = 0; r < Tile<A, D, K>::rows; ++r) {
      A outer = tile.wrow[r][k];
      for (int s = 0; s < K; ++s) {
        A weight = outer * tile.wx[s][k];
        int64_t at = static_cast<int64_t>(tile.row[r][k]) + (Windowed ? s : static_cast<int64_t>(tile.column[s][k]));
        for (int c = 0; c < Channels; ++c) plane[c][at] += weight * value[c];
      }
    }
  }
}

template <class A, int D, int K, bool Windowed>
void scatter_channels(const Tile<A, D, K>& tile, const A* const* g, A* const* planes, int channels, int64_t from, int64_t to) {
  switch (channels) {
    case 1: return scatter<A, D, K, Windowed, 1>(tile, g, planes, from, to);
    case 2: return scatter<A, D, K, Windowed, 2>(tile, g, planes, from, to);
    case 3: return scatter<A, D, K, Windowed, 3>(tile, g, planes, from, to);
    default: return scatter<A, D, K, Windowed, 4>(tile, g, planes, from, to);
  }
}

}  // namespace
}  // namespace unwarp
