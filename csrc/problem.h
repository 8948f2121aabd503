// What one call asks for, as plain data: the only thing the instruction-set translation units see.
#pragma once

#include <cstdint>

namespace unwarp {

enum class Element : int { float32, float64, bfloat16, float16 };
enum class Kernel : int { nearest, linear, cubic };
enum class Padding : int { zeros, border, reflection, circular, fill };
enum class Points : int { grid, matrix, basis };

constexpr int max_dimensions = 3;

// Axes run x, y, z (fastest first) in every array here, unlike tensor sizes.
struct Problem {
  int dimensions;
  Element element;       // of the image, its gradient and the output
  bool wide;             // coordinates, theta and accumulation in float64 (else float32)
  Kernel kernel;
  double cubic_a;        // Keys' a, of the cubic kernel
  Padding padding;
  bool align_corners;
  bool channels_last;    // memory order of the image, the output and both gradients

  int64_t images, channels, thetas;  // theta t reads image t * images / thetas
  int64_t in_size[max_dimensions], out_size[max_dimensions];
  int64_t in_pixels, out_pixels;     // per channel
  int64_t image_stride;              // elements between images (0 for an expanded batch)

  const void* image;
  void* output;          // forward only
  const void* fill;      // channels values of the accumulation type, or null

  // Where the points come from; theta has the accumulation type.
  Points points;
  const void* theta;     // grid (T, *out, D) | matrix (T, rows, D + 1) | coefficients (T, K, D)
  int64_t matrix_rows;   // D, or D + 1 for a projective map
  double scale[max_dimensions];      // grid: centred input pixels per grid unit; basis: input per output pixel
  const void* basis;     // (out_pixels, K)
  int64_t basis_size, basis_pixel_stride, basis_term_stride;

  int64_t threads;       // that may run at once

  // Backward only. Null where a gradient is not wanted.
  const void* grad_output;
  void* grad_image;
  void* grad_theta;      // grid: as theta. matrix, coefficients: see grad_theta_partial
  double* grad_theta_partial;        // (bands, thetas, theta_numel): summed over bands by the caller
  int64_t theta_numel;   // per theta
  int64_t bands;         // parts of an image's gradient, along its slowest axis, each owned by one thread
};

// The work of one instruction set. Items are what threads divide among them: forward
// tiles of the output, or images; backward bands of an image's gradient.
struct Engine {
  const char* name;
  int64_t (*forward_items)(const Problem&);
  void (*forward)(const Problem&, int64_t begin, int64_t end);
  void (*backward)(const Problem&, int64_t begin, int64_t end);
};

const Engine& baseline_engine();
#ifdef UNWARP_X86
const Engine& avx2_engine();
const Engine& avx512_engine();
#endif

// The engine in use: the best the processor has, or what UNWARP_CPU names.
const Engine& engine();

}  // namespace unwarp
