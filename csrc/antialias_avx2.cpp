// Anti-aliased sampling for x86 processors with AVX2, FMA and F16C. Compiled with these instructions.
#ifdef UNWARP_X86
#include "antialias_run.h"

namespace unwarp {
void antialias_avx2(const Antialias& p, int64_t begin, int64_t end) { antialias(p, begin, end); }
}  // namespace unwarp
#endif
