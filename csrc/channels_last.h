// Taps -> values and gradients for pixels whose channels lie next to one another: every tap is one run of channels.
// Inlined, so that a constant number of channels leaves neither tails nor loops.
#pragma once

#include <type_traits>

#include "taps.h"

namespace unwarp {
namespace {

// Calls use(channels), those of a photograph as a constant.
template <class A, int D, class F> UNWARP_INLINE void with_channels(int64_t channels, const F& use) {
  if constexpr (D == 2 && sizeof(A) == sizeof(float)) {
    switch (channels) {
      case 2: return use(std::integral_constant<int64_t, 2>{});
      case 3: return use(std::integral_constant<int64_t, 3>{});
      case 4: return use(std::integral_constant<int64_t, 4>{});
    }
  }
  use(channels);
}

// How many samples ahead the pixels that one reads are asked for; 0 where the caches hold the images anyhow, and for
// pixels so long that the processor follows them by itself.
inline int64_t samples_ahead(const Problem& p, int64_t channel_bytes) {
  constexpr int64_t ahead = 4 << 10, longest = 1 << 10, cached = 8 << 20, most = 64;  // bytes, the last one samples
  int64_t pixel = p.channels * channel_bytes;
  return pixel > longest || p.images * p.in_pixels * pixel <= cached ? 0 : smaller(ahead / pixel, most);
}

// Asks for the cache lines of one sample's taps.
template <class A, int D, int K, class S>
UNWARP_INLINE void prefetch_pixels(const Tile<A, D, K>& tile, int64_t k, bool window, const S* image, int64_t channels) {
  constexpr int64_t line = 64 / sizeof(S);
  const int64_t runs = window ? 1 : K, length = window ? K * channels : channels;
  for (int r = 0; r < Tile<A, D, K>::rows; ++r)
    for (int64_t s = 0; s < runs; ++s) {
      int64_t pixel = static_cast<int64_t>(tile.row[r][k]) + (window ? 0 : static_cast<int64_t>(tile.column[s][k]));
      for (int64_t c = 0; c < length; c += line) __builtin_prefetch(image + pixel * channels + c);
    }
}

// One sample's taps: where they start, in elements from the image's start, and what they weigh.
template <class A, int D, int K> struct PixelTaps {
  static constexpr int rows = Tile<A, D, K>::rows, count = rows * K;
  int64_t offset[count];
  A weight[count];

  UNWARP_INLINE PixelTaps(const Tile<A, D, K>& tile, int64_t k, bool window, int64_t channels) {
    for (int r = 0; r < rows; ++r)
      for (int s = 0; s < K; ++s) {
        int64_t pixel = static_cast<int64_t>(tile.row[r][k]) + (window ? s : static_cast<int64_t>(tile.column[s][k]));
        offset[r * K + s] = pixel * channels;
        weight[r * K + s] = tile.wrow[r][k] * tile.wx[s][k];
      }
  }

  // d weight / d position along axis d.
  UNWARP_INLINE A slope(const Tile<A, D, K>& tile, int64_t k, int d, int r, int s) const {
    return d == 0 ? tile.wrow[r][k] * tile.sx[s][k] : tile.srow[d - 1][r][k] * tile.wx[s][k];
  }
};

// Pixels [from, to) of the tile; `out` is the first one's. `ahead`: see samples_ahead.
template <class A, int D, int K, class S, class O>
UNWARP_INLINE void blend_pixels(const Tile<A, D, K>& tile, bool window, const S* image, O* out, const A* fill,
                                int64_t channels, int64_t from, int64_t to, int64_t ahead) {
  for (int64_t k = from; k < to; ++k, out += channels) {
    if (ahead) prefetch_pixels(tile, smaller(k + ahead, tile.count - 1), window, image, channels);
    PixelTaps<A, D, K> taps(tile, k, window, channels);
    A outside = fill ? tile.outside[k] : A(0);
    for (int64_t c = 0; c < channels; c += Lanes<A>::count) {
      int64_t left = channels - c;
      Real<A> total{};
      for (int i = 0; i < taps.count; ++i) total += load_some<A>(image + taps.offset[i] + c, left) * taps.weight[i];
      if (outside != 0) total += load_some<A>(fill + c, left) * outside;
      store_some<A>(out + c, total, left);
    }
  }
}

// d loss / d position of every sample: the taps, weighted by their slopes, times the gradient.
template <class A, int D, int K, class S, class G>
UNWARP_INLINE void position_gradient_pixels(Tile<A, D, K>& tile, bool window, const S* image, const G* g,
                                            int64_t channels, int64_t from, int64_t to, int64_t ahead) {
  for (int64_t k = from; k < to; ++k, g += channels) {
    if (ahead) prefetch_pixels(tile, smaller(k + ahead, to - 1), window, image, channels);
    PixelTaps<A, D, K> taps(tile, k, window, channels);
    A slope[D][taps.count];
    for (int d = 0; d < D; ++d)
      for (int i = 0; i < taps.count; ++i) slope[d][i] = taps.slope(tile, k, d, i / K, i % K);
    Real<A> total[D] = {};
    for (int64_t c = 0; c < channels; c += Lanes<A>::count) {
      int64_t left = channels - c;
      Real<A> upstream = load_some<A>(g + c, left), along[D] = {};
      for (int i = 0; i < taps.count; ++i) {
        Real<A> v = load_some<A>(image + taps.offset[i] + c, left);
        for (int d = 0; d < D; ++d) along[d] += v * slope[d][i];
      }
      for (int d = 0; d < D; ++d) total[d] += upstream * along[d];
    }
    for (int d = 0; d < D; ++d) tile.gradient[d][k] += sum_lanes<A>(total[d]);
  }
}

// Adds to the image's gradient; `origin` is its first element, where the memory holds a band of the image only.
template <class A, int D, int K, class G>
UNWARP_INLINE void scatter_pixels(const Tile<A, D, K>& tile, bool window, const G* g, A* gradient, int64_t origin,
                                  int64_t channels, int64_t from, int64_t to) {
  for (int64_t k = from; k < to; ++k, g += channels) {
    PixelTaps<A, D, K> taps(tile, k, window, channels);
    for (int64_t c = 0; c < channels; c += Lanes<A>::count) {
      int64_t left = channels - c;
      Real<A> upstream = load_some<A>(g + c, left);
      for (int i = 0; i < taps.count; ++i)
        add_some<A>(gradient + (taps.offset[i] - origin + c), upstream * taps.weight[i], left);
    }
  }
}

}  // namespace
}  // namespace unwarp
