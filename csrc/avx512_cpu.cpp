// The engine for x86 processors with AVX-512 (F, BW, DQ, VL). Compiled with these instructions. float64 is left to the
// AVX2 engine: its loops are bound by loads, and would only double what has to be compiled.
#ifdef UNWARP_X86
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "Compile with the instructions of AVX-512: see INSTRUCTIONS in setup.py."
#endif
#include "dispatch.h"

namespace unwarp {
namespace {
int64_t items(const Problem& p) { return p.wide ? avx2_engine().forward_items(p) : forward_items(p); }
void run_forward(const Problem& p, int64_t begin, int64_t end) {
  p.wide ? avx2_engine().forward(p, begin, end) : forward(p, begin, end);
}
void run_backward(const Problem& p, int64_t begin, int64_t end) {
  p.wide ? avx2_engine().backward(p, begin, end) : backward(p, begin, end);
}
}  // namespace

const Engine& avx512_engine() {
  static const Engine engine{"avx512", items, run_forward, run_backward};
  return engine;
}
}  // namespace unwarp
#endif
