// The engine for every processor of the architecture the extension is built for.
#define UNWARP_WIDE
#include "dispatch.h"

namespace unwarp {
const Engine& baseline_engine() {
  static const Engine engine{"baseline", forward_items, forward, backward};
  return engine;
}
}  // namespace unwarp
