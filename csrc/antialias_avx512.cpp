// Anti-aliased sampling for x86 processors with AVX-512 (F, BW, DQ, VL). Compiled with these instructions.
#ifdef UNWARP_X86
#include "antialias_adjoint.h"
#include "antialias_run.h"

namespace unwarp {
const AntialiasEngine& antialias_avx512() {
  static const AntialiasEngine engine{antialias, antialias_points_backward, antialias_image_backward, image_block};
  return engine;
}
}  // namespace unwarp
#endif
