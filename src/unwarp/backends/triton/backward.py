"""The adjoint over output pixels: the gradient of theta, and by scattering that of the image.

The gradient of a matrix or of coefficients is summed within each program; the programs' parts are summed by the caller.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.channels import channel_lanes, channel_offset, column, existing, pixel_offset
from unwarp.backends.triton.codes import BASIS, GRID
from unwarp.backends.triton.points import (
    plane_size,
    sampling_positions,
    store_basis_gradient,
    store_grid_gradient,
    store_matrix_gradient,
    tile_pixels,
)
from unwarp.backends.triton.taps import sample_state, sample_taps

NO_SCATTER = tl.constexpr(0)
FLOATING = tl.constexpr(1)
FIXED_POINT = tl.constexpr(2)


@triton.jit
def scatter(image, fixed, where, values, multiplier, mask, SCATTER: tl.constexpr):
    """Add to the image's gradient. In fixed point the order of additions has no influence on their sum.

    What is not finite goes to the floating-point gradient, where order has no influence on it either.
    """
    if SCATTER == FLOATING:
        tl.atomic_add(image + where, values, mask, sem="relaxed")
    else:
        finite = tl.abs(values) < float("inf")
        units = tl.where(finite, values.to(tl.float64) * multiplier, 0.0).to(tl.int64)
        tl.atomic_add(fixed + where, units, mask & finite, sem="relaxed")
        tl.atomic_add(image + where, values, mask & (finite == 0), sem="relaxed")


@triton.jit
def scatter_taps(
    image,
    fixed,
    plane,
    taps,
    weights,
    given,
    multiplier,
    mask,
    channels,
    SCATTER: tl.constexpr,
    LAST: tl.constexpr,
    WIDE: tl.constexpr,
    COUNT: tl.constexpr,
):
    """Add a block of channels' gradient to the ``COUNT`` pixels that each sample read. A weight of 0 adds nothing."""
    if SCATTER != NO_SCATTER:
        for tap in tl.static_range(COUNT):
            where = plane + pixel_offset(taps[tap], channels, LAST, WIDE)
            weight = column(weights[tap], LAST)
            scatter(image, fixed, where, given * weight, multiplier, mask & (weight != 0.0), SCATTER)


@triton.jit
def load_multiplier(multipliers, source, channel, channels, SCATTER: tl.constexpr):
    """Units a plane's fixed-point sums count in."""
    if SCATTER == FIXED_POINT:
        return tl.load(multipliers + source * channels + channel, channel < channels, 0.0)
    else:
        return 1.0


@triton.jit
def add_dots(
    dots,
    image,
    plane,
    taps,
    given,
    mask,
    channels,
    LAST: tl.constexpr,
    WIDE: tl.constexpr,
    COUNT: tl.constexpr,
):
    """Add gradient times pixel to the sums over channels, one for each tap."""
    result = ()
    for tap in tl.static_range(COUNT):
        where = plane + pixel_offset(taps[tap], channels, LAST, WIDE)
        value = tl.load(image + where, mask, 0.0).to(given.dtype)
        result = result + (tl.fma(given, value, dots[tap]),)
    return result


@triton.jit
def over_channels(dots, LAST: tl.constexpr, COUNT: tl.constexpr):
    """One sum a tap for each pixel."""
    result = ()
    for tap in tl.static_range(COUNT):
        result = result + (tl.sum(dots[tap], 1) if LAST else dots[tap],)
    return result


@triton.jit
def position_gradient(dots, weights, slopes, undefined, valid, TAPS: tl.constexpr, D: tl.constexpr):
    """The gradient of the position, from each tap's sum over channels of gradient times pixel."""
    result = ()
    for axis in tl.static_range(D):
        total = tl.zeros_like(weights[0])
        for tap in tl.static_range(TAPS**D):
            total = tl.fma(dots[tap], slopes[axis][tap], total)
        result = result + (tl.where(valid, tl.where(undefined, float("nan"), total), 0.0),)
    return result


@triton.jit
def unless_gathered(left_over, read, begin, end, GATHERED: tl.constexpr, THETA: tl.constexpr):
    """Which samples are added to the image's gradient, and where the channels that have to be visited end."""
    if GATHERED:
        mine = tl.load(left_over).to(tl.int32)
        added = read & (tl.zeros_like(read.to(tl.int32)) + mine != 0)
        return added, end if THETA else tl.where(mine != 0, end, begin)
    else:
        return read, end


@triton.jit
def backward_kernel(
    grad,
    image,
    theta,
    basis,
    grad_image,
    fixed,
    multipliers,
    grad_theta,
    left_over,
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
    BK: tl.constexpr,
    SCATTER: tl.constexpr,
    GATHERED: tl.constexpr,
    THETA: tl.constexpr,
):
    """Program: (tile of output pixels, group of channels, warp), tiles fastest. ``THETA``: is its gradient wanted.

    ``GATHERED``: only the warps in ``left_over`` are scattered, all others are already in the image's gradient.
    """
    size_in = (in_w, in_h, in_d)
    size_out = (out_w, out_h, out_d)
    pid = tl.program_id(0)
    tile = pid % tiles
    group = (pid // tiles) % groups
    warp = (pid // tiles // groups).to(tl.int64)
    pixel, number, valid = tile_pixels(tile, size_out, BR, BW, WIDE, D)
    factors = (factor_x, factor_y, factor_z)
    remainders = (remainder_x, remainder_y, remainder_z)
    positions, denominator = sampling_positions(
        theta + warp * theta_stride,
        basis,
        pixel,
        number,
        valid,
        size_in,
        size_out,
        factors,
        remainders,
        terms,
        OP,
        ROWS,
        WIDE,
        D,
    )
    safe, undefined, reads = sample_state(positions, size_in, PADDING, ALIGNED, D)
    taps, weights, slopes = sample_taps(safe, size_in, KERNEL, A, PADDING, ALIGNED, TAPS, WIDE, D)

    in_plane = plane_size(size_in, WIDE)
    out_plane = plane_size(size_out, WIDE)
    source = warp // warps_an_image
    upstream = grad + warp * channels * out_plane
    read = valid & reads
    dots = ()
    for _ in tl.static_range(TAPS**D):
        dots = dots + (tl.zeros([BR * BW, BC] if LAST else [BR * BW], theta.dtype.element_ty),)
    begin = group * channels_a_program
    end = tl.minimum(begin + channels_a_program, channels)
    added, end = unless_gathered(left_over + warp, read, begin, end, GATHERED, THETA)
    for first in range(begin, end, BC):
        channel = channel_lanes(first, BC, LAST)
        mask = existing(read, channel, channels, LAST)
        where = channel_offset(channel, out_plane, LAST, WIDE) + pixel_offset(number, channels, LAST, WIDE)
        given = tl.load(upstream + where, mask, 0.0).to(theta.dtype.element_ty)
        plane = channel_offset(channel, in_plane, LAST, WIDE)
        if THETA:
            dots = add_dots(
                dots, image + source * image_stride, plane, taps, given, mask, channels, LAST, WIDE, TAPS**D
            )
        base = source * channels * in_plane
        multiplier = load_multiplier(multipliers, source, channel, channels, SCATTER)
        scatter_taps(
            grad_image + base,
            fixed + base,
            plane,
            taps,
            weights,
            given,
            multiplier,
            existing(added, channel, channels, LAST),
            channels,
            SCATTER,
            LAST,
            WIDE,
            TAPS**D,
        )

    if THETA:
        summed = over_channels(dots, LAST, TAPS**D)
        gradient = position_gradient(summed, weights, slopes, undefined, valid, TAPS, D)
        part = warp * (tiles * groups) + group * tiles + tile
        if OP == GRID:
            store_grid_gradient(grad_theta + warp * out_plane * D, gradient, number, valid, factors, remainders, D)
        elif OP == BASIS:
            store_basis_gradient(grad_theta + part * terms * D, gradient, basis, number, valid, out_plane, terms, BK, D)
        else:
            store_matrix_gradient(
                grad_theta + part * ROWS * (D + 1),
                gradient,
                positions,
                denominator,
                pixel,
                valid,
                size_in,
                size_out,
                ROWS,
                D,
            )
