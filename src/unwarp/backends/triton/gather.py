"""The image's gradient under a matrix, without atomics: each input pixel collects from the samples that read it.

Each pixel searches the output pixels in its `footprint`; what stands for more than itself searches for all of it, see
`outside`. Under border padding the pixels at an edge, whose footprints have no bound of their own, are collected by a
launch of the same kernel in which several lanes share a pixel.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.channels import channel_lanes, channel_offset, existing, pixel_offset
from unwarp.backends.triton.codes import BORDER, CIRCULAR, HORIZON, REFLECTION
from unwarp.backends.triton.footprint import reaches, support
from unwarp.backends.triton.matrices import (
    LARGEST_SUM,
    largest_denominator,
    largest_entry,
    largest_sum,
    smallest_denominator,
)
from unwarp.backends.triton.outside import axis_bounds, cells, edge_pixels, edges_of, images_in_cell
from unwarp.backends.triton.points import load_matrix, plane_size, tile_pixels
from unwarp.backends.triton.search import search

FAR_OUTSIDE = tl.constexpr(2.0**126)
"""Stands for infinity where a box has no bound (input pixels)."""


@triton.jit
def as_floats(index, dtype, D: tl.constexpr):
    """Pixel numbers along each axis in the dtype of positions."""
    result = ()
    for axis in tl.static_range(D):
        result = result + (index[axis].to(dtype),)
    return result


@triton.jit
def box(
    entries,
    target,
    index,
    size_in,
    size_out,
    KERNEL: tl.constexpr,
    EDGES: tl.constexpr,
    ROWS: tl.constexpr,
    D: tl.constexpr,
):
    """Per axis, the lowest and highest position (centred input pixels) at which a sample may read each pixel."""
    low = ()
    high = ()
    if ROWS == D:
        reach = reaches(entries, size_in, size_out, KERNEL, D)
    for axis in tl.static_range(D):
        centre = (size_in[axis] - 1) * 0.5
        own = reach[axis] if ROWS == D else support(KERNEL)
        bottom = target[axis] - centre - own
        top = target[axis] - centre + own
        if EDGES:
            least = -FAR_OUTSIDE
            most = FAR_OUTSIDE
            if ROWS == D:
                least, most, error = axis_bounds(entries, axis, size_out, ROWS, D)
                least -= own + error
                most += own + error
            bottom = tl.where(index[axis] == 0, least, bottom)
            top = tl.where(index[axis] == size_in[axis] - 1, most, top)
        low = low + (bottom,)
        high = high + (top,)
    return low, high


@triton.jit
def searching(
    entries,
    target,
    index,
    valid,
    size_in,
    size_out,
    EDGES: tl.constexpr,
    ROWS: tl.constexpr,
    D: tl.constexpr,
):
    """Which pixels samples can read at all, and which of them have to search the whole output.

    Those are all under a matrix whose sums may overflow; and if the horizon crosses the output, under border padding
    the corners: what lies behind it reads them. An infinite entry sends samples to an edge, or, as a denominator, to
    the centre of the image.
    """
    zero = tl.zeros_like(target[0])
    largest = zero + largest_entry(entries, ROWS * (D + 1))
    whole = (zero + largest_sum(entries, size_out, ROWS, D) < LARGEST_SUM) == 0
    searched = valid & (largest == largest)
    if ROWS > D:
        if EDGES:
            smallest, _ = smallest_denominator(entries, size_out, D)
            whole = whole | ((edges_of(index, size_in, D) == D) & (zero + smallest <= HORIZON))
        searched = searched & (whole | (zero + largest_denominator(entries, size_out, D) > HORIZON))
    if EDGES == 0:
        reads = largest < float("inf")
        if ROWS > D:
            central = index[0] == index[0]
            for axis in tl.static_range(D):
                central = central & (tl.abs(target[axis] - (size_in[axis] - 1) * 0.5) <= 2.0)
            reads = reads | central
        searched = searched & reads
    return searched, whole


@triton.jit
def collected_pixels(
    tile,
    lane,
    size,
    EDGES: tl.constexpr,
    PADDING: tl.constexpr,
    BR: tl.constexpr,
    BW: tl.constexpr,
    SPLIT: tl.constexpr,
    WIDE: tl.constexpr,
    D: tl.constexpr,
):
    """For each lane x, y, z of its pixel and whether it has one; for each pixel its number and whether it exists."""
    if EDGES:
        index, _, valid = edge_pixels(tile * (BR * BW) + lane // SPLIT, size, WIDE, D)
        _, number, stored = edge_pixels(tile * (BR * BW) + tl.arange(0, BR * BW), size, WIDE, D)
        return index, valid, number, stored
    else:
        index, number, valid = tile_pixels(tile, size, BR, BW, WIDE, D)
        if PADDING == BORDER:
            valid = valid & (edges_of(index, size, D) == 0)
        return index, valid, number, valid


@triton.jit
def gather_kernel(
    grad,
    matrices,
    grad_image,
    left_over,
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
    ROWS: tl.constexpr,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    EDGES: tl.constexpr,
    LAST: tl.constexpr,
    WIDE: tl.constexpr,
    BR: tl.constexpr,
    BW: tl.constexpr,
    BC: tl.constexpr,
    UNROLL: tl.constexpr,
    SR: tl.constexpr,
    SC: tl.constexpr,
):
    """Program: (tile of input pixels, ``BC * UNROLL`` channels, image), tiles fastest.

    Under border padding ``EDGES`` says which pixels are collected: those at an edge, ``SR * SC`` lanes for each, or the
    others. Which warps are not gathered at all, under reflection and circular padding, is written to ``left_over``.
    """
    size_in = (in_w, in_h, in_d)
    size_out = (out_w, out_h, out_d)
    pid = tl.program_id(0)
    tile = pid % tiles
    first = (pid // tiles) % groups * (BC * UNROLL)
    source = (pid // tiles // groups).to(tl.int64)
    lane = tl.arange(0, BR * BW * SR * SC)
    index, valid, number, stored = collected_pixels(tile, lane, size_in, EDGES, PADDING, BR, BW, SR * SC, WIDE, D)
    split_row = lane % (SR * SC) // SC
    split_column = lane % SC
    dtype: tl.constexpr = matrices.dtype.element_ty
    in_plane = plane_size(size_in, WIDE)
    out_plane = plane_size(size_out, WIDE)
    total = ()
    for _ in tl.static_range(UNROLL):
        total = total + (tl.zeros([BR * BW * SR * SC, BC] if LAST else [BR * BW * SR * SC], dtype),)

    for turn in range(warps_an_image):
        warp = source * warps_an_image + turn
        entries = load_matrix(matrices + warp * (ROWS * (D + 1)), ROWS, D)
        upstream = grad + warp * channels * out_plane
        if PADDING == REFLECTION or PADDING == CIRCULAR:
            firsts, counts, count = cells(entries, size_in, size_out, KERNEL, PADDING, ALIGNED, ROWS, D)
            tl.store(left_over + warp, (count == 0).to(tl.int8), pid % (tiles * groups) == 0)
            nobody = valid & (valid == 0)
            for cell in range(count):
                image, own = images_in_cell(index, valid, size_in, cell, firsts, counts, PADDING, ALIGNED, D)
                centre = as_floats(image, dtype, D)
                low, high = box(entries, centre, image, size_in, size_out, KERNEL, False, ROWS, D)
                total = search(
                    total, upstream, entries, image, low, high, own, nobody, split_row, split_column, size_in,
                    size_out, first, channels, KERNEL, A, PADDING, ALIGNED, ROWS, D, LAST, WIDE, BC, UNROLL, SR, SC,
                )  # fmt: skip
        else:
            target = as_floats(index, dtype, D)
            searched, whole = searching(entries, target, index, valid, size_in, size_out, EDGES, ROWS, D)
            low, high = box(entries, target, index, size_in, size_out, KERNEL, EDGES, ROWS, D)
            total = search(
                total, upstream, entries, target, low, high, searched, whole, split_row, split_column, size_in,
                size_out, first, channels, KERNEL, A, PADDING, ALIGNED, ROWS, D, LAST, WIDE, BC, UNROLL, SR, SC,
            )  # fmt: skip

    base = grad_image + source * channels * in_plane
    for u in tl.static_range(UNROLL):
        channel = channel_lanes(first + u * BC, BC, LAST)
        offset = channel_offset(channel, in_plane, LAST, WIDE) + pixel_offset(number, channels, LAST, WIDE)
        summed = over_lanes(total[u], BR * BW, SR * SC, BC, LAST)
        tl.store(base + offset, summed, existing(stored, channel, channels, LAST))


@triton.jit
def over_lanes(values, PIXELS: tl.constexpr, SPLIT: tl.constexpr, BC: tl.constexpr, LAST: tl.constexpr):
    """The sum over the lanes that share a pixel."""
    if SPLIT == 1:
        return values
    elif LAST:
        return tl.sum(tl.reshape(values, [PIXELS, SPLIT, BC]), 1)
    else:
        return tl.sum(tl.reshape(values, [PIXELS, SPLIT]), 1)
