// Anti-aliased sampling for x86 processors with AVX2, FMA and F16C. Compiled with these instructions.
#ifdef UNWARP_X86
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "Compile with the instructions of AVX2: see INSTRUCTIONS in setup.py."
#endif
#include "antialias_adjoint.h"
#include "antialias_run.h"

namespace unwarp {
const AntialiasEngine& antialias_avx2() {
  static const AntialiasEngine engine{antialias, antialias_points_backward, antialias_image_backward, image_block};
  return engine;
}
}  // namespace unwarp
#endif
