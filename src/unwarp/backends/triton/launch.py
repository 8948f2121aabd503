"""What stands between tensors and kernels: memory order, tiles, the arguments that all kernels share."""

import math
from collections.abc import Sequence
from ctypes import c_float
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.library import wrap_triton  # pyright: ignore[reportUnknownVariableType]

from unwarp import padding as paddings
from unwarp.backends.triton import backward, forward, gather, memory, tiles

GRID, MATRIX, BASIS = range(3)
_ZEROS, _FILL = paddings.MODES.index("zeros"), paddings.MODES.index("fill")
_TAPS = (1, 2, 4)
_WIDE = 2**31


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


def run_forward(image: Tensor, points: Points, options: Options) -> Tensor:
    """Sample: ``(T, C, *size)``."""
    last = memory.prefers_channels_last(image)
    source, theta, basis = memory.dense(image, last=last), memory.dense(points.theta, last=False), _terms_first(points)
    warps, channels = theta.shape[0], image.shape[1]
    out = memory.empty((warps, channels, *points.size), image, last=last)
    tile = _tile(points.size, channels, taps=_taps(image, options), sums=1, last=last)
    count = _tile_count(points.size, tile)
    share = tiles.channels_a_program(channels, tile.step, count * warps)
    groups = -(-channels // share)
    wrap_triton(forward.forward_kernel)[(count * groups * warps,)](
        source,
        out,
        theta,
        theta if basis is None else basis,
        theta if options.fill is None else options.fill.contiguous(),
        source.stride(0),
        theta.stride(0),
        warps // image.shape[0],
        channels,
        share,
        groups,
        count,
        _term_count(points),
        *_sizes(image.shape[2:]),
        *_sizes(points.size),
        *_factors(points.scale),
        OP=points.op,
        ROWS=theta.shape[1],
        WIDE=_wide(image, points),
        LAST=last,
        UNROLL=tile.unroll,
        **_constants(image, options, tile),
    )
    return out


def run_backward(
    grad: Tensor, image: Tensor, points: Points, options: Options, *, image_needed: bool, theta_needed: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of image and theta; an empty tensor for one that is not needed."""
    last = memory.prefers_channels_last(image)
    upstream = memory.dense_batch(grad, last=last)
    if image_needed and _collects(points, image, options):
        grad_image = _gather_image(upstream, image, points, options, last=last)
        image_needed = False
    else:
        grad_image = image.new_empty(0)
    if not (image_needed or theta_needed):
        return grad_image, points.theta.new_empty(0)
    scattered, grad_theta = _scatter(upstream, image, points, options, image_needed, theta_needed, last=last)
    return scattered if image_needed else grad_image, grad_theta


def _collects(points: Points, image: Tensor, options: Options) -> bool:
    """Whether each input pixel can find the samples that read it: affine maps, where no sample far outside counts."""
    affine = points.op == MATRIX and points.theta.shape[1] == image.ndim - 2
    return affine and options.padding in (_ZEROS, _FILL)


def _gather_image(upstream: Tensor, image: Tensor, points: Points, options: Options, *, last: bool) -> Tensor:
    matrices = points.theta.contiguous()
    images, channels = image.shape[:2]
    grad_image = memory.empty(image.shape, image, last=last)
    tile = _tile(image.shape[2:], channels, taps=1, sums=1, last=last)
    count = _tile_count(image.shape[2:], tile)
    groups = -(-channels // tile.step)
    constants = _constants(image, options, tile)
    del constants["TAPS"]
    wrap_triton(gather.gather_kernel)[(count * groups * images,)](
        upstream,
        matrices,
        grad_image,
        matrices.shape[0] // images,
        channels,
        groups,
        count,
        *_sizes(image.shape[2:]),
        *_sizes(points.size),
        WIDE=_wide(image, points),
        LAST=last,
        UNROLL=tile.unroll,
        **constants,
    )
    return grad_image


def _scatter(
    upstream: Tensor,
    image: Tensor,
    points: Points,
    options: Options,
    image_needed: bool,
    theta_needed: bool,
    *,
    last: bool,
) -> tuple[Tensor, Tensor]:
    source, theta, basis = memory.dense(image, last=last), memory.dense(points.theta, last=False), _terms_first(points)
    warps, channels = theta.shape[0], image.shape[1]
    taps = _taps(image, options)
    tile = _tile(points.size, channels, taps=taps, sums=taps, last=last)
    count = _tile_count(points.size, tile)
    share = channels
    if points.op != GRID or not theta_needed:
        share = tiles.channels_a_program(channels, tile.channels, count * warps)
    groups = -(-channels // share)
    total = fixed = multipliers = parts = upstream
    mode = 0
    if image_needed:
        mode = 2 if torch.are_deterministic_algorithms_enabled() else 1
        total = memory.empty(image.shape, image, last=last, dtype=theta.dtype).zero_()
    if mode == 2:
        fixed = torch.zeros_like(total, dtype=torch.int64)
        multipliers = _multipliers(upstream, image.shape[0], math.prod(points.size) * taps)
    if theta_needed:
        shape = theta.shape if points.op == GRID else (warps, count * groups, *theta.shape[1:])
        parts = torch.empty(shape, dtype=theta.dtype, device=theta.device)
    wrap_triton(backward.backward_kernel)[(count * groups * warps,)](
        upstream,
        source,
        theta,
        theta if basis is None else basis,
        total,
        fixed,
        multipliers,
        parts,
        source.stride(0),
        theta.stride(0),
        warps // image.shape[0],
        channels,
        share,
        groups,
        count,
        _term_count(points),
        *_sizes(image.shape[2:]),
        *_sizes(points.size),
        *_factors(points.scale),
        OP=points.op,
        ROWS=theta.shape[1],
        WIDE=_wide(image, points),
        LAST=last,
        BK=16,
        SCATTER=mode,
        THETA=theta_needed,
        **_constants(image, options, tile),
    )
    if mode == 2:
        plane = multipliers.view(*multipliers.shape, *(1,) * (image.ndim - 2))
        total = total + (fixed.double() / plane).to(total.dtype)
    grad_image = total.to(image.dtype) if image_needed else image.new_empty(0)
    if not theta_needed:
        return grad_image, theta.new_empty(0)
    return grad_image, parts if points.op == GRID else parts.sum(1)


def _multipliers(grad: Tensor, images: int, additions: int) -> Tensor:
    """Units of the fixed-point sums of each plane, ``(N, C)``: powers of two, as large as cannot overflow 63 bits."""
    warps = grad.shape[0] // images
    finite = torch.where(grad.isfinite(), grad.abs(), 0).flatten(2).amax(-1).double()
    largest = finite.view(images, warps, -1).amax(1)
    exponent = torch.frexp(largest).exponent.clamp_min(-900)
    headroom = 2
    while 2**headroom < 2 * warps * additions:
        headroom += 1
    return torch.ldexp(torch.ones_like(largest), 62 - headroom - exponent)


def _constants(image: Tensor, options: Options, tile: tiles.Tile) -> dict[str, int | float | bool]:
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


def _taps(image: Tensor, options: Options) -> int:
    return _TAPS[options.kernel] ** (image.ndim - 2)


def _tile(size: Sequence[int], channels: int, *, taps: int, sums: int, last: bool) -> tiles.Tile:
    return tiles.tile(size[-1], math.prod(size[:-1]), channels, taps=taps, sums=sums, last=last)


def _tile_count(size: Sequence[int], tile: tiles.Tile) -> int:
    return -(-size[-1] // tile.width) * -(-math.prod(size[:-1]) // tile.rows)


def _sizes(size: Sequence[int]) -> tuple[int, ...]:
    """In x, y, z order, axes that are not there as one pixel."""
    return (*reversed(size), *(1,) * (3 - len(size)))


def _factors(scale: Sequence[float]) -> tuple[float, ...]:
    """As float32, which is what kernels take, and what float32 leaves out."""
    padded = [*scale, *(0.0,) * (3 - len(scale))]
    rounded = [c_float(factor).value for factor in padded]
    return (*rounded, *(exact - near for exact, near in zip(padded, rounded, strict=True)))


def _terms_first(points: Points) -> Tensor | None:
    """The basis as ``(K, points)``: neighbouring threads then read neighbouring numbers."""
    return None if points.basis is None else points.basis.t().contiguous()


def _term_count(points: Points) -> int:
    return 1 if points.basis is None else points.basis.shape[1]


def _wide(image: Tensor, points: Points) -> bool:
    """Whether offsets within an image, an output or a theta need 64 bits."""
    pixels = math.prod(points.size)
    numbers = pixels * max(image.shape[1], image.ndim - 2 if points.op == GRID else _term_count(points))
    return bool(image.shape[1:].numel() >= _WIDE or numbers >= _WIDE)
