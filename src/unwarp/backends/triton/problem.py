"""What an op is asked to do, and how kernels are told: numbers, sizes and compile-time constants."""

import math
from collections.abc import Sequence
from ctypes import c_float
from dataclasses import dataclass

from torch import Tensor

from unwarp.backends.triton import tiles

GRID, MATRIX, BASIS = range(3)
_TAPS = (1, 2, 4)
_WIDE = 2**31
"""Elements beyond which offsets need 64 bits."""


@dataclass(frozen=True)
class Options:
    """How samples are taken, in the numbers of the ops' schemas."""

    kernel: int
    cubic_a: float
    padding: int
    fill: Tensor | None
    align_corners: bool


@dataclass(frozen=True)
class Points:
    """Where samples are taken.

    Attributes:
        op: GRID, MATRIX or BASIS.
        theta: ``(T, *out, D)``, ``(T, D or D + 1, D + 1)`` or ``(T, K, D)``.
        size: of the output.
        scale: of a grid, or the ratio of a basis; in x, y, z order.
        basis: ``(points, K)``, with ``op=BASIS`` only.
    """

    op: int
    theta: Tensor
    size: Sequence[int]
    scale: Sequence[float]
    basis: Tensor | None = None


def constants(image: Tensor, options: Options, tile: tiles.Tile) -> dict[str, int | float | bool]:
    """What each kernel is compiled for, by the names all kernels share."""
    return {
        "D": image.ndim - 2,
        "KERNEL": options.kernel,
        "TAPS": _TAPS[options.kernel],
        "A": options.cubic_a,
        "PADDING": options.padding,
        "ALIGNED": options.align_corners,
        "BR": tile.rows,
        "BW": tile.width,
        "BC": tile.channels,
    }


def kinds(image: Tensor, points: Points) -> tuple[object, ...]:
    """What Triton compiles a kernel of its own for, beside its constants."""
    rows = points.theta.shape[1] if points.op == MATRIX else 0
    return image.device, image.dtype, points.theta.dtype, points.op, rows


def taps(image: Tensor, options: Options) -> int:
    """Pixels each sample reads."""
    return _TAPS[options.kernel] ** (image.ndim - 2)


def sizes(size: Sequence[int]) -> tuple[int, ...]:
    """In x, y, z order, axes that are not there as one pixel."""
    return (*reversed(size), *(1,) * (3 - len(size)))


def factors(scale: Sequence[float]) -> tuple[float, ...]:
    """As float32, which is what kernels take, and what float32 leaves out."""
    padded = [*scale, *(0.0,) * (3 - len(scale))]
    rounded = [c_float(factor).value for factor in padded]
    return (*rounded, *(exact - near for exact, near in zip(padded, rounded, strict=True)))


def terms_first(points: Points) -> Tensor | None:
    """The basis as ``(K, points)``: neighbouring threads then read neighbouring numbers."""
    return None if points.basis is None else points.basis.t().contiguous()


def term_count(points: Points) -> int:
    """Columns of the basis, 1 where there is none."""
    return 1 if points.basis is None else points.basis.shape[1]


def wide(image: Tensor, points: Points) -> bool:
    """Whether offsets within an image, an output or a theta need 64 bits."""
    pixels = math.prod(points.size)
    numbers = pixels * max(image.shape[1], image.ndim - 2 if points.op == GRID else term_count(points))
    return bool(image.shape[1:].numel() >= _WIDE or numbers >= _WIDE)
