"""What lies outside the image, seen from its pixels: which of them stand for it, and how often.

Border: the pixels at an edge stand for all beyond it. Reflection and circular padding: the plane is covered by cells,
each of which holds one image of every pixel. `taps.mapped_index` says the same from the samples' side.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false

import triton
import triton.language as tl

from unwarp.backends.triton.codes import CUBIC, NEAREST, REFLECTION
from unwarp.backends.triton.footprint import support
from unwarp.backends.triton.matrices import LARGEST_SUM, largest_sum, magnitude, smallest_denominator
from unwarp.backends.triton.taps import rounded, weights_and_slopes

MOST_CELLS = tl.constexpr(64)
"""Cells that are searched for each pixel: 8 by 8, or 4 by 4 by 4. A map that reaches more is not gathered."""


@triton.jit
def edge_pixels(which, size, WIDE: tl.constexpr, D: tl.constexpr):
    """The pixels at an edge of the image by number: x, y, z, the number within the plane, and whether it exists.

    First those at either end of x, then of the others those at either end of y, then of z.
    """
    w, h, d = size[0], size[1], size[2]
    inner_w = tl.maximum(w - 2, 0)
    inner_h = tl.maximum(h - 2, 0)
    sides = h * d
    x = which // sides * (w - 1)
    y = which % sides % h
    z = which % sides // h
    end = tl.minimum(w, 2) * sides
    if D > 1:
        sides = tl.maximum(inner_w * d, 1)
        later = which - end
        here = later >= 0
        x = tl.where(here, 1 + later % sides % tl.maximum(inner_w, 1), x)
        y = tl.where(here, later // sides * (h - 1), y)
        z = tl.where(here, later % sides // tl.maximum(inner_w, 1), z)
        end += tl.minimum(h, 2) * inner_w * d
    if D > 2:
        sides = tl.maximum(inner_w * inner_h, 1)
        later = which - end
        here = later >= 0
        x = tl.where(here, 1 + later % sides % tl.maximum(inner_w, 1), x)
        y = tl.where(here, 1 + later % sides // tl.maximum(inner_w, 1), y)
        z = tl.where(here, later // sides * (d - 1), z)
        end += tl.minimum(d, 2) * inner_w * inner_h
    slice_start = (z.to(tl.int64) if WIDE else z) * h
    return (x, y, z), (slice_start + y) * w + x, which < end


@triton.jit
def edges_of(index, size, D: tl.constexpr):
    """At how many axes each pixel lies at an edge."""
    count = tl.zeros_like(index[0])
    for axis in tl.static_range(D):
        count += ((index[axis] == 0) | (index[axis] == size[axis] - 1)).to(tl.int32)
    return count


@triton.jit
def position_bounds(entries, size_in, size_out, KERNEL: tl.constexpr, ROWS: tl.constexpr, D: tl.constexpr):
    """Lowest and highest input pixel that a sample reads along each axis, for maps without a horizon in the output."""
    low = ()
    high = ()
    for axis in tl.static_range(D):
        least, most, error = axis_bounds(entries, axis, size_out, ROWS, D)
        centre = (size_in[axis] - 1) * 0.5
        margin = support(KERNEL) + 1e-6 * size_in[axis] + error
        low = low + (least + centre - margin,)
        high = high + (most + centre + margin,)
    return low, high


@triton.jit
def axis_bounds(entries, axis: tl.constexpr, size_out, ROWS: tl.constexpr, D: tl.constexpr):
    """Lowest and highest centred position along one axis, and what rounding may change."""
    largest = magnitude(entries, axis, size_out, D)
    if ROWS == D:
        middle = entries[axis * (D + 1) + D]
        extent = largest - tl.abs(middle)
        return middle - extent, middle + extent, 1e-6 * largest
    else:
        smallest, sums = smallest_denominator(entries, size_out, D)
        most = -largest / smallest
        least = -most
        for corner in tl.static_range(2**D):
            numerator = entries[axis * (D + 1) + D]
            denominator = entries[D * (D + 1) + D]
            for other in tl.static_range(D):
                half = size_out[other] * (0.5 if (corner >> other) % 2 == 1 else -0.5)
                numerator += entries[axis * (D + 1) + other] * half
                denominator += entries[D * (D + 1) + other] * half
            least = tl.minimum(least, numerator / denominator)
            most = tl.maximum(most, numerator / denominator)
        return least, most, 1e-6 * (largest / smallest) * (sums / smallest)


@triton.jit
def cell_width(n, PADDING: tl.constexpr, ALIGNED: tl.constexpr):
    """Input pixels from one image of the whole axis to the next."""
    if PADDING == REFLECTION and ALIGNED:
        return tl.maximum(n - 1, 1)
    else:
        return n


@triton.jit
def cells(
    entries,
    size_in,
    size_out,
    KERNEL: tl.constexpr,
    PADDING: tl.constexpr,
    ALIGNED: tl.constexpr,
    ROWS: tl.constexpr,
    D: tl.constexpr,
):
    """First cell and number of cells along each axis that samples read from, and the number of all.

    0 where there are more than `MOST_CELLS`, or where a horizon crosses the output and there is no bound.
    """
    known = largest_sum(entries, size_out, ROWS, D) < LARGEST_SUM
    if ROWS > D:
        smallest, largest = smallest_denominator(entries, size_out, D)
        known = known & (smallest > 1e-3 * largest)
    low, high = position_bounds(entries, size_in, size_out, KERNEL, ROWS, D)
    firsts = ()
    counts = ()
    total = tl.where(known, 1, 0)
    for axis in tl.static_range(D):
        width = cell_width(size_in[axis], PADDING, ALIGNED)
        first = tl.floor(low[axis] / width)
        count = tl.floor(high[axis] / width) - first + 1.0
        few = known & (count <= MOST_CELLS)
        firsts = firsts + (tl.where(few, first, 0.0).to(tl.int32),)
        counts = counts + (tl.where(few, count, 1.0).to(tl.int32),)
        total = tl.where(few, total, 0) * counts[axis]
    return firsts, counts, tl.where(total <= MOST_CELLS, total, 0)


@triton.jit
def image_in_cell(index, n, cell, PADDING: tl.constexpr, ALIGNED: tl.constexpr):
    """Where the image of each pixel lies along one axis, and whether it is one of its own.

    About pixel centres neighbouring cells share their ends: those count in every other cell.
    """
    if PADDING == REFLECTION:
        mirrored = cell % 2 != 0
        image = cell * cell_width(n, PADDING, ALIGNED) + tl.where(mirrored, n - 1 - index, index)
        if ALIGNED:
            shared = (n > 1) & mirrored & ((index == 0) | (index == n - 1))
            return image, shared == 0
        else:
            return image, index == index
    else:
        return cell * n + index, index == index


@triton.jit
def images_in_cell(
    index, valid, size, cell, firsts, counts, PADDING: tl.constexpr, ALIGNED: tl.constexpr, D: tl.constexpr
):
    """Along each axis where the image of each pixel lies, in a cell by number; and whether it is one of its own."""
    images = ()
    rest = cell
    for axis in tl.static_range(D):
        here = firsts[axis] + rest % counts[axis]
        rest = rest // counts[axis]
        image, own = image_in_cell(index[axis], size[axis], here, PADDING, ALIGNED)
        images = images + (image,)
        valid = valid & own
    return images, valid


@triton.jit
def weight_of_image(image, position, KERNEL: tl.constexpr, A: tl.constexpr):
    """The weight with which a sample at ``position`` reads the pixel at ``image``, before any is mapped."""
    anchor = rounded(position) if KERNEL == NEAREST else tl.floor(position)
    weights, _ = weights_and_slopes(position - anchor, KERNEL, A)
    tap = image - anchor.to(tl.int32) + (1 if KERNEL == CUBIC else 0)
    total = tl.zeros_like(position)
    for i in tl.static_range(1 if KERNEL == NEAREST else (4 if KERNEL == CUBIC else 2)):
        total = tl.where(tap == i, weights[i], total)
    return total
