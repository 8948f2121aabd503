"""What stands between tensors and kernels: memory order, tiles, the arguments that all kernels share."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from torch.library import wrap_triton  # pyright: ignore[reportUnknownVariableType]

from unwarp import padding as paddings
from unwarp.backends.triton import autotune, backward, forward, gather, memory, problem, tiles
from unwarp.backends.triton.problem import GRID, MATRIX, Options, Points

_ZEROS, _FILL = paddings.MODES.index("zeros"), paddings.MODES.index("fill")

R = TypeVar("R")


def run_forward(image: Tensor, points: Points, options: Options) -> Tensor:
    """Sample: ``(T, C, *size)``."""
    last = memory.prefers_channels_last(image)
    static = _tile(points.size, image.shape[1], taps=problem.taps(image, options), sums=1, last=last)
    run = partial(_sample, image, points, options, last=last)
    return _with_best_tile(run, "forward", points.size, static, image, points, options, last=last)


def _sample(image: Tensor, points: Points, options: Options, tile: tiles.Tile, *, last: bool) -> Tensor:
    source, theta, basis = (
        memory.dense(image, last=last),
        memory.dense(points.theta, last=False),
        problem.terms_first(points),
    )
    warps, channels = theta.shape[0], image.shape[1]
    out = memory.empty((warps, channels, *points.size), image, last=last)
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
        problem.term_count(points),
        *problem.sizes(image.shape[2:]),
        *problem.sizes(points.size),
        *problem.factors(points.scale),
        OP=points.op,
        ROWS=theta.shape[1],
        WIDE=problem.wide(image, points),
        LAST=last,
        UNROLL=tile.unroll,
        **problem.constants(image, options, tile),
    )
    return out


def run_backward(
    grad: Tensor, image: Tensor, points: Points, options: Options, *, image_needed: bool, theta_needed: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of image and theta; an empty tensor for one that is not needed."""
    last = memory.prefers_channels_last(image)
    upstream = memory.dense_batch(grad, last=last)
    if image_needed and _collects(points, image, options):
        static = _tile(image.shape[2:], image.shape[1], taps=1, sums=1, last=last)
        run = partial(_gather_image, upstream, image, points, options, last=last)
        grad_image = _with_best_tile(run, "gather", image.shape[2:], static, image, points, options, last=last)
        image_needed = False
    else:
        grad_image = image.new_empty(0)
    if not (image_needed or theta_needed):
        return grad_image, points.theta.new_empty(0)
    taps = problem.taps(image, options)
    static = _tile(points.size, image.shape[1], taps=taps, sums=taps, last=last)
    needed = image_needed, theta_needed
    scattered, grad_theta = _with_best_tile(
        partial(_scatter, upstream, image, points, options, *needed, last=last),
        "scatter",
        points.size,
        static,
        image,
        points,
        options,
        *needed,
        last=last,
    )
    return scattered if image_needed else grad_image, grad_theta


def _collects(points: Points, image: Tensor, options: Options) -> bool:
    """Whether each input pixel can find the samples that read it: affine maps, where no sample far outside counts."""
    affine = points.op == MATRIX and points.theta.shape[1] == image.ndim - 2
    return affine and options.padding in (_ZEROS, _FILL)


def _with_best_tile(
    run: Callable[[tiles.Tile], R],
    kernel: str,
    size: Sequence[int],
    static: tiles.Tile,
    image: Tensor,
    points: Points,
    options: Options,
    *needed: bool,
    last: bool,
) -> R:
    """Run with the table's tile, or with the fastest near it where tiles are measured. ``size``: what tiles cover."""
    if not autotune.applies(image):
        return run(static)
    case = (kernel, static, last, *problem.kinds(image, points), *problem.constants(image, options, static).items())
    plane = size[-1], math.prod(size[:-1])
    near = partial(tiles.near, static, *plane, image.shape[1], last=last, unrolled=kernel != "scatter")
    return run(autotune.choose((*case, *needed), near, run))


def _gather_image(
    upstream: Tensor, image: Tensor, points: Points, options: Options, tile: tiles.Tile, *, last: bool
) -> Tensor:
    matrices = points.theta.contiguous()
    images, channels = image.shape[:2]
    grad_image = memory.empty(image.shape, image, last=last)
    count = _tile_count(image.shape[2:], tile)
    groups = -(-channels // tile.step)
    constants = problem.constants(image, options, tile)
    del constants["TAPS"]
    wrap_triton(gather.gather_kernel)[(count * groups * images,)](
        upstream,
        matrices,
        grad_image,
        matrices.shape[0] // images,
        channels,
        groups,
        count,
        *problem.sizes(image.shape[2:]),
        *problem.sizes(points.size),
        WIDE=problem.wide(image, points),
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
    tile: tiles.Tile,
    *,
    last: bool,
) -> tuple[Tensor, Tensor]:
    source, theta, basis = (
        memory.dense(image, last=last),
        memory.dense(points.theta, last=False),
        problem.terms_first(points),
    )
    warps, channels = theta.shape[0], image.shape[1]
    taps = problem.taps(image, options)
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
        problem.term_count(points),
        *problem.sizes(image.shape[2:]),
        *problem.sizes(points.size),
        *problem.factors(points.scale),
        OP=points.op,
        ROWS=theta.shape[1],
        WIDE=problem.wide(image, points),
        LAST=last,
        BK=16,
        SCATTER=mode,
        THETA=theta_needed,
        **problem.constants(image, options, tile),
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


def _tile(size: Sequence[int], channels: int, *, taps: int, sums: int, last: bool) -> tiles.Tile:
    return tiles.tile(size[-1], math.prod(size[:-1]), channels, taps=taps, sums=sums, last=last)


def _tile_count(size: Sequence[int], tile: tiles.Tile) -> int:
    return -(-size[-1] // tile.width) * -(-math.prod(size[:-1]) // tile.rows)
