// One call of the ops that follow particles through a continuous piecewise-affine velocity field, as plain data, and the
// code that runs it on each instruction set.
#pragma once

#include "problem.h"

namespace unwarp {

struct Field {
  bool wide;                         // all tensors in float64 (else float32)
  int dimensions;
  int64_t boxes[max_dimensions];     // of the square, along x, y, z; a ring of one more surrounds it
  int64_t stages;                    // simplices that a way may cross
  int64_t batches, points, nodes;
  int64_t points_stride;             // elements between the points of two batches (0: the same for all)

  const void* velocities;            // (batches, nodes, D)
  const void* start;                 // (batches, points, D)
  void* moved;                       // (batches, points, D)

  int64_t parts;                     // that the points of a batch are cut into, each with sums of its own
  const void* grad_moved;            // (batches, points, D)
  void* grad_velocities;             // (batches, parts, nodes, D), zeros to add to; or null
  void* grad_start;                  // (batches, points, D), or null
};

// What an instruction set offers: parts [begin, end) of the batches * parts. `scratch` is 64-byte aligned.
struct FieldEngine {
  int64_t (*scratch_bytes)(const Field&);
  void (*forward)(const Field&, int64_t begin, int64_t end);
  void (*backward)(const Field&, int64_t begin, int64_t end, void* scratch);
};

const FieldEngine& field_baseline();
#ifdef UNWARP_X86
const FieldEngine& field_avx2();
const FieldEngine& field_avx512();
#endif

}  // namespace unwarp
