"""Which output pixels may read an input pixel: rows of the output, and columns within a row, to be searched.

A sample p reads a pixel where its position lies within a box about it. Under an affine map the inverse bounds the rows
of such p, and within a row each axis leaves an interval of columns. Under a projective map the box is a pair of
half-spaces an axis, ``N(p) - low w(p) >= 0`` and ``high w(p) - N(p) >= 0`` with ``w(p) > 0``: their intersection is
convex, whether or not the box crosses the horizon, and eliminating one axis from two of them bounds the others.

Everything is widened by more than rounding can amount to: weights, computed as in the forward pass, decide.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.codes import CUBIC, NEAREST
from unwarp.backends.triton.matrices import ROUNDING, magnitude
from unwarp.backends.triton.points import matrix_row

SINGULAR = tl.constexpr(1e-9)
"""A determinant below this part of its largest possible value is taken for 0: every row is searched."""


@triton.jit
def support(KERNEL: tl.constexpr):
    """How far (input pixels) from a pixel a sample may fall and still read it, and a margin."""
    if KERNEL == NEAREST:
        return 0.51
    else:
        return 2.01 if KERNEL == CUBIC else 1.01


@triton.jit
def reaches(entries, size_in, size_out, KERNEL: tl.constexpr, D: tl.constexpr):
    """Per axis, how far (input pixels) from a pixel a sample may fall and still read it, rounding included."""
    result = ()
    for row in tl.static_range(D):
        result = result + (support(KERNEL) + 1e-6 * (magnitude(entries, row, size_out, D) + size_in[row]),)
    return result


@triton.jit
def middle_and_half(low, high, D: tl.constexpr):
    """Per axis, the middle of the box and half of it."""
    middle = ()
    half = ()
    for axis in tl.static_range(D):
        middle = middle + ((low[axis] + high[axis]) * 0.5,)
        half = half + ((high[axis] - low[axis]) * 0.5,)
    return middle, half


@triton.jit
def adjugate(m, D: tl.constexpr):
    """Rows y (and z) of the adjugate of the linear part, the determinant, and the largest value it could have."""
    if D == 2:
        a, b, c, d = m[0].to(tl.float64), m[1].to(tl.float64), m[3].to(tl.float64), m[4].to(tl.float64)
        return ((-c, a),), a * d - b * c, tl.abs(a * d) + tl.abs(b * c)
    else:
        a, b, c = m[0].to(tl.float64), m[1].to(tl.float64), m[2].to(tl.float64)
        d, e, f = m[4].to(tl.float64), m[5].to(tl.float64), m[6].to(tl.float64)
        g, h, i = m[8].to(tl.float64), m[9].to(tl.float64), m[10].to(tl.float64)
        y = (f * g - d * i, a * i - c * g, c * d - a * f)
        z = (d * h - e * g, b * g - a * h, a * e - b * d)
        largest = tl.abs(a * e * i) + tl.abs(b * f * g) + tl.abs(c * d * h)
        largest += tl.abs(c * e * g) + tl.abs(b * d * i) + tl.abs(a * f * h)
        return (y, z), c * z[0] + f * z[1] + i * z[2], largest


@triton.jit
def row_range(entries, row, determinant, largest, middle, half, n, D: tl.constexpr):
    """First and last output row (or slice) whose samples can fall in each box; empty where first > last.

    Args:
        row: of the adjugate.
        middle, half: per axis, the middle of the box (centred) and half of it.
        n: rows of the output.
    """
    singular = tl.abs(determinant) <= SINGULAR * largest + 1e-36
    inverse = 1.0 / tl.where(singular, 1.0, determinant)
    found = tl.zeros_like(middle[0])
    extent = tl.zeros_like(middle[0]) + tl.where(singular, 1e30, 0.0).to(found.dtype)
    for axis in tl.static_range(D):
        factor = tl.where(singular, 0.0, row[axis] * inverse).to(found.dtype)
        found += factor * (middle[axis] - entries[axis * (D + 1) + D])
        extent += tl.abs(factor) * half[axis]
    extent = tl.minimum(extent, 1e30)
    return between(found - extent, found + extent, n)


@triton.jit
def between(low, high, n):
    """First and last pixel of an axis of ``n`` within centred bounds."""
    half = (n - 1) * 0.5
    first = tl.ceil(tl.minimum(tl.maximum(low + half, 0.0), n * 1.0))
    last = tl.floor(tl.maximum(tl.minimum(high + half, (n - 1) * 1.0), -1.0))
    return first.to(tl.int32), last.to(tl.int32)


@triton.jit
def column_range(entries, row, middle, half, n, D: tl.constexpr):
    """First and last column, in one row of the output, whose samples can fall in each box of an affine map.

    Args:
        row: y and z of the row's centre.
        middle, half: per axis, the middle of the box (centred) and half of it.
    """
    low = tl.full(row[0].shape, -1e30, row[0].dtype)
    high = tl.full(row[0].shape, 1e30, row[0].dtype)
    centre = (tl.zeros_like(row[0]), row[0], row[1])
    for axis in tl.static_range(D):
        step = entries[axis * (D + 1)]
        inverse = 1.0 / tl.where(tl.abs(step) < 1e-30, 1e-30, step)
        offset = (middle[axis] - matrix_row(entries, axis, centre, D)) * inverse
        extent = half[axis] * tl.abs(inverse)
        low = tl.maximum(low, offset - extent)
        high = tl.minimum(high, offset + extent)
    return between(low, high, n)


@triton.jit
def row_ranges(entries, middle, half, like, height, depth, D: tl.constexpr):
    """First and last row, first and last slice of the output to search for each box of an affine map."""
    y_first = tl.zeros_like(like)
    y_last = y_first
    z_first = y_first
    z_last = y_first
    if D > 1:
        rows, determinant, largest = adjugate(entries, D)
        y_first, y_last = row_range(entries, rows[0], determinant, largest, middle, half, height, D)
        if D > 2:
            z_first, z_last = row_range(entries, rows[1], determinant, largest, middle, half, depth, D)
    return y_first, y_last, z_first, z_last


@triton.jit
def half_spaces(entries, low, high, size_out, D: tl.constexpr):
    """The ``2 D + 1`` conditions that a sample of a projective map falls in each box, and ahead of the horizon.

    ``terms[0][i] x + terms[1][i] y + ... + constants[i] >= 0`` for centred output points, each in units of the sum of
    its magnitudes, so that rounding is a part of 1. A bound far outside makes a condition that always holds.

    Args:
        low, high: per axis, the box (centred input pixels).
    """
    unit = 1.0 / tl.maximum(magnitude(entries, D, size_out, D), 1e-30)
    last = ()
    for column in tl.static_range(D + 1):
        last = last + (entries[D * (D + 1) + column] * unit,)
    factors = ()
    for axis in tl.static_range(D):
        own = magnitude(entries, axis, size_out, D) * unit
        factors = factors + (1.0 / (own + tl.abs(low[axis])), 1.0 / (own + tl.abs(high[axis])))
    terms = ()
    for column in tl.static_range(D + 1):
        one_column = ()
        for axis in tl.static_range(D):
            entry = entries[axis * (D + 1) + column] * unit
            one_column = one_column + (
                (entry - low[axis] * last[column]) * factors[2 * axis],
                (high[axis] * last[column] - entry) * factors[2 * axis + 1],
            )
        terms = terms + (one_column + (tl.zeros_like(low[0]) + last[column],),)
    return terms


@triton.jit
def at(terms, constants, axis: tl.constexpr, point, COUNT: tl.constexpr):
    """The conditions' constants where one axis has a value."""
    result = ()
    for i in tl.static_range(COUNT):
        result = result + (constants[i] + terms[axis][i] * point,)
    return result


@triton.jit
def narrowed(low, high, slope, rest, counts):
    """The interval in which ``slope * v + rest >= 0`` as well, where the condition counts."""
    flat = slope == 0.0
    limit = -rest / tl.where(flat, 1.0, slope)
    low = tl.where(counts & (slope > 0.0), tl.maximum(low, limit), low)
    high = tl.where(counts & (slope < 0.0), tl.minimum(high, limit), high)
    return low, tl.where(counts & flat & (rest < 0.0), -1e30, high)


@triton.jit
def axis_range(terms, constants, size_out, AXIS: tl.constexpr, COUNT: tl.constexpr):
    """First and last pixel of an output axis, given the axes after it, for which the conditions can hold.

    Axes before it are eliminated: from one condition by their most favourable value, from two in which an axis counts
    in opposite directions by the sum of both.
    """
    low = tl.full(constants[0].shape, -1e30, constants[0].dtype)
    high = tl.full(constants[0].shape, 1e30, constants[0].dtype)
    always = low == low
    for i in tl.static_range(COUNT):
        rest = constants[i] + ROUNDING
        for axis in tl.static_range(AXIS):
            rest += tl.abs(terms[axis][i]) * (size_out[axis] * 0.5)
        low, high = narrowed(low, high, terms[AXIS][i], rest, always)
    for gone in tl.static_range(AXIS):
        for i in tl.static_range(COUNT):
            for j in tl.static_range(i):
                a = tl.abs(terms[gone][j])
                b = tl.abs(terms[gone][i])
                opposite = terms[gone][i] * terms[gone][j] < 0.0
                rest = a * (constants[i] + ROUNDING) + b * (constants[j] + ROUNDING)
                for axis in tl.static_range(AXIS):
                    if axis != gone:
                        rest += tl.abs(a * terms[axis][i] + b * terms[axis][j]) * (size_out[axis] * 0.5)
                low, high = narrowed(low, high, a * terms[AXIS][i] + b * terms[AXIS][j], rest, opposite)
    return between(low, high, size_out[AXIS])
