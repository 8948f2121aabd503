// Who owns which part of an image's gradient.
#pragma once

#include "taps.h"

namespace unwarp {
namespace {

// One band of one image's gradient, with theta's gradient of the band's share of the output.
struct Band {
  int64_t image, first_tile, last_tile;  // the tiles whose theta gradient is this band's to compute
  int64_t from, to;                      // pixels of the image's gradient
  bool whole;
  double* partial;

  // The item-th of all images' bands, where an output has so many tiles.
  static Band of(const Problem& p, int64_t item, int64_t tiles) {
    int64_t n = item / p.bands, b = item % p.bands;
    int64_t slowest = p.in_size[p.dimensions - 1], line = p.in_pixels / slowest;
    double* partial = p.grad_theta_partial ? p.grad_theta_partial + b * p.thetas * p.theta_numel : nullptr;
    return {n, b * tiles / p.bands, (b + 1) * tiles / p.bands, b * slowest / p.bands * line,
            (b + 1) * slowest / p.bands * line, p.bands == 1, partial};
  }

  // Where the gradient of theta t is summed; null for a grid's, which is no sum.
  double* sums(const Problem& p, int64_t t) const { return partial ? partial + t * p.theta_numel : nullptr; }
};

// End of the run of vectors from pixel k on that touch the band.
template <class A> int64_t run_of(const bool* touched, int64_t k, int64_t count) {
  int64_t end = k;
  while (end < count && touched[end / Lanes<A>::count]) end += Lanes<A>::count;
  return smaller(end, count);
}

// Takes the weight from every row of taps outside of the band: its pixels belong to another thread.
template <class A, int D, int K> void confine(Tile<A, D, K>& tile, const Band& band, bool* touched) {
  Indices<A> from = splat_index<A>(static_cast<Index<A>>(band.from)), to = splat_index<A>(static_cast<Index<A>>(band.to));
  for (int64_t k = 0; k < tile.count; k += Lanes<A>::count) {
    Indices<A> any{};
    for (int r = 0; r < Tile<A, D, K>::rows; ++r) {
      Indices<A> row = aligned<Indices<A>>(tile.row[r] + k);
      Indices<A> mine = (row >= from) & (row < to);
      put(tile.row[r] + k, mine ? row : from);
      put(tile.wrow[r] + k, mine ? aligned<Real<A>>(tile.wrow[r] + k) : Real<A>{});
      any |= mine;
    }
    bool hit = false;
    for (int l = 0; l < Lanes<A>::count; ++l) hit |= any[l] != 0;
    touched[k / Lanes<A>::count] = hit;
  }
}

}  // namespace
}  // namespace unwarp
