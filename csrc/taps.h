// Positions -> taps: which pixels a tile of samples reads and what each weighs, padding folded in, so that what comes
// after is one branch-free loop for every padding and transform.
#pragma once

#include "bounds.h"

namespace unwarp {
namespace {

// Working memory of one tile: flattened output pixels, one array a quantity. K taps an axis.
//
// The x taps of a sample are neighbours in memory under every padding but circular, so a "window" of K consecutive
// elements holds them all: `column` is where it starts and `wx` weighs its elements (weights move to the slot where
// their tap ended up; at an edge several may share one). Where that cannot be (circular padding, or fewer pixels than
// taps) the taps are "scattered": each has its own column.
template <class A, int D, int K>
struct Tile {
  static constexpr int rows = D == 1 ? 1 : D == 2 ? K : K * K;
  // Large: what one tile prefetches is a share of all that must come from memory. Fewer where there is more a pixel.
  static constexpr int pixels = rows > 4 ? 128 : sizeof(A) == sizeof(float) && D <= 2 && K == 2 ? 2048 : 512;
  static constexpr int padded = pixels + vector_bytes / static_cast<int>(sizeof(A));

  int64_t first, count;  // output pixels [first, first + count)
  int64_t block = 0;     // if not 0: those of a block instead, whose rows are this long and whose first pixel is `first`

  alignas(64) A position[D][padded];
  alignas(64) A inverse_w[padded];            // projective: 1 / w, or 0 behind the horizon
  alignas(64) Index<A> column[K][padded];     // scattered x taps; in a block [0]: the window's
  alignas(64) Index<A> line[K][padded];       // in a block: the image's row of each row of taps
  alignas(64) Index<A> row[rows][padded];     // offset of each row of taps, plus the window's column
  alignas(64) A wx[K][padded], sx[K][padded];                        // weight and slope (derivative) along x
  alignas(64) A wrow[rows][padded], srow[D > 1 ? D - 1 : 1][rows][padded];  // along the other axes: weight, slopes
  alignas(64) A outside[padded];              // fill: 1 where the sample takes the fill value
  alignas(64) A gradient[D][padded];          // d loss / d position
  alignas(64) A undefined[padded];            // NaN where the position has no value, else 0
  int edges = 0;                              // vectors with samples whose taps may lie outside of the image,
  int edge[padded / Lanes<A>::count];         // and where each begins; none under circular padding

  // Where the position has no value, neither has its gradient.
  void start_gradient() {
    for (int d = 0; d < D; ++d) std::memcpy(gradient[d], undefined, static_cast<size_t>(count) * sizeof(A));
  }
};

// Weights and slopes of one axis for the fraction t past the anchor pixel.
template <class A, int K> UNWARP_INLINE void kernel_weights(Real<A> t, A a, Real<A> (&w)[K], Real<A> (&s)[K]) {
  if constexpr (K == 1) {
    w[0] = splat<A>(1);
    s[0] = Real<A>{};
  } else if constexpr (K == 2) {
    w[0] = 1 - t;
    w[1] = t;
    s[0] = splat<A>(-1);
    s[1] = splat<A>(1);
  } else {
    // Keys (1981), eq. 4, in powers of the fraction: exactly (0, 1, 0, 0) on the lattice for every a.
    Real<A> u = 1 - t;
    w[0] = a * t * u * u;
    w[1] = 1 - t * t * ((a + 3) - (a + 2) * t);
    w[2] = t * (-a + t * ((2 * a + 3) - (a + 2) * t));
    w[3] = a * t * t * u;
    s[0] = a * u * (u - 2 * t);
    s[1] = t * (3 * (a + 2) * t - 2 * (a + 3));
    s[2] = t * (2 * (2 * a + 3) - 3 * (a + 2) * t) - a;
    s[3] = a * t * (2 * u - t);
  }
}

// The taps of one axis for one vector of positions.
template <class A, Padding P, int K>
struct AxisTaps {
  Indices<A> index[K], inside[K];
  Real<A> weight[K], slope[K];
  Real<A> undefined;

  AxisTaps() = default;

  UNWARP_INLINE AxisTaps(Real<A> position, Index<A> size, bool align_corners, A a) {
    Real<A> x = limit<A, P, K>(position, static_cast<A>(size));
    undefined = x == x ? Real<A>{} : x;
    x = x == x ? x : Real<A>{};
    Indices<A> anchor = __builtin_convertvector(x, Indices<A>);
    Real<A> base = __builtin_convertvector(anchor, Real<A>);
    anchor += base > x;  // truncation to floor: a true comparison is -1
    base = __builtin_convertvector(anchor, Real<A>);
    Real<A> t = x - base;
    if constexpr (K == 1) anchor -= (t > A(0.5)) | ((t == A(0.5)) & ((anchor & 1) != 0));  // halves to even
    kernel_weights<A, K>(t, a, weight, slope);
    if constexpr (P == Padding::border && K == 2) {
      // The reference clamps the position, so the edge itself has no slope either.
      Indices<A> interior = x > 0;
      slope[0] = interior ? slope[0] : Real<A>{};
      slope[1] = interior ? slope[1] : Real<A>{};
    }
    for (int k = 0; k < K; ++k) {
      Indices<A> tap = anchor + (k - (K - 1) / 2);
      inside[k] = (tap >= 0) & (tap < size);
      index[k] = bound<A, P>(tap, size, align_corners, weight[k], slope[k]);
    }
  }

  // Of positions whose taps all lie inside: what the other constructor gives, at half the work.
  UNWARP_INLINE AxisTaps(Real<A> position, A a) : undefined{} {
    Indices<A> anchor = __builtin_convertvector(position, Indices<A>);
    kernel_weights<A, K>(position - __builtin_convertvector(anchor, Real<A>), a, weight, slope);
    for (int k = 0; k < K; ++k) index[k] = anchor + (k - (K - 1) / 2);
  }

  // Zeroed so that an undefined sample gives the image's gradient nothing.
  UNWARP_INLINE void hide_undefined() {
    for (int k = 0; k < K; ++k) weight[k] = undefined == undefined ? weight[k] : Real<A>{};
  }
};

template <class A, int D, int K> struct Taps {
  const Problem& problem;
  bool window;
  Index<A> stride[D];  // in pixels

  explicit Taps(const Problem& p) : problem(p) {
    window = K == 1 || (p.padding != Padding::circular && p.in_size[0] >= K);
    Index<A> pixels = 1;
    for (int d = 0; d < D; ++d) {
      stride[d] = pixels;
      pixels *= static_cast<Index<A>>(p.in_size[d]);
    }
  }

  // Gradient: slopes too, and undefined samples weigh 0 instead of NaN.
  template <bool Gradient> void operator()(Tile<A, D, K>& tile) const {
    switch (problem.padding) {
      case Padding::zeros: return fill_in<Padding::zeros, Gradient>(tile);
      case Padding::border: return fill_in<Padding::border, Gradient>(tile);
      case Padding::reflection: return fill_in<Padding::reflection, Gradient>(tile);
      case Padding::circular: return fill_in<Padding::circular, Gradient>(tile);
      case Padding::fill: return fill_in<Padding::fill, Gradient>(tile);
    }
  }

 private:
  template <Padding P, bool Gradient> void fill_in(Tile<A, D, K>& tile) const {
    tile.edges = 0;
    for (int64_t k = 0; k < tile.count; k += Lanes<A>::count) {
      bool within = window && inside<P>(tile, k);
      if (K > 1 && within) inner<P, Gradient>(tile, k);
      else outer<P, Gradient>(tile, k);
      if constexpr (P != Padding::circular)
        if (!within) tile.edge[tile.edges++] = static_cast<int>(k);
    }
  }

  // Whether all taps of a vector of samples lie inside the image, as most do. Not so where a position is NaN.
  template <Padding P> UNWARP_INLINE bool inside(const Tile<A, D, K>& tile, int64_t k) const {
    Indices<A> all = splat_index<A>(-1);
    for (int d = 0; d < D; ++d) {
      Real<A> x = aligned<Real<A>>(tile.position[d] + k);
      A first = static_cast<A>((K - 1) / 2), end = static_cast<A>(problem.in_size[d] - (K > 1 ? K / 2 : 1));
      // On the edge itself border padding has no slope.
      all &= (P == Padding::border ? x > first : x >= first) & (x < end);
    }
    return all_lanes<A>(all);
  }

  template <Padding P, bool Inside = false>
  UNWARP_INLINE AxisTaps<A, P, K> taps(const Tile<A, D, K>& tile, int64_t k, int axis) const {
    Real<A> position = aligned<Real<A>>(tile.position[axis] + k);
    if constexpr (Inside) return {position, static_cast<A>(problem.cubic_a)};
    else return {position, static_cast<Index<A>>(problem.in_size[axis]), problem.align_corners, static_cast<A>(problem.cubic_a)};
  }

  template <Padding P, bool Gradient> UNWARP_INLINE void inner(Tile<A, D, K>& tile, int64_t k) const {
    AxisTaps<A, P, K> x = taps<P, true>(tile, k, 0);
    for (int slot = 0; slot < K; ++slot) {
      put(tile.wx[slot] + k, x.weight[slot]);
      if constexpr (Gradient) put(tile.sx[slot] + k, x.slope[slot]);
    }
    if constexpr (P == Padding::fill) put(tile.outside + k, Real<A>{});
    other_axes<P, Gradient, true>(tile, k, x.index[0], Real<A>{});
  }

  template <Padding P> UNWARP_INLINE AxisTaps<A, P, K> x_taps(Tile<A, D, K>& tile, int64_t k) const {
    AxisTaps<A, P, K> x = taps<P>(tile, k, 0);
    if constexpr (P == Padding::fill) {
      Indices<A> out = Indices<A>{};
      for (int d = 0; d < D; ++d) {
        A margin = problem.align_corners ? A(0) : A(0.5);
        Real<A> p = aligned<Real<A>>(tile.position[d] + k);
        out |= (p < -margin) | (p > static_cast<A>(problem.in_size[d] - 1) + margin);
      }
      put(tile.outside + k, out ? splat<A>(1) : Real<A>{});
      for (int t = 0; t < K; ++t) {
        x.weight[t] = out ? Real<A>{} : x.weight[t];
        x.slope[t] = out ? Real<A>{} : x.slope[t];
      }
    }
    return x;
  }

  template <Padding P, bool Gradient> UNWARP_INLINE void outer(Tile<A, D, K>& tile, int64_t k) const {
    AxisTaps<A, P, K> x = x_taps<P>(tile, k);
    if constexpr (Gradient) x.hide_undefined();
    other_axes<P, Gradient, false>(tile, k, put_x<P, Gradient>(tile, k, x), x.undefined);
  }

  // The rows of taps, once the x taps are known.
  template <Padding P, bool Gradient, bool Inside>
  UNWARP_INLINE void other_axes(Tile<A, D, K>& tile, int64_t k, Indices<A> column, Real<A> undefined) const {
    if constexpr (D == 1) {
      put(tile.row[0] + k, column);
      put(tile.wrow[0] + k, splat<A>(1) + (Gradient ? Real<A>{} : undefined));
    } else {
      AxisTaps<A, P, K> y = taps<P, Inside>(tile, k, 1);
      undefined += y.undefined;
      if constexpr (Gradient && !Inside) y.hide_undefined();
      if constexpr (D == 2) {
        if (Gradient && tile.block) {
          put(tile.column[0] + k, column);
          for (int t = 0; t < K; ++t) put(tile.line[t] + k, y.index[t]);
        }
        put_rows<Gradient>(tile, k, 0, column, y, splat<A>(1) + (Gradient ? Real<A>{} : undefined), Real<A>{});
      } else {
        AxisTaps<A, P, K> z = taps<P, Inside>(tile, k, 2);
        undefined += z.undefined;
        if constexpr (Gradient && !Inside) z.hide_undefined();
        Real<A> poison = Gradient ? Real<A>{} : undefined;
        for (int t = 0; t < K; ++t)
          put_rows<Gradient>(tile, k, t * K, column + z.index[t] * stride[2], y, z.weight[t] + poison, z.slope[t]);
      }
    }
    if constexpr (Gradient) put(tile.undefined + k, undefined);
  }

  // K rows of taps that share the outer axis' index (in `base`), weight and slope.
  template <bool Gradient, Padding P>
  UNWARP_INLINE void put_rows(Tile<A, D, K>& tile, int64_t k, int first, Indices<A> base, const AxisTaps<A, P, K>& y, Real<A> outer,
                Real<A> outer_slope) const {
    for (int t = 0; t < K; ++t) {
      put(tile.row[first + t] + k, base + y.index[t] * stride[1 < D ? 1 : 0]);
      put(tile.wrow[first + t] + k, outer * y.weight[t]);
      if constexpr (Gradient && D > 1) put(tile.srow[0][first + t] + k, outer * y.slope[t]);
      if constexpr (Gradient && D > 2) put(tile.srow[1][first + t] + k, outer_slope * y.weight[t]);
    }
  }

  // Writes the x taps; returns what the window adds to every row's offset.
  template <Padding P, bool Gradient>
  UNWARP_INLINE Indices<A> put_x(Tile<A, D, K>& tile, int64_t k, const AxisTaps<A, P, K>& x) const {
    if (!window) {
      for (int t = 0; t < K; ++t) {
        put(tile.column[t] + k, x.index[t]);
        put(tile.wx[t] + k, x.weight[t]);
        if constexpr (Gradient) put(tile.sx[t] + k, x.slope[t]);
      }
      return Indices<A>{};
    }
    Indices<A> start = x.index[0], last = splat_index<A>(static_cast<Index<A>>(problem.in_size[0] - K));
    for (int t = 1; t < K; ++t) start = x.index[t] < start ? x.index[t] : start;
    start = start > last ? last : start;
    for (int slot = 0; slot < K; ++slot) {
      Real<A> weight{}, slope{};
      for (int t = 0; t < K; ++t) {
        Indices<A> here = x.index[t] == start + slot;
        weight += here ? x.weight[t] : Real<A>{};
        if constexpr (Gradient) slope += here ? x.slope[t] : Real<A>{};
      }
      put(tile.wx[slot] + k, weight);
      if constexpr (Gradient) put(tile.sx[slot] + k, slope);
    }
    return start;
  }
};

// From upstream times value, summed for both taps of row r of a vector of samples, to the slopes along x and y.
UNWARP_INLINE void add_slopes(const Tile<float, 2, 2>& tile, int r, int64_t k, const float_lanes (&sum)[2], float_lanes (&along)[2]) {
  float_lanes line{}, tilt{};
  for (int s = 0; s < 2; ++s) {
    line += aligned<float_lanes>(tile.wx[s] + k) * sum[s];
    tilt += aligned<float_lanes>(tile.sx[s] + k) * sum[s];
  }
  along[0] += aligned<float_lanes>(tile.wrow[r] + k) * tilt;
  along[1] += aligned<float_lanes>(tile.srow[0][r] + k) * line;
}

}  // namespace
}  // namespace unwarp
