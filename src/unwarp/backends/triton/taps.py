"""Position -> taps: the pixels a sample reads along one axis, their weights, and the slopes of the weights.

The same formulas as `unwarp.kernels` and `unwarp.padding`, in the language of the device.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.codes import (
    BORDER,
    CIRCULAR,
    CUBIC,
    FILL,
    LARGEST,
    LINEAR,
    NEAREST,
    REFLECTION,
    ZEROS,
)


@triton.jit
def rounded(position):
    """The nearest integer, halves to the even one."""
    below = tl.floor(position)
    past = position - below
    odd = (below.to(tl.int32) & 1) == 1
    return tl.where((past > 0.5) | ((past == 0.5) & odd), below + 1.0, below)


@triton.jit
def clamped(value, low, high):
    """The nearest value within bounds."""
    return tl.minimum(tl.maximum(value, low), high)


@triton.jit
def weights_and_slopes(fraction, KERNEL: tl.constexpr, A: tl.constexpr):
    """The kernel's taps for a position ``fraction`` pixels after its anchor, and their derivatives."""
    if KERNEL == NEAREST:
        return (tl.zeros_like(fraction) + 1.0,), (tl.zeros_like(fraction),)
    elif KERNEL == LINEAR:
        one = tl.zeros_like(fraction) + 1.0
        return (1.0 - fraction, fraction), (-one, one)
    else:
        f = fraction
        g = 1.0 - fraction
        weights = (
            A * f * g * g,
            1.0 - f * f * ((A + 3.0) - (A + 2.0) * f),
            f * (-A + f * ((2.0 * A + 3.0) - (A + 2.0) * f)),
            A * f * f * g,
        )
        slopes = (
            A * g * (g - 2.0 * f),
            f * (3.0 * (A + 2.0) * f - 2.0 * (A + 3.0)),
            -A + f * (2.0 * (2.0 * A + 3.0) - 3.0 * (A + 2.0) * f),
            A * f * (2.0 * g - f),
        )
        return weights, slopes


@triton.jit
def modulo(index, period):
    """Between 0 and ``period - 1``; the ``%`` of the device keeps the sign of the index."""
    remainder = index % period
    return tl.where(remainder < 0, remainder + period, remainder)


@triton.jit
def mapped_index(index, n, PADDING: tl.constexpr, ALIGNED: tl.constexpr):
    """The pixel that stands for a tap, always within ``0..n-1``."""
    if PADDING == CIRCULAR:
        return modulo(index, n)
    elif PADDING == REFLECTION:
        if ALIGNED:
            folded = modulo(index, tl.maximum(2 * n - 2, 1))
            return tl.where(folded < n, folded, 2 * n - 2 - folded)
        else:
            folded = modulo(index, 2 * n)
            return tl.where(folded < n, folded, 2 * n - 1 - folded)
    else:
        return clamped(index, 0, n - 1)


@triton.jit
def axis_taps(
    position,
    n,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    TAPS: tl.constexpr,
):
    """Indices, weights and slopes of the taps of one axis, three tuples of ``TAPS``.

    A position that is clamped passes no gradient: its slopes are 0.
    """
    if PADDING == BORDER and KERNEL != CUBIC:
        bounded = clamped(position, 0.0, (n - 1) * 1.0)
        live = (position > 0.0) & (position < (n - 1) * 1.0)
    else:
        bounded = clamped(position, -LARGEST, LARGEST)
        live = bounded == position
    anchor = rounded(bounded) if KERNEL == NEAREST else tl.floor(bounded)
    weights, slopes = weights_and_slopes(bounded - anchor, KERNEL, A)
    first = anchor.to(tl.int32) - (1 if KERNEL == CUBIC else 0)
    indices = ()
    kept = ()
    sloped = ()
    for tap in tl.static_range(TAPS):
        index = first + tap
        inside = (index >= 0) & (index < n) if PADDING == ZEROS else index == index
        kept = kept + (tl.where(inside, weights[tap], 0.0),)
        sloped = sloped + (tl.where(inside & live, slopes[tap], 0.0),)
        indices = indices + (mapped_index(index, n, PADDING, ALIGNED),)
    return indices, kept, sloped


@triton.jit
def undefined_axis(position, PADDING: tl.constexpr):
    """Whether a position has no value: NaN, and infinite where the padding has no limit."""
    if PADDING == REFLECTION or PADDING == CIRCULAR:
        return (tl.abs(position) <= LARGEST) == 0
    else:
        return position != position


@triton.jit
def inside_axis(position, n, ALIGNED: tl.constexpr):
    """Whether a position lies within the image's extent, edges included."""
    margin: tl.constexpr = 0.0 if ALIGNED else 0.5
    return (position >= -margin) & (position <= (n - 1) * 1.0 + margin)


@triton.jit
def weight_at(
    pixel,
    position,
    n,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
):
    """The weight with which a sample at ``position`` reads ``pixel``: 0 beyond the support, and for NaN.

    For paddings that clamp: taps beyond the edge count for the edge pixel.
    """
    if KERNEL == CUBIC and PADDING != ZEROS:
        indices, weights, _ = axis_taps(position, n, KERNEL, A, PADDING, False, 4)
        total = tl.zeros_like(position)
        for tap in tl.static_range(4):
            total += tl.where(indices[tap] == pixel, weights[tap], 0.0)
        return tl.where(position == position, total, 0.0)
    else:
        bounded = position if PADDING == ZEROS else clamped(position, 0.0, (n - 1) * 1.0)
        distance = tl.abs(bounded - pixel)
        if PADDING == BORDER:
            distance = tl.where(position == position, distance, float("inf"))
        if KERNEL == NEAREST:
            return tl.where((distance <= 0.5) & (rounded(bounded) == pixel), 1.0, 0.0)
        elif KERNEL == LINEAR:
            return tl.where(distance < 1.0, 1.0 - distance, 0.0)
        else:
            near = 1.0 - distance * distance * ((A + 3.0) - (A + 2.0) * distance)
            outer = A * (distance - 1.0) * (distance - 2.0) * (distance - 2.0)
            return tl.where(distance <= 1.0, near, tl.where(distance < 2.0, outer, 0.0))


@triton.jit
def sample_taps(
    positions,
    size,
    KERNEL: tl.constexpr,
    A: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    TAPS: tl.constexpr,
    WIDE: tl.constexpr,
    D: tl.constexpr,
):
    """Pixel numbers, weights and, per axis, slopes of a sample's ``TAPS ** D`` taps, x fastest.

    Args:
        positions, size: tuples in x, y, z order.
    """
    pixels, weights, slopes_x = axis_taps(positions[0], size[0], KERNEL, A, PADDING, ALIGNED, TAPS)
    slopes = (slopes_x,)
    stride = (tl.full([], 1, tl.int64) if WIDE else 1) * size[0]
    for axis in tl.static_range(1, D):
        index, weight, slope = axis_taps(positions[axis], size[axis], KERNEL, A, PADDING, ALIGNED, TAPS)
        offset = ()
        for tap in tl.static_range(TAPS):
            offset = offset + (index[tap] * stride,)
        extended = ()
        for before in tl.static_range(axis):
            extended = extended + (products(slopes[before], weight, TAPS**axis, TAPS),)
        slopes = extended + (products(weights, slope, TAPS**axis, TAPS),)
        pixels = sums(pixels, offset, TAPS**axis, TAPS)
        weights = products(weights, weight, TAPS**axis, TAPS)
        stride = stride * size[axis]
    return pixels, weights, slopes


@triton.jit
def products(fast, slow, FAST: tl.constexpr, SLOW: tl.constexpr):
    """All products of two tuples of tensors, the first varying fastest."""
    result = ()
    for i in tl.static_range(FAST * SLOW):
        result = result + (fast[i % FAST] * slow[i // FAST],)
    return result


@triton.jit
def sums(fast, slow, FAST: tl.constexpr, SLOW: tl.constexpr):
    """All sums of two tuples of tensors, the first varying fastest."""
    result = ()
    for i in tl.static_range(FAST * SLOW):
        result = result + (fast[i % FAST] + slow[i // FAST],)
    return result


@triton.jit
def sample_state(positions, size, PADDING: tl.constexpr, ALIGNED: tl.constexpr, D: tl.constexpr):
    """Positions safe to convert, whether each sample is undefined, and whether it reads the image at all."""
    undefined = undefined_axis(positions[0], PADDING)
    for axis in tl.static_range(1, D):
        undefined = undefined | undefined_axis(positions[axis], PADDING)
    reads = undefined == 0
    if PADDING == FILL:
        for axis in tl.static_range(D):
            reads = reads & inside_axis(positions[axis], size[axis], ALIGNED)
    safe = ()
    for axis in tl.static_range(D):
        safe = safe + (tl.where(undefined, 0.0, positions[axis]),)
    return safe, undefined, reads
