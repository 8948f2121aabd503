"""The forward op: points -> taps -> gather and blend, a tile of output pixels of one warp at a time."""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.channels import channel_lanes, channel_offset, column, existing, pixel_offset
from unwarp.backends.triton.codes import FILL
from unwarp.backends.triton.points import plane_size, sampling_positions, tile_pixels
from unwarp.backends.triton.taps import sample_state, sample_taps


@triton.jit
def forward_kernel(
    image,
    out,
    theta,
    basis,
    fill,
    image_stride,
    theta_stride,
    warps_an_image,
    channels,
    channels_a_program,
    groups,
    tiles,
    terms,
    in_w,
    in_h,
    in_d,
    out_w,
    out_h,
    out_d,
    factor_x,
    factor_y,
    factor_z,
    remainder_x,
    remainder_y,
    remainder_z,
    OP: tl.constexpr,
    D: tl.constexpr,
    ROWS: tl.constexpr,
    KERNEL: tl.constexpr,
    TAPS: tl.constexpr,
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
    """Program: (tile of output pixels, group of channels, warp), tiles fastest."""
    size_in = (in_w, in_h, in_d)
    size_out = (out_w, out_h, out_d)
    pid = tl.program_id(0)
    tile = pid % tiles
    group = (pid // tiles) % groups
    warp = (pid // tiles // groups).to(tl.int64)
    pixel, number, valid = tile_pixels(tile, size_out, BR, BW, WIDE, D)
    positions, _ = sampling_positions(
        theta + warp * theta_stride,
        basis,
        pixel,
        number,
        valid,
        size_in,
        size_out,
        (factor_x, factor_y, factor_z),
        (remainder_x, remainder_y, remainder_z),
        terms,
        OP,
        ROWS,
        WIDE,
        D,
    )
    safe, undefined, reads = sample_state(positions, size_in, PADDING, ALIGNED, D)
    taps, weights, _ = sample_taps(safe, size_in, KERNEL, A, PADDING, ALIGNED, TAPS, WIDE, D)

    in_plane = plane_size(size_in, WIDE)
    out_plane = plane_size(size_out, WIDE)
    source = image + warp // warps_an_image * image_stride
    target = out + warp * channels * out_plane
    begin = group * channels_a_program
    for first in range(begin, tl.minimum(begin + channels_a_program, channels), BC * UNROLL):
        blended = ()
        for u in tl.static_range(UNROLL):
            channel = channel_lanes(first + u * BC, BC, LAST)
            mask = existing(valid, channel, channels, LAST)
            plane = source + channel_offset(channel, in_plane, LAST, WIDE)
            total = tl.zeros_like(column(weights[0], LAST))
            for tap in tl.static_range(TAPS**D):
                where = pixel_offset(taps[tap], channels, LAST, WIDE)
                value = tl.load(plane + where, mask, 0.0).to(total.dtype)
                total = tl.fma(value, tl.broadcast_to(column(weights[tap], LAST), value.shape), total)
            if PADDING == FILL:
                outside = tl.load(fill + channel, channel < channels, 0.0).to(total.dtype)
                total = tl.where(column(reads, LAST), total, outside)
            blended = blended + (tl.where(column(undefined, LAST), float("nan"), total),)
        for u in tl.static_range(UNROLL):
            channel = channel_lanes(first + u * BC, BC, LAST)
            where = channel_offset(channel, out_plane, LAST, WIDE) + pixel_offset(number, channels, LAST, WIDE)
            tl.store(target + where, blended[u], existing(valid, channel, channels, LAST))
