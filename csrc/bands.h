// Who owns which part of an image's gradient.
#pragma once

#include "problem.h"

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

}  // namespace
}  // namespace unwarp
