// Anti-aliased sampling for every processor of the architecture the extension is built for.
#include "antialias_adjoint.h"
#include "antialias_run.h"

namespace unwarp {
const AntialiasEngine& antialias_baseline() {
  static const AntialiasEngine engine{antialias, antialias_points_backward, antialias_image_backward, image_block};
  return engine;
}
}  // namespace unwarp
