"""Numbers by which the ops name kernels, paddings and sources of points: those of the native ops' schemas."""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton.language as tl

NEAREST = tl.constexpr(0)
LINEAR = tl.constexpr(1)
CUBIC = tl.constexpr(2)

ZEROS = tl.constexpr(0)
BORDER = tl.constexpr(1)
REFLECTION = tl.constexpr(2)
CIRCULAR = tl.constexpr(3)
FILL = tl.constexpr(4)

GRID = tl.constexpr(0)
MATRIX = tl.constexpr(1)
BASIS = tl.constexpr(2)

LARGEST = tl.constexpr(2.0**30)
"""`unwarp.padding.LARGEST_POSITION`."""

FAR = tl.constexpr(2.0**29)
"""`unwarp.coordinates.FAR_PIXELS`."""

HORIZON = tl.constexpr(1e-6)
"""`unwarp.coordinates.HORIZON`."""
