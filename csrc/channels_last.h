// Taps -> values and gradients for pixels whose channels lie next to one another: every tap is one run of channels.
// Inlined, so that a constant number of channels leaves neither tails nor loops.
#pragma once

#include "taps.h"

namespace unwarp {
namespace {

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

// Pixels [from, to) of the tile; `out` is the first one's.
template <class A, int D, int K, class S, class O>
UNWARP_INLINE void blend_pixels(const Tile<A, D, K>& tile, bool window, const S* image, O* out, const A* fill,
                                int64_t channels, int64_t from, int64_t to) {
  for (int64_t k = from; k < to; ++k, out += channels) {
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
                                            int64_t channels, int64_t from, int64_t to) {
  for (int64_t k = from; k < to; ++k, g += channels) {
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
      for (int i = 0; i < taps.count; ++i) {
        A* at = gradient + (taps.offset[i] - origin + c);
        store_some<A>(at, load_some<A>(at, left) + upstream * taps.weight[i], left);
      }
    }
  }
}

}  // namespace
}  // namespace unwarp
