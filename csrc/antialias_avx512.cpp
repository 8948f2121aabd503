// Anti-aliased sampling for x86 processors with AVX-512 (F, BW, DQ, VL). Compiled with these instructions.
#ifdef UNWARP_X86
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "Compile with the instructions of AVX-512: see INSTRUCTIONS in setup.py."
#endif
#include "antialias_adjoint.h"
#include "antialias_run.h"

namespace unwarp {
const AntialiasEngine& antialias_avx512() {
  static const AntialiasEngine engine{antialias, antialias_points_backward, antialias_image_backward, image_block};
  return engine;
}
}  // namespace unwarp
#endif
