// Pixels that are not finite reach no sample whose taps they are not.
//
// At an edge samples read pixels that are none of their taps and weigh them 0: in place of what is outside, and where the
// window of a row of taps had to move. That is faster than masks, but infinity times 0 is NaN. So samples at the edges
// whose results are not finite are computed again, from their taps alone.
#pragma once

#include "points.h"

namespace unwarp {
namespace {

// Which lanes are finite in all vectors of so many consecutive elements.
template <class A, class S> UNWARP_INLINE Indices<A> finite_lanes(const S* p, int64_t count) {
  Indices<A> finite = splat_index<A>(-1);
  for (int64_t k = 0; k < count; k += Lanes<A>::count) {
    Real<A> v = load_some<A>(p + k, count - k);
    finite &= v - v == 0;
  }
  return finite;
}

template <class A> inline bool is_finite(A v) { return v - v == 0; }

// One sample's taps along each axis, computed for a whole vector of which one lane is used.
template <class A, Padding P, int D, int K> struct ExactTaps {
  AxisTaps<A, P, K> axes[D];

  ExactTaps(const Problem& p, const Tile<A, D, K>& tile, int64_t k) {
    for (int d = 0; d < D; ++d)
      axes[d] = {splat<A>(tile.position[d][k]), static_cast<Index<A>>(p.in_size[d]), p.align_corners, static_cast<A>(p.cubic_a)};
  }

  // Their sum over values, of pixels by their offsets; along the axis `sloped`, if any, by their slopes.
  template <class F> A sum(const Problem& p, int sloped, const F& value) const {
    constexpr int all = D == 1 ? K : D == 2 ? K * K : K * K * K;
    A total = 0;
    for (int i = 0; i < all; ++i) {
      int64_t at = 0, stride = 1;
      A weight = 1;
      bool counts = true;
      for (int d = 0, rest = i; d < D; ++d, rest /= K) {
        const AxisTaps<A, P, K>& axis = axes[d];
        int tap = rest % K;
        counts &= P != Padding::zeros || axis.inside[tap][0] != 0;
        at += static_cast<int64_t>(axis.index[tap][0]) * stride;
        weight *= d == sloped ? axis.slope[tap][0] : axis.weight[tap][0];
        stride *= p.in_size[d];
      }
      if (counts) total += weight * value(at);
    }
    return total;
  }
};

template <class S, class A, int D, int K> class Edges {
  static constexpr int lanes = Lanes<A>::count;
  const Problem& p;
  const int64_t theta, first_channel, channels;
  const S* const image;

 public:
  // Of some of the channels of one theta's output.
  Edges(const Problem& problem, int64_t t, int64_t c, int64_t count)
      : p(problem), theta(t), first_channel(c), channels(count),
        image(static_cast<const S*>(p.image) + t * p.images / p.thetas * p.image_stride) {}

  // Mends the output of a tile's samples before `to`, from the edge `first` on; returns the edge to go on from.
  int values(const Tile<A, D, K>& tile, int first, int64_t to) const {
    S* out = static_cast<S*>(p.output) + theta * p.channels * p.out_pixels;
    Indices<A> finite = splat_index<A>(-1);
    int last = first;
    for (; last < tile.edges && tile.edge[last] < to; ++last) {
      int64_t k = tile.edge[last], count = smaller<int64_t>(lanes, to - k);
      if (p.channels_last) finite &= finite_lanes<A>(out + (tile.first + k) * p.channels, count * p.channels);
      else
        for (int64_t c = first_channel; c < first_channel + channels; ++c)
          finite &= finite_lanes<A>(out + c * p.out_pixels + tile.first + k, count);
    }
    if (!all_lanes<A>(finite)) mend_values(tile, first, last, to, out);
    return last;
  }

  // Mends the gradients of a tile's positions, of a kernel that has slopes.
  void gradients(Tile<A, D, K>& tile) const {
    Indices<A> finite = splat_index<A>(-1);
    for (int i = 0; i < tile.edges; ++i)
      for (int d = 0; d < D; ++d)
        finite &= finite_lanes<A>(tile.gradient[d] + tile.edge[i], smaller<int64_t>(lanes, tile.count - tile.edge[i]));
    if (!all_lanes<A>(finite)) mend_gradients(tile);
  }

 private:
  A pixel(int64_t c, int64_t at) const {
    return static_cast<A>(widen(p.channels_last ? image[at * p.channels + c] : image[c * p.in_pixels + at]));
  }
  int64_t element(int64_t c, int64_t at) const { return p.channels_last ? at * p.channels + c : c * p.out_pixels + at; }

  A fill_value(int64_t c) const { return p.fill ? static_cast<const A*>(p.fill)[c] : A(0); }
  bool filled(const Tile<A, D, K>& tile, int64_t k) const { return p.padding == Padding::fill && tile.outside[k] != 0; }

  __attribute__((noinline)) void mend_values(const Tile<A, D, K>& tile, int first, int last, int64_t to, S* out) const {
    for (int i = first; i < last; ++i)
      for (int64_t k = tile.edge[i]; k < smaller<int64_t>(tile.edge[i] + lanes, to); ++k) {
        if (undefined(tile, k)) continue;
        for (int64_t c = first_channel; c < first_channel + channels; ++c) {
          S& result = out[element(c, tile.first + k)];
          if (is_finite(static_cast<A>(widen(result)))) continue;
          A mended = filled(tile, k) ? fill_value(c) : sum(tile, k, -1, [&](int64_t at) { return pixel(c, at); });
          result = Narrow<S>::from(mended);
        }
      }
  }

  __attribute__((noinline)) void mend_gradients(Tile<A, D, K>& tile) const {
    const S* upstream = static_cast<const S*>(p.grad_output) + theta * p.channels * p.out_pixels;
    for (int i = 0; i < tile.edges; ++i)
      for (int64_t k = tile.edge[i]; k < smaller<int64_t>(tile.edge[i] + lanes, tile.count); ++k) {
        if (undefined(tile, k)) continue;
        int64_t sample = tile.first + (tile.block ? k / tile.block * p.out_size[0] + k % tile.block : k);
        for (int d = 0; d < D; ++d) {
          A& result = tile.gradient[d][k];
          if (is_finite(result)) continue;
          result = filled(tile, k) ? A(0) : sum(tile, k, d, [&](int64_t at) {
            A total = 0;
            for (int64_t c = first_channel; c < first_channel + channels; ++c)
              total += static_cast<A>(widen(upstream[element(c, sample)])) * pixel(c, at);
            return total;
          });
        }
      }
  }

  template <class F> A sum(const Tile<A, D, K>& tile, int64_t k, int sloped, const F& value) const {
    switch (p.padding) {
      case Padding::zeros: return ExactTaps<A, Padding::zeros, D, K>(p, tile, k).sum(p, sloped, value);
      case Padding::border: return ExactTaps<A, Padding::border, D, K>(p, tile, k).sum(p, sloped, value);
      case Padding::reflection: return ExactTaps<A, Padding::reflection, D, K>(p, tile, k).sum(p, sloped, value);
      case Padding::fill: return ExactTaps<A, Padding::fill, D, K>(p, tile, k).sum(p, sloped, value);
      case Padding::circular: return 0;  // reads no pixel but its taps
    }
    return 0;
  }

  // Such results are NaN for good.
  bool undefined(const Tile<A, D, K>& tile, int64_t k) const {
    bool defined = true;
    for (int d = 0; d < D; ++d) {
      A x = tile.position[d][k];
      defined &= p.padding == Padding::reflection ? x <= A(1 << 30) && x >= A(-(1 << 30)) : x == x;
    }
    return !defined;
  }
};

}  // namespace
}  // namespace unwarp
