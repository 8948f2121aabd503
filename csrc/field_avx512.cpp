// Particles in a velocity field, for x86 processors with AVX-512 (F, BW, DQ, VL). Compiled with these instructions.
#ifdef UNWARP_X86
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "Compile with the instructions of AVX-512: see INSTRUCTIONS in setup.py."
#endif
#include "follow.h"

namespace unwarp {
const FieldEngine& field_avx512() {
  static const FieldEngine engine{field_scratch, field_forward, field_backward};
  return engine;
}
}  // namespace unwarp
#endif
