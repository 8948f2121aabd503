// Which instruction set runs: the processor decides, the environment variable UNWARP_CPU may overrule it.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "problem.h"

namespace unwarp {
namespace {

#ifdef UNWARP_X86
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

const Engine& choose() {
  const char* asked = std::getenv("UNWARP_CPU");
  bool any = asked == nullptr || *asked == '\0';
#ifdef UNWARP_X86
  if (has_avx512() && (any || std::strcmp(asked, "avx512") == 0)) return avx512_engine();
  if (has_avx2() && (any || std::strcmp(asked, "avx2") == 0)) return avx2_engine();
#endif
  if (any || std::strcmp(asked, "baseline") == 0) return baseline_engine();
  throw std::runtime_error(std::string("UNWARP_CPU: expected avx512, avx2 or baseline, supported by this processor; got ") + asked);
}

}  // namespace

const Engine& engine() {
  static const Engine& chosen = choose();
  return chosen;
}

}  // namespace unwarp
