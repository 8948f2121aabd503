// One call of anti-aliased sampling of planes, as plain data, and the code that runs it on each instruction set.
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
};

// Samples [begin, end) of the warps * points.
void antialias_baseline(const Antialias&, int64_t begin, int64_t end);
#ifdef UNWARP_X86
void antialias_avx2(const Antialias&, int64_t begin, int64_t end);
void antialias_avx512(const Antialias&, int64_t begin, int64_t end);
#endif

}  // namespace unwarp
