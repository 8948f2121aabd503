// The three ways to say where samples are taken, and their adjoints. Positions are pixels: centred pixels plus
// (n - 1) / 2, in this order, which is what makes an identity exact.
#pragma once

#include "taps.h"

namespace unwarp {
namespace {

constexpr double horizon = 1e-6;          // a projective denominator at or below it lies behind the camera
constexpr double far_away = 536870912.0;  // 2^29 pixels: where such points go

// Calls each(offset, length, first) for every run of the tile whose pixels follow one another in the output.
template <class T, class F> inline void for_runs(const Problem& p, const T& tile, const F& each) {
  if (!tile.block) return each(int64_t{0}, tile.count, tile.first);
  for (int64_t at = 0, first = tile.first; at < tile.count; at += tile.block, first += p.out_size[0])
    each(at, tile.block, first);
}

// Calls each(offset, length, x, y, z) for every run of pixels of the tile that lie in one row of the output.
template <class T, class F> inline void for_rows(const Problem& p, const T& tile, const F& each) {
  for_runs(p, tile, [&](int64_t at, int64_t count, int64_t first) {
    int64_t width = p.out_size[0], line = first / width, x = first % width;
    for (int64_t done = 0; done < count; ++line, x = 0) {
      int64_t length = smaller(count - done, width - x);
      int64_t y = p.dimensions > 1 ? line % p.out_size[1] : 0, z = p.dimensions > 2 ? line / p.out_size[1] : 0;
      each(at + done, length, x, y, z);
      done += length;
    }
  });
}

template <class A> inline A centred(int64_t index, int64_t size) {
  return static_cast<A>(index) - static_cast<A>(size - 1) / 2;
}

// The centred places of consecutive pixels of the output, a vector at a time.
template <class A, int D> struct Pixels {
  Real<A> place[D];  // along x: less the pixels since the first
  A size[D], last[D];
  bool narrow;  // one vector may span several rows

  Pixels(const Problem& p, int64_t first) : narrow(p.out_size[0] < Lanes<A>::count) {
    for (int d = 0; d < D; ++d) {
      size[d] = static_cast<A>(p.out_size[d]);
      last[d] = centred<A>(p.out_size[d] - 1, p.out_size[d]);
      place[d] = splat<A>(centred<A>(D > d + 1 ? first % p.out_size[d] : first, p.out_size[d]));
      first /= p.out_size[d];
    }
    place[0] += ramp<A>();
  }

  // Those of the k-th pixel after the first and of its neighbours; k is 0 and then rises by a vector's length.
  UNWARP_INLINE void next(int64_t k, Real<A> (&centre)[D]) {
    Real<A> along = place[0] + static_cast<A>(k);
    if constexpr (D > 1) {
      Indices<A> beyond = along > last[0];
      do {
        place[0] = beyond ? place[0] - size[0] : place[0];
        along = beyond ? along - size[0] : along;
        place[1] = beyond ? place[1] + 1 : place[1];
        if constexpr (D > 2) {
          Indices<A> below = place[1] > last[1];
          place[1] = below ? place[1] - size[1] : place[1];
          place[2] = below ? place[2] + 1 : place[2];
        }
        beyond = along > last[0];
      } while (narrow && !all_lanes<A>(beyond == 0));
    }
    centre[0] = along;
    for (int d = 1; d < D; ++d) centre[d] = place[d];
  }
};

template <class A, int D, int K> struct PointsOf {
  const Problem& p;
  A half[D];  // (n - 1) / 2 of the input

  explicit PointsOf(const Problem& problem) : p(problem) {
    for (int d = 0; d < D; ++d) half[d] = static_cast<A>(p.in_size[d] - 1) / 2;
  }

  void positions(Tile<A, D, K>& tile, int64_t t) const {
    switch (p.points) {
      case Points::grid: return grid(tile, t);
      case Points::matrix: return p.matrix_rows == D ? matrix<false>(tile, t) : matrix<true>(tile, t);
      case Points::basis: return basis(tile, t);
    }
  }

  // Adds the tile's share of theta's gradient to `partial`. A grid's is written, or with `again` added to.
  void adjoint(Tile<A, D, K>& tile, int64_t t, double* partial, bool again) const {
    switch (p.points) {
      case Points::grid: return again ? grid_adjoint<true>(tile, t) : grid_adjoint<false>(tile, t);
      case Points::matrix: return p.matrix_rows == D ? matrix_adjoint<false>(tile, t, partial) : matrix_adjoint<true>(tile, t, partial);
      case Points::basis: return basis_adjoint(tile, partial);
    }
  }

 private:
  void grid(Tile<A, D, K>& tile, int64_t t) const {
    A scale[D];
    for (int d = 0; d < D; ++d) scale[d] = static_cast<A>(p.scale[d]);
    for_runs(p, tile, [&](int64_t at, int64_t length, int64_t first) {
      const A* g = static_cast<const A*>(p.theta) + (t * p.out_pixels + first) * D;
      for (int64_t k = 0; k < length; ++k)
        for (int d = 0; d < D; ++d) tile.position[d][at + k] = g[k * D + d] * scale[d] + half[d];
    });
    finish(tile);
  }

  template <bool Again> void grid_adjoint(Tile<A, D, K>& tile, int64_t t) const {
    A scale[D];
    for (int d = 0; d < D; ++d) scale[d] = static_cast<A>(p.scale[d]);
    for_runs(p, tile, [&](int64_t at, int64_t length, int64_t first) {
      A* g = static_cast<A*>(p.grad_theta) + (t * p.out_pixels + first) * D;
      for (int64_t k = 0; k < length; ++k)
        for (int d = 0; d < D; ++d) g[k * D + d] = tile.gradient[d][at + k] * scale[d] + (Again ? g[k * D + d] : A(0));
    });
  }

  // The lanes past the last pixel take part in vector loops: give them a harmless position.
  void finish(Tile<A, D, K>& tile) const {
    for (int d = 0; d < D; ++d)
      for (int l = 0; l < Lanes<A>::count; ++l) tile.position[d][tile.count + l] = 0;
  }

  template <bool Projective> void matrix(Tile<A, D, K>& tile, int64_t t) const {
    const A* m = static_cast<const A*>(p.theta) + t * p.matrix_rows * (D + 1);
    const Real<A> steps = ramp<A>();
    for_rows(p, tile, [&](int64_t at, int64_t length, int64_t x, int64_t y, int64_t z) {
      A start[D + 1];
      row_start(m, Projective ? D + 1 : D, y, z, start);
      A x0 = centred<A>(x, p.out_size[0]);
      for (int64_t k = 0; k < length; k += Lanes<A>::count) {
        Real<A> cx = steps + (x0 + static_cast<A>(k));
        Real<A> inverse = splat<A>(1), w{};
        Indices<A> behind{};
        if constexpr (Projective) {
          w = cx * m[D * (D + 1)] + start[D];
          behind = w <= static_cast<A>(horizon);
          w = behind ? splat<A>(1) : w;
          inverse = behind ? Real<A>{} : 1 / w;
          put_unaligned(tile.inverse_w + at + k, inverse);
        }
        for (int d = 0; d < D; ++d) {
          Real<A> c = cx * m[d * (D + 1)] + start[d];
          if constexpr (Projective) {
            Real<A> beyond = c < 0 ? splat<A>(-static_cast<A>(far_away)) : splat<A>(static_cast<A>(far_away));
            c = behind ? beyond : c / w;
          }
          put_unaligned(tile.position[d] + at + k, c + half[d]);
        }
      }
    });
    finish(tile);
  }

  // The part of each matrix row that is constant along a row of the output.
  void row_start(const A* m, int rows, int64_t y, int64_t z, A* start) const {
    for (int r = 0; r < rows; ++r) {
      A total = 0;
      if constexpr (D > 1) total += m[r * (D + 1) + 1] * centred<A>(y, p.out_size[1]);
      if constexpr (D > 2) total += m[r * (D + 1) + 2] * centred<A>(z, p.out_size[2]);
      start[r] = total + m[r * (D + 1) + D];
    }
  }

  template <bool Projective> void matrix_adjoint(Tile<A, D, K>& tile, int64_t, double* partial) const {
    constexpr int rows = Projective ? D + 1 : D;
    const Real<A> steps = ramp<A>();
    Real<A> total[rows][D + 1] = {};  // summed over lanes once a tile, not once a row of the output
    for_rows(p, tile, [&](int64_t at, int64_t length, int64_t x, int64_t y, int64_t z) {
      Real<A> sum[rows] = {};
      A x0 = centred<A>(x, p.out_size[0]);
      for (int64_t k = 0; k < length; k += Lanes<A>::count) {
        Real<A> cx = steps + (x0 + static_cast<A>(k)), row_gradient[rows];
        Indices<A> mine = steps + static_cast<A>(k) < static_cast<A>(length);
        matrix_row_gradients<Projective>(tile, at + k, row_gradient);
        for (int r = 0; r < rows; ++r) {
          Real<A> g = mine ? row_gradient[r] : Real<A>{};
          sum[r] += g;
          total[r][0] += mine ? g * cx : Real<A>{};
        }
      }
      for (int r = 0; r < rows; ++r) {
        if constexpr (D > 1) total[r][1] += sum[r] * centred<A>(y, p.out_size[1]);
        if constexpr (D > 2) total[r][2] += sum[r] * centred<A>(z, p.out_size[2]);
        total[r][D] += sum[r];
      }
    });
    for (int r = 0; r < rows; ++r)
      for (int d = 0; d <= D; ++d) partial[r * (D + 1) + d] += static_cast<double>(sum_lanes<A>(total[r][d]));
  }

  // d loss / d (matrix @ output position), for one vector of samples.
  template <bool Projective>
  UNWARP_INLINE void matrix_row_gradients(const Tile<A, D, K>& tile, int64_t k, Real<A>* row_gradient) const {
    Real<A> inverse = splat<A>(1), last{};
    if constexpr (Projective) inverse = unaligned<Real<A>>(tile.inverse_w + k);
    for (int d = 0; d < D; ++d) {
      row_gradient[d] = unaligned<Real<A>>(tile.gradient[d] + k) * inverse;
      if constexpr (Projective) {
        Real<A> c = unaligned<Real<A>>(tile.position[d] + k) - half[d];
        last -= (inverse != 0 ? c : Real<A>{}) * row_gradient[d];
      }
    }
    if constexpr (Projective) row_gradient[D] = last;
  }

  void basis(Tile<A, D, K>& tile, int64_t t) const {
    const A* theta = static_cast<const A*>(p.theta) + t * p.basis_size * D;
    for_runs(p, tile, [&](int64_t at, int64_t length, int64_t first) {
      Pixels<A, D> pixels(p, first);
      const A* b = static_cast<const A*>(p.basis) + first * p.basis_pixel_stride;
      int64_t k = 0;
      if (p.basis_pixel_stride == 1)
        for (constexpr int together = D < 3 ? 4 : 2; k + together * Lanes<A>::count <= length; k += together * Lanes<A>::count)
          basis_sums<true, together>(tile, at, k, length, b, theta, pixels);
      for (; k < length; k += Lanes<A>::count) basis_sums<false, 1>(tile, at, k, length, b, theta, pixels);
    });
    finish(tile);
  }

  // A few vectors of pixels at a time, whose sums stay in registers for all terms and do not wait for each other.
  template <bool Full, int Together>
  UNWARP_INLINE void basis_sums(Tile<A, D, K>& tile, int64_t at, int64_t k, int64_t length, const A* b, const A* theta,
                                Pixels<A, D>& pixels) const {
    constexpr int step = Lanes<A>::count;
    Real<A> sum[Together][D] = {};
    for (int64_t term = 0; term < p.basis_size; ++term) {
      const A* column = b + term * p.basis_term_stride;
      for (int i = 0; i < Together; ++i) {
        Real<A> value = basis_lanes<Full>(column, k + i * step, length);
        in_register(value);
        for (int d = 0; d < D; ++d) sum[i][d] += value * theta[term * D + d];
      }
    }
    for (int i = 0; i < Together; ++i) {
      Real<A> centre[D];
      pixels.next(k + i * step, centre);
      for (int d = 0; d < D; ++d)
        put_unaligned(tile.position[d] + at + k + i * step, (centre[d] * static_cast<A>(p.scale[d]) + sum[i][d]) + half[d]);
    }
  }

  // One term at consecutive pixels from k on; 0 past the last. Full: there are as many, next to each other.
  template <bool Full> UNWARP_INLINE Real<A> basis_lanes(const A* column, int64_t k, int64_t count) const {
    if constexpr (Full) return load_lanes<A>(column + k);
    if (p.basis_pixel_stride == 1) return load_some<A>(column + k, count - k);
    Real<A> v{};
    for (int l = 0; l < Lanes<A>::count && k + l < count; ++l) v[l] = column[(k + l) * p.basis_pixel_stride];
    return v;
  }

  void basis_adjoint(Tile<A, D, K>& tile, double* partial) const {
    int64_t term = 0;
    for (; term + 4 <= p.basis_size; term += 4) term_gradients<4>(tile, term, partial);
    for (; term < p.basis_size; ++term) term_gradients<1>(tile, term, partial);
  }

  // The gradients of a few terms at once: sums that do not wait for each other.
  template <int Terms> void term_gradients(const Tile<A, D, K>& tile, int64_t term, double* partial) const {
    constexpr int step = Lanes<A>::count;
    Real<A> sum[Terms][D] = {};
    for_runs(p, tile, [&](int64_t at, int64_t length, int64_t first) {
      const A* b = static_cast<const A*>(p.basis) + first * p.basis_pixel_stride + term * p.basis_term_stride;
      int64_t k = 0;
      if (p.basis_pixel_stride == 1)
        for (; k + step <= length; k += step) add_terms<true, Terms>(tile, at, k, length, b, sum);
      for (; k < length; k += step) add_terms<false, Terms>(tile, at, k, length, b, sum);
    });
    for (int i = 0; i < Terms; ++i)
      for (int d = 0; d < D; ++d) partial[(term + i) * D + d] += static_cast<double>(sum_lanes<A>(sum[i][d]));
  }

  template <bool Full, int Terms>
  UNWARP_INLINE void add_terms(const Tile<A, D, K>& tile, int64_t at, int64_t k, int64_t length, const A* b,
                               Real<A> (&sum)[Terms][D]) const {
    Real<A> g[D];
    for (int d = 0; d < D; ++d) g[d] = Full ? load_lanes<A>(tile.gradient[d] + at + k) : load_some<A>(tile.gradient[d] + at + k, length - k);
    for (int i = 0; i < Terms; ++i) {
      Real<A> value = basis_lanes<Full>(b + i * p.basis_term_stride, k, length);
      in_register(value);
      for (int d = 0; d < D; ++d) sum[i][d] += g[d] * value;
    }
  }
};

}  // namespace
}  // namespace unwarp
