// The engine for x86 processors with AVX2, FMA and F16C. Compiled with these instructions.
#ifdef UNWARP_X86
#define UNWARP_WIDE
#include "dispatch.h"

namespace unwarp {
const Engine& avx2_engine() {
  static const Engine engine{"avx2", forward_items, forward, backward};
  return engine;
}
}  // namespace unwarp
#endif
