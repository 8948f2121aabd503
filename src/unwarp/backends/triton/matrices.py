"""What a matrix does to the output as a whole: how large its sums get, and on which side of the horizon they lie."""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

LARGEST_SUM = tl.constexpr(1e37)
"""From here on sums may overflow, and no bound holds."""

ROUNDING = tl.constexpr(2e-6)
"""More than what rounding makes of a sum of a few terms, as a part of the sum of their magnitudes."""


@triton.jit
def magnitude(entries, row: tl.constexpr, size_out, D: tl.constexpr):
    """What one row of the matrix times a point of the output amounts to at most."""
    total = tl.abs(entries[row * (D + 1) + D])
    for axis in tl.static_range(D):
        total += tl.abs(entries[row * (D + 1) + axis]) * (size_out[axis] * 0.5)
    return total


@triton.jit
def smallest_denominator(entries, size_out, D: tl.constexpr):
    """Over the whole output, less what rounding may take; and the largest magnitude of its sum."""
    largest = magnitude(entries, D, size_out, D)
    last = entries[D * (D + 1) + D]
    return last - (largest - tl.abs(last)) - ROUNDING * largest, largest


@triton.jit
def largest_denominator(entries, size_out, D: tl.constexpr):
    """Over the whole output, and what rounding may add."""
    largest = magnitude(entries, D, size_out, D)
    last = entries[D * (D + 1) + D]
    return last + (largest - tl.abs(last)) + ROUNDING * largest


@triton.jit
def largest_sum(entries, size_out, ROWS: tl.constexpr, D: tl.constexpr):
    """What any row times a point of the output amounts to at most; NaN where an entry is."""
    largest = magnitude(entries, 0, size_out, D)
    for row in tl.static_range(1, ROWS):
        largest = tl.maximum(largest, magnitude(entries, row, size_out, D), propagate_nan=tl.PropagateNan.ALL)
    return largest


@triton.jit
def largest_entry(entries, COUNT: tl.constexpr):
    """The largest magnitude of an entry; NaN where there is one."""
    largest = tl.abs(entries[0])
    for i in tl.static_range(1, COUNT):
        largest = tl.maximum(largest, tl.abs(entries[i]), propagate_nan=tl.PropagateNan.ALL)
    return largest
