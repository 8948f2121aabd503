// Particles in a velocity field, for every processor of the architecture the extension is built for.
#include "follow.h"

namespace unwarp {
const FieldEngine& field_baseline() {
  static const FieldEngine engine{field_scratch, field_forward, field_backward};
  return engine;
}
}  // namespace unwarp
