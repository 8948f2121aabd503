// Particles in a velocity field, for x86 processors with AVX2 and FMA. Compiled with these instructions.
#ifdef UNWARP_X86
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "Compile with the instructions of AVX2: see INSTRUCTIONS in setup.py."
#endif
#include "follow.h"

namespace unwarp {
const FieldEngine& field_avx2() {
  static const FieldEngine engine{field_scratch, field_forward, field_backward};
  return engine;
}
}  // namespace unwarp
#endif
