// The engine for x86 processors with AVX2, FMA and F16C. Compiled with these instructions.
#ifdef UNWARP_X86
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "Compile with the instructions of AVX2: see INSTRUCTIONS in setup.py."
#endif
#define UNWARP_WIDE
#include "dispatch.h"

namespace unwarp {
const Engine& avx2_engine() {
  static const Engine engine{"avx2", forward_items, forward, backward};
  return engine;
}
}  // namespace unwarp
#endif
