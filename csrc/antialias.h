// One call of anti-aliased sampling of planes, and of its adjoint, as plain data, and the code that runs it on
// each instruction set.
#pragma once

#include "problem.h"

namespace unwarp {

struct Antialias {
  bool wide;             // all tensors in float64 (else float32)
  Kernel kernel;         // linear or cubic
  double cubic_a;
  Padding padding;
  bool align_corners;
  double limit;          // of the stretch, at least 1

  int64_t images, channels, warps;   // warp t reads image t * images / warps
  int64_t width, height, points;     // of a plane; samples of a warp
  int64_t image_stride;              // elements between images (0 for an expanded batch)

  const void* image;
  const void* matrix;                // (warps, 2, 3): affine, centred output to centred input pixels; or null, and
  int64_t out_width;                 // beside a matrix
  const void* positions;             // (warps, points, 2): x, y in centred pixels
  const void* jacobian;              // (warps, points, 2, 2)
  const void* fill;                  // a value a channel, or null
  void* output;                      // (warps, channels, points)

  const void* grad;                  // (warps, points, channels), of the output
  void* grad_positions;              // (warps, points, 2)
  void* grad_inverse;                // (warps, points, 2, 2), of the inverse of the stretch
  void* grad_image;                  // (images, channels, height, width), zeros to add to
};

// What an instruction set offers.
struct AntialiasEngine {
  void (*forward)(const Antialias&, int64_t begin, int64_t end);          // samples [begin, end) of the warps * points
  void (*points_backward)(const Antialias&, int64_t begin, int64_t end);  // the same
  void (*image_backward)(const Antialias&, int64_t begin, int64_t end);   // blocks of channels of the images
  int64_t block;                                                          // channels of one
};

const AntialiasEngine& antialias_baseline();
#ifdef UNWARP_X86
const AntialiasEngine& antialias_avx2();
const AntialiasEngine& antialias_avx512();
#endif

}  // namespace unwarp
