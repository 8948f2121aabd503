// Anti-aliased sampling for every processor of the architecture the extension is built for.
#include "antialias_run.h"

namespace unwarp {
void antialias_baseline(const Antialias& p, int64_t begin, int64_t end) { antialias(p, begin, end); }
}  // namespace unwarp
