"""The image's gradient under an affine map, without atomics: each input pixel collects from the samples that read it.

Those are the output pixels p with ``abs(M p - q) < support`` along every axis. Rows of the output are bounded by the
inverse map; within a row each axis leaves an interval of columns. Both are widened by more than rounding can amount to,
since the weights, computed as in the forward pass, decide.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.channels import channel_lanes, channel_offset, column, existing, pixel_offset
from unwarp.backends.triton.codes import CUBIC, FILL, NEAREST
from unwarp.backends.triton.points import load_matrix, matrix_row, tile_pixels
from unwarp.backends.triton.taps import inside_axis, weight_at

SINGULAR = tl.constexpr(1e-9)
"""A determinant below this part of its largest possible value is taken for 0: every row is searched."""


@triton.jit
def reaches(entries, size_in, size_out, KERNEL: tl.constexpr, D: tl.constexpr):
    """Per axis, how far (input pixels) from a pixel a sample may fall and still read it, rounding included."""
    support: tl.constexpr = 0.5 if KERNEL == NEAREST else (2.0 if KERNEL == CUBIC else 1.0)
    result = ()
    for row in tl.static_range(D):
        magnitude = tl.abs(entries[row * (D + 1) + D]) + size_in[row]
        for axis in tl.static_range(D):
            magnitude += tl.abs(entries[row * (D + 1) + axis]) * (size_out[axis] * 0.5)
        result = result + (support + 0.01 + 1e-6 * magnitude,)
    return result


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
def row_range(row, determinant, largest, offsets, reach, n, D: tl.constexpr):
    """First and last output row (or slice) whose samples can read each pixel; empty where first > last.

    Args:
        row: of the adjugate.
        offsets: per axis, from the image of the output's centre to the pixel.
        n: rows of the output.
    """
    singular = tl.abs(determinant) <= SINGULAR * largest
    inverse = 1.0 / tl.where(singular, 1.0, determinant)
    middle = tl.zeros_like(offsets[0])
    extent = tl.where(singular, 1e30, 0.0)
    for axis in tl.static_range(D):
        factor = row[axis] * inverse
        middle += tl.where(singular, 0.0, factor).to(middle.dtype) * offsets[axis]
        extent += tl.abs(factor) * reach[axis]
    extent = tl.minimum(extent, 1e30).to(middle.dtype)
    return between(middle - extent, middle + extent, n)


@triton.jit
def between(low, high, n):
    """First and last pixel of an axis of ``n`` within centred bounds."""
    half = (n - 1) * 0.5
    first = tl.ceil(tl.minimum(tl.maximum(low + half, 0.0), n * 1.0))
    last = tl.floor(tl.maximum(tl.minimum(high + half, (n - 1) * 1.0), -1.0))
    return first.to(tl.int32), last.to(tl.int32)


@triton.jit
def column_range(entries, rest, pixel, reach, n, D: tl.constexpr):
    """First and last column, in one row of the output, whose samples can read each pixel.

    Args:
        rest: per axis, position at the centre of the row.
    """
    low = tl.full(rest[0].shape, -1e30, rest[0].dtype)
    high = tl.full(rest[0].shape, 1e30, rest[0].dtype)
    for axis in tl.static_range(D):
        step = entries[axis * (D + 1)]
        inverse = 1.0 / tl.where(tl.abs(step) < 1e-30, 1e-30, step)
        middle = (pixel[axis] - rest[axis]) * inverse
        extent = reach[axis] * tl.abs(inverse)
        low = tl.maximum(low, middle - extent)
        high = tl.minimum(high, middle + extent)
    return between(low, high, n)


@triton.jit
def sample_weight(
    entries,
    points,
    pixel,
    size_in,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    D: tl.constexpr,
):
    """The weight with which the samples of output ``points`` read input ``pixel``."""
    weight = tl.zeros_like(points[0]) + 1.0
    for axis in tl.static_range(D):
        position = matrix_row(entries, axis, points, D) + (size_in[axis] - 1) * 0.5
        weight *= weight_at(pixel[axis], position, size_in[axis], KERNEL, A, PADDING)
        if PADDING == FILL:
            weight = tl.where(inside_axis(position, size_in[axis], ALIGNED), weight, 0.0)
    return weight


@triton.jit
def finite(entries, like, COUNT: tl.constexpr):
    """Whether all entries of the matrix are finite, in the shape of ``like``."""
    result = like == like
    for i in tl.static_range(COUNT):
        result = result & (tl.abs(tl.zeros_like(like) + entries[i]) < float("inf"))
    return result


@triton.jit
def row_ranges(entries, offsets, reach, like, height, depth, D: tl.constexpr):
    """First and last row, first and last slice of the output to search for each pixel."""
    y_first = tl.zeros_like(like)
    y_last = y_first
    z_first = y_first
    z_last = y_first
    if D > 1:
        rows, determinant, largest = adjugate(entries, D)
        y_first, y_last = row_range(rows[0], determinant, largest, offsets, reach, height, D)
        if D > 2:
            z_first, z_last = row_range(rows[1], determinant, largest, offsets, reach, depth, D)
    return y_first, y_last, z_first, z_last


@triton.jit
def as_floats(index, dtype, D: tl.constexpr):
    """Pixel numbers along each axis in the dtype of positions."""
    result = ()
    for axis in tl.static_range(D):
        result = result + (index[axis].to(dtype),)
    return result


@triton.jit
def from_the_image_of_the_centre(entries, pixel, size_in, D: tl.constexpr):
    """Per axis, how far each pixel lies from where the output's centre is sampled."""
    result = ()
    for axis in tl.static_range(D):
        result = result + (pixel[axis] - (size_in[axis] - 1) * 0.5 - entries[axis * (D + 1) + D],)
    return result


@triton.jit
def row_positions(entries, centre, size_in, D: tl.constexpr):
    """Where the centre of a row of the output is sampled, in input pixels."""
    result = ()
    for axis in tl.static_range(D):
        result = result + (matrix_row(entries, axis, centre, D) + (size_in[axis] - 1) * 0.5,)
    return result


@triton.jit
def collect(
    total,
    upstream,
    where,
    weight,
    used,
    first,
    channels,
    plane,
    LAST: tl.constexpr,
    WIDE: tl.constexpr,
    BC: tl.constexpr,
    UNROLL: tl.constexpr,
):
    """Add one sample's weighted gradient for each pixel, in all channels of the program."""
    result = ()
    for u in tl.static_range(UNROLL):
        channel = channel_lanes(first + u * BC, BC, LAST)
        offset = channel_offset(channel, plane, LAST, WIDE) + pixel_offset(where, channels, LAST, WIDE)
        given = tl.load(upstream + offset, existing(used, channel, channels, LAST), 0.0).to(weight.dtype)
        scaled = tl.broadcast_to(column(tl.where(used, weight, 0.0), LAST), given.shape)
        result = result + (tl.fma(given, scaled, total[u]),)
    return result


@triton.jit
def gather_kernel(
    grad,
    matrices,
    grad_image,
    warps_an_image,
    channels,
    groups,
    tiles,
    in_w,
    in_h,
    in_d,
    out_w,
    out_h,
    out_d,
    D: tl.constexpr,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    LAST: tl.constexpr,
    WIDE: tl.constexpr,
    BR: tl.constexpr,
    BW: tl.constexpr,
    BC: tl.constexpr,
    UNROLL: tl.constexpr,
):
    """Program: (tile of input pixels, ``BC * UNROLL`` channels, image), tiles fastest."""
    ROWS: tl.constexpr = D * (D + 1)
    size_in = (in_w, in_h, in_d)
    size_out = (out_w, out_h, out_d)
    pid = tl.program_id(0)
    tile = pid % tiles
    first = (pid // tiles) % groups * (BC * UNROLL)
    source = (pid // tiles // groups).to(tl.int64)
    index, number, valid = tile_pixels(tile, size_in, BR, BW, D)
    if WIDE:
        number = number.to(tl.int64)
    pixel = as_floats(index, matrices.dtype.element_ty, D)
    in_plane = in_w * in_h * in_d
    out_plane = out_w * out_h * out_d
    total = ()
    for _ in tl.static_range(UNROLL):
        total = total + (tl.zeros([BR * BW, BC] if LAST else [BR * BW], matrices.dtype.element_ty),)

    for turn in range(warps_an_image):
        warp = source * warps_an_image + turn
        entries = load_matrix(matrices + warp * ROWS, D, D)
        upstream = grad + warp * channels * out_plane
        reach = reaches(entries, size_in, size_out, KERNEL, D)
        searched = valid & finite(entries, pixel[0], ROWS)  # no sample reads anything where the matrix is not finite
        offsets = from_the_image_of_the_centre(entries, pixel, size_in, D)
        y_first, y_last, z_first, z_last = row_ranges(entries, offsets, reach, index[0], out_h, out_d, D)
        slices = tl.max(tl.where(searched, z_last - z_first + 1, 0), 0)
        lines = tl.max(tl.where(searched, y_last - y_first + 1, 0), 0)
        for slice in range(slices):
            for line in range(lines):
                y = y_first + line
                z = z_first + slice
                on_row = searched & (y <= y_last) & (z <= z_last)
                points_y = y.to(pixel[0].dtype) - (out_h - 1) * 0.5
                points_z = z.to(pixel[0].dtype) - (out_d - 1) * 0.5
                centre = (tl.zeros_like(points_y), points_y, points_z)
                rest = row_positions(entries, centre, size_in, D)
                x_first, x_last = column_range(entries, rest, pixel, reach, out_w, D)
                steps = tl.max(tl.where(on_row, x_last - x_first + 1, 0), 0)
                for step in range(steps):
                    x = x_first + step
                    points_x = x.to(pixel[0].dtype) - (out_w - 1) * 0.5
                    points = (points_x, points_y, points_z)
                    weight = sample_weight(entries, points, pixel, size_in, KERNEL, A, PADDING, ALIGNED, D)
                    used = on_row & (x <= x_last) & (weight != 0.0)
                    slice_start = z.to(number.dtype) * out_h
                    where = (slice_start + y) * out_w + x
                    total = collect(
                        total, upstream, where, weight, used, first, channels, out_plane, LAST, WIDE, BC, UNROLL
                    )

    target = grad_image + source * channels * in_plane
    for u in tl.static_range(UNROLL):
        channel = channel_lanes(first + u * BC, BC, LAST)
        offset = channel_offset(channel, in_plane, LAST, WIDE) + pixel_offset(number, channels, LAST, WIDE)
        tl.store(target + offset, total[u], existing(valid, channel, channels, LAST))
