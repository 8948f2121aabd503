// Large pages for large results.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace unwarp {

// Ask the system to back a large block, before it is first written, with pages of megabytes instead of kilobytes: there
// are then fewer to map and to look up. NumPy does the same from the same size. A refusal is no error.
inline void prefer_huge_pages(void* block, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr size_t least = size_t{4} << 20;
  if (bytes < least) return;
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));  // not 4096 on every aarch64
  const auto begin = reinterpret_cast<uintptr_t>(block);
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + bytes) / page * page;
  madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)block, (void)bytes;
#endif
}

}  // namespace unwarp
