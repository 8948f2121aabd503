// Taps -> values and gradients for images whose channels lie next to one another: every tap is one run of channels.
#pragma once

#include "taps.h"

namespace unwarp {
namespace {

template <class A, int D, int K> struct PixelTaps {
  static constexpr int count = Tile<A, D, K>::rows * K;
  int64_t offset[count];  // elements from the image's start
  A weight[count];

  PixelTaps(const Tile<A, D, K>& tile, int64_t k, bool window, int64_t channels) {
    for (int r = 0; r < Tile<A, D, K>::rows; ++r)
      for (int s = 0; s < K; ++s) {
        int64_t pixel = static_cast<int64_t>(tile.row[r][k]) + (window ? s : static_cast<int64_t>(tile.column[s][k]));
        offset[r * K + s] = pixel * channels;
        weight[r * K + s] = tile.wrow[r][k] * tile.wx[s][k];
      }
  }
};

template <class A, int D, int K, class S>
void blend_pixels(const Tile<A, D, K>& tile, bool window, const S* image, S* out, const A* fill, int64_t channels) {
  for (int64_t k = 0; k < tile.count; ++k, out += channels) {
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

// d loss / d position of every sample: the taps' dot products with the gradient, weighted by the slopes.
template <class A, int D, int K, class S>
void position_gradient_pixels(Tile<A, D, K>& tile, bool window, const S* image, const S* g, int64_t channels) {
  for (int64_t k = 0; k < tile.count; ++k, g += channels) {
    PixelTaps<A, D, K> taps(tile, k, window, channels);
    Real<A> along[D] = {};
    for (int64_t c = 0; c < channels; c += Lanes<A>::count) {
      int64_t left = channels - c;
      Real<A> upstream = load_some<A>(g + c, left);
      for (int r = 0; r < Tile<A, D, K>::rows; ++r) {
        Real<A> line{}, tilt{};
        for (int s = 0; s < K; ++s) {
          Real<A> v = load_some<A>(image + taps.offset[r * K + s] + c, left);
          line += v * tile.wx[s][k];
          tilt += v * tile.sx[s][k];
        }
        along[0] += upstream * tilt * tile.wrow[r][k];
        for (int d = 1; d < D; ++d) along[d] += upstream * line * tile.srow[d - 1][r][k];
      }
    }
    for (int d = 0; d < D; ++d) tile.gradient[d][k] += sum_lanes<A>(along[d]);
  }
}

// `origin` is the first element of the image that `gradient` holds: a band's scratch starts at its band.
template <class A, int D, int K, class S>
void scatter_pixels(const Tile<A, D, K>& tile, bool window, const S* g, A* gradient, int64_t origin, int64_t channels,
                    int64_t from, int64_t to) {
  g += from * channels;
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
