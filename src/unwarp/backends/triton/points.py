"""Output pixels -> positions in input pixels, and back: the adjoint of each source of points.

Positions are tuples in x, y, z order. Products that must not be fused with the addition that follows are written as a
fused multiply-add of 0: a compiler may contract ``a * b + c``, and on the lattice the last bit decides which side of a
pixel a sample falls on.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.codes import BASIS, FAR, GRID, HORIZON


@triton.jit
def product(a, b):
    """``a * b``, rounded."""
    return tl.fma(a, b, tl.zeros_like(a))


@triton.jit
def quotient(a, b):
    """``a / b``, correctly rounded."""
    if a.dtype == tl.float32:
        return tl.div_rn(a, b)
    else:
        return a / b


@triton.jit
def centred(index, n, like):
    """Centred position of a pixel, in the dtype of ``like``."""
    return index.to(like.dtype) - (n - 1) * 0.5


@triton.jit
def plane_size(size, WIDE: tl.constexpr):
    """Pixels of a plane, as a 64-bit number where offsets need them."""
    one = tl.full([], 1, tl.int64) if WIDE else 1
    return one * size[0] * size[1] * size[2]


@triton.jit
def tile_pixels(tile, size, BR: tl.constexpr, BW: tl.constexpr, WIDE: tl.constexpr, D: tl.constexpr):
    """The pixels of one tile of ``BR`` rows of ``BW``: x, y, z, the number within the plane, and whether it exists."""
    lane = tl.arange(0, BR * BW)
    across = tl.cdiv(size[0], BW)
    x = (tile % across) * BW + lane % BW
    strip = tile // across
    row = (strip.to(tl.int64) if WIDE else strip) * BR + lane // BW
    y = row.to(tl.int32)
    z = y
    within = row < (size[1] if D > 1 else 1)
    if D > 2:
        y = (row % size[1]).to(tl.int32)
        z = (row // size[1]).to(tl.int32)
        within = z < size[2]
    return (x, y, z), row * size[0] + x, within & (x < size[0])


@triton.jit
def load_matrix(matrix, ROWS: tl.constexpr, D: tl.constexpr):
    """A matrix's entries as a tuple of scalars, row by row."""
    entries = ()
    for i in tl.static_range(ROWS * (D + 1)):
        entries = entries + (tl.load(matrix + i),)
    return entries


@triton.jit
def matrix_row(entries, row: tl.constexpr, points, D: tl.constexpr):
    """``m0 * x + m1 * y + ... + mD``: one row of the matrix times homogeneous points."""
    total = entries[row * (D + 1)] * points[0]
    for axis in tl.static_range(1, D):
        total = tl.fma(tl.zeros_like(points[axis]) + entries[row * (D + 1) + axis], points[axis], total)
    return total + entries[row * (D + 1) + D]


@triton.jit
def projected(numerator, denominator):
    """Perspective division; what is behind the horizon lies far outside of the image."""
    behind = denominator <= HORIZON
    if numerator.dtype == tl.float32:
        negative = numerator.to(tl.int32, bitcast=True) < 0
    else:
        negative = numerator.to(tl.int64, bitcast=True) < 0
    away = tl.where(negative, -FAR, FAR)
    return tl.where(behind, away.to(numerator.dtype), quotient(numerator, tl.where(behind, 1.0, denominator)))


@triton.jit
def centred_pixels(pixel, size_out, like, D: tl.constexpr):
    """Centred positions of the tile's pixels along each axis."""
    points = ()
    for axis in tl.static_range(D):
        points = points + (centred(pixel[axis], size_out[axis], like),)
    return points


@triton.jit
def displacements(theta, basis, number, valid, points, terms, D: tl.constexpr):
    """``coefficients @ basis`` for a tile of points, term after term; ``basis`` is (terms, points)."""
    zero = tl.zeros_like(number).to(theta.dtype.element_ty)
    total = ()
    for _ in tl.static_range(D):
        total = total + (zero,)
    for term in tl.range(0, terms, loop_unroll_factor=4):
        value = tl.load(basis + number, valid, 0.0)
        updated = ()
        for axis in tl.static_range(D):
            coefficient = zero + tl.load(theta + term * D + axis)
            updated = updated + (tl.fma(value, coefficient, total[axis]),)
        total = updated
        basis += points
    return total


@triton.jit
def mapped(entries, points, size_in, ROWS: tl.constexpr, D: tl.constexpr):
    """Where a matrix takes centred output pixels, in input pixels; and the denominators of a projective one."""
    positions = ()
    denominator = tl.zeros_like(points[0]) + 1.0
    if ROWS > D:
        denominator = matrix_row(entries, D, points, D)
    for axis in tl.static_range(D):
        position = matrix_row(entries, axis, points, D)
        if ROWS > D:
            position = projected(position, denominator)
        positions = positions + (position + (size_in[axis] - 1) * 0.5,)
    return positions, denominator


@triton.jit
def sampling_positions(
    theta,
    basis,
    pixel,
    number,
    valid,
    size_in,
    size_out,
    factors,
    remainders,
    terms,
    OP: tl.constexpr,
    ROWS: tl.constexpr,
    WIDE: tl.constexpr,
    D: tl.constexpr,
):
    """Where each output pixel of a tile is sampled, in input pixels; and the denominators of a projective map.

    Args:
        theta: pointer to this warp's grid, matrix or coefficients.
        factors, remainders: the scale of a grid or the ratio of a basis, as float32 and what float32 leaves out.
    """
    like = tl.zeros([1], theta.dtype.element_ty)
    positions = ()
    denominator = like
    if OP == GRID:
        for axis in tl.static_range(D):
            given = tl.load(theta + number * D + axis, valid, 0.0)
            factor = tl.zeros_like(given) + factors[axis] + remainders[axis]
            positions = positions + (product(given, factor) + (size_in[axis] - 1) * 0.5,)
    elif OP == BASIS:
        points = centred_pixels(pixel, size_out, like, D)
        moved = displacements(theta, basis, number, valid, plane_size(size_out, WIDE), terms, D)
        for axis in tl.static_range(D):
            factor = tl.zeros_like(points[axis]) + factors[axis] + remainders[axis]
            positions = positions + (product(points[axis], factor) + moved[axis] + (size_in[axis] - 1) * 0.5,)
    else:
        points = centred_pixels(pixel, size_out, like, D)
        positions, denominator = mapped(load_matrix(theta, ROWS, D), points, size_in, ROWS, D)
    return positions, denominator


@triton.jit
def store_grid_gradient(out, gradient, number, valid, factors, remainders, D: tl.constexpr):
    """Each sample's own gradient, in the units of the grid."""
    for axis in tl.static_range(D):
        factor = tl.zeros_like(gradient[axis]) + factors[axis] + remainders[axis]
        tl.store(out + number * D + axis, gradient[axis] * factor, valid)


@triton.jit
def store_matrix_gradient(
    out,
    gradient,
    positions,
    denominator,
    pixel,
    valid,
    size_in,
    size_out,
    ROWS: tl.constexpr,
    D: tl.constexpr,
):
    """A tile's part of the matrix's gradient: sums of the gradient times homogeneous output points."""
    points = centred_pixels(pixel, size_out, gradient[0], D)
    rows = gradient
    if ROWS > D:
        ahead = (denominator <= HORIZON) == 0
        safe = tl.where(ahead, denominator, 1.0)
        rows = ()
        last = tl.zeros_like(denominator)
        for axis in tl.static_range(D):
            row = tl.where(ahead & valid, gradient[axis] / safe, 0.0)
            last -= tl.where(ahead & valid, row * (positions[axis] - (size_in[axis] - 1) * 0.5), 0.0)
            rows = rows + (row,)
        rows = rows + (last,)
    for row in tl.static_range(ROWS):
        for axis in tl.static_range(D):
            tl.store(out + row * (D + 1) + axis, tl.sum(tl.where(valid, rows[row] * points[axis], 0.0), 0))
        tl.store(out + row * (D + 1) + D, tl.sum(rows[row], 0))


@triton.jit
def store_basis_gradient(out, gradient, basis, number, valid, points, terms, BK: tl.constexpr, D: tl.constexpr):
    """A tile's part of the coefficients' gradient: ``basis @ gradient``, ``BK`` terms at a time."""
    for first in range(0, terms, BK):
        term = first + tl.arange(0, BK)
        here = term < terms
        where = term.to(number.dtype)[None, :] * points + number[:, None]
        part = tl.load(basis + where, valid[:, None] & here[None, :], 0.0)
        for axis in tl.static_range(D):
            total = tl.sum(part * gradient[axis][:, None], 0)
            tl.store(out + term * D + axis, total, here)
