"""A pixel's walk over the output pixels in its footprint: slices, rows, columns, and what each of them adds."""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.channels import channel_lanes, channel_offset, column, existing, pixel_offset
from unwarp.backends.triton.codes import CIRCULAR, FILL, REFLECTION
from unwarp.backends.triton.footprint import (
    at,
    axis_range,
    column_range,
    half_spaces,
    middle_and_half,
    row_ranges,
)
from unwarp.backends.triton.outside import weight_of_image
from unwarp.backends.triton.points import mapped, plane_size
from unwarp.backends.triton.taps import inside_axis, weight_at


@triton.jit
def sample_weight(
    entries,
    points,
    target,
    size_in,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    ROWS: tl.constexpr,
    D: tl.constexpr,
):
    """The weight with which the samples of output ``points`` read input pixels, or one image of each."""
    weight = tl.zeros_like(points[0]) + 1.0
    positions, _ = mapped(entries, points, size_in, ROWS, D)
    for axis in tl.static_range(D):
        position = positions[axis]
        if PADDING == REFLECTION or PADDING == CIRCULAR:
            weight *= weight_of_image(target[axis], position, KERNEL, A)
        else:
            weight *= weight_at(target[axis], position, size_in[axis], KERNEL, A, PADDING)
        if PADDING == FILL:
            weight = tl.where(inside_axis(position, size_in[axis], ALIGNED), weight, 0.0)
    return weight


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
def slices(entries, low, high, none, size_out, ROWS: tl.constexpr, D: tl.constexpr):
    """What bounds each box, first and last row, first and last slice of the output.

    What bounds it is for an affine map its middle and half of it, for a projective one the conditions, and their
    constants.
    """
    y_first, y_last, z_first, z_last = none, none, none, none
    if ROWS == D:
        shape, bounds = middle_and_half(low, high, D)
        y_first, y_last, z_first, z_last = row_ranges(entries, shape, bounds, none, size_out[1], size_out[2], D)
    else:
        shape = half_spaces(entries, low, high, size_out, D)
        bounds = shape[D]
        if D > 2:
            z_first, z_last = axis_range(shape, bounds, size_out, 2, 2 * D + 1)
    return shape, bounds, y_first, y_last, z_first, z_last


@triton.jit
def rows(shape, bounds, y_first, y_last, z, size_out, ROWS: tl.constexpr, D: tl.constexpr):
    """The constants of the conditions in one slice, and its first and last row; an affine map's are known."""
    if ROWS == D or D == 1:
        return bounds, y_first, y_last
    else:
        within = at(shape, bounds, 2, z, 2 * D + 1) if D > 2 else bounds
        y_first, y_last = axis_range(shape, within, size_out, 1, 2 * D + 1)
        return within, y_first, y_last


@triton.jit
def columns(entries, shape, bounds, y, z, size_out, ROWS: tl.constexpr, D: tl.constexpr):
    """First and last column in one row."""
    if ROWS == D:
        return column_range(entries, (y, z), shape, bounds, size_out[0], D)
    else:
        on_row = at(shape, bounds, 1, y, 2 * D + 1) if D > 1 else bounds
        return axis_range(shape, on_row, size_out, 0, 2 * D + 1)


@triton.jit
def or_all(whole, first, last, n):
    """All of ``n``, where the whole output is searched."""
    return tl.where(whole, 0, first), tl.where(whole, n - 1, last)


@triton.jit
def search(
    total,
    upstream,
    entries,
    target,
    low,
    high,
    searched,
    whole,
    split_row,
    split_column,
    size_in,
    size_out,
    first,
    channels,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    ROWS: tl.constexpr,
    D: tl.constexpr,
    LAST: tl.constexpr,
    WIDE: tl.constexpr,
    BC: tl.constexpr,
    UNROLL: tl.constexpr,
    SR: tl.constexpr,
    SC: tl.constexpr,
):
    """Add what the output pixels that fall in each box give to ``target``, or of the ``whole`` output."""
    out_w, out_h, out_d = size_out[0], size_out[1], size_out[2]
    like = low[0]
    shape, bounds, y_first, y_last, z_first, z_last = slices(entries, low, high, split_row * 0, size_out, ROWS, D)
    z_first, z_last = or_all(whole, z_first, z_last, out_d)
    for slice in range(tl.max(tl.where(searched, z_last - z_first + 1, 0), 0)):
        z = z_first + slice
        points_z = z.to(like.dtype) - (out_d - 1) * 0.5
        within, y_first, y_last = rows(shape, bounds, y_first, y_last, points_z, size_out, ROWS, D)
        y_first, y_last = or_all(whole, y_first, y_last, out_h)
        in_slice = searched & (z <= z_last)
        for line in range(tl.max(tl.where(in_slice, y_last - y_first + SR, 0), 0) // SR):
            y = y_first + line * SR + split_row
            points_y = y.to(like.dtype) - (out_h - 1) * 0.5
            x_first, x_last = columns(entries, shape, within, points_y, points_z, size_out, ROWS, D)
            x_first, x_last = or_all(whole, x_first, x_last, out_w)
            on_row = in_slice & (y <= y_last)
            for step in range(tl.max(tl.where(on_row, x_last - x_first + SC, 0), 0) // SC):
                x = x_first + step * SC + split_column
                points = (x.to(like.dtype) - (out_w - 1) * 0.5, points_y, points_z)
                weight = sample_weight(entries, points, target, size_in, KERNEL, A, PADDING, ALIGNED, ROWS, D)
                used = on_row & (x <= x_last) & (weight != 0.0)
                slice_start = (z.to(tl.int64) if WIDE else z) * out_h
                where = (slice_start + y) * out_w + x
                plane = plane_size(size_out, WIDE)
                total = collect(total, upstream, where, weight, used, first, channels, plane, LAST, WIDE, BC, UNROLL)
    return total
