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

_BORDER, _REFLECTION, _CIRCULAR = map(paddings.MODES.index, ("border", "reflection", "circular"))

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
    gathered, left_over = image.new_empty(0), None
    if image_needed and points.op == MATRIX:
        gathered, left_over = _gather(upstream, image, points, options, last=last)
        image_needed = left_over is not None
    if not (image_needed or theta_needed):
        return gathered, points.theta.new_empty(0)
    taps = problem.taps(image, options)
    static = _tile(points.size, image.shape[1], taps=taps, sums=taps, last=last)
    needed = image_needed, theta_needed
    if left_over is not None:  # no search for a tile: every attempt would add to the result
        return _scatter(upstream, image, points, options, (gathered, left_over), *needed, static, last=last)
    scattered, grad_theta = _with_best_tile(
        partial(_scatter, upstream, image, points, options, None, *needed, last=last),
        "scatter",
        points.size,
        static,
        image,
        points,
        options,
        *needed,
        last=last,
    )
    return scattered if image_needed else gathered, grad_theta


def _gather(
    upstream: Tensor, image: Tensor, points: Points, options: Options, *, last: bool
) -> tuple[Tensor, Tensor | None]:
    """The image's gradient under a matrix; and which warps are not part of it, ``None`` where all are.

    Where some may not be, the dtype is that of theta: more is to be added.
    """
    periodic = options.padding in (_REFLECTION, _CIRCULAR)
    left_over = torch.empty(points.theta.shape[0], dtype=torch.int8, device=image.device) if periodic else None
    static = _tile(image.shape[2:], image.shape[1], taps=1, sums=1, last=last)
    run = partial(_gather_pixels, upstream, image, points, options, left_over, last=last)
    return _with_best_tile(run, "gather", image.shape[2:], static, image, points, options, last=last), left_over


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


def _gather_pixels(
    upstream: Tensor,
    image: Tensor,
    points: Points,
    options: Options,
    left_over: Tensor | None,
    tile: tiles.Tile,
    *,
    last: bool,
) -> Tensor:
    dtype = image.dtype if left_over is None else points.theta.dtype
    grad_image = memory.empty(image.shape, image, last=last, dtype=dtype)
    launch = partial(_gather_tiles, upstream, image, points, options, left_over, grad_image, last=last)
    launch(tile, _tile_count(image.shape[2:], tile), edges=False)
    if options.padding == _BORDER:
        several = tiles.edge_tile(image.shape[1], last=last)
        launch(several, -(-_edge_count(image.shape[2:]) // several.width), edges=True)
    return grad_image


def _gather_tiles(
    upstream: Tensor,
    image: Tensor,
    points: Points,
    options: Options,
    left_over: Tensor | None,
    grad_image: Tensor,
    tile: tiles.Tile,
    count: int,
    *,
    edges: bool,
    last: bool,
) -> None:
    matrices = points.theta.contiguous()
    images, channels = image.shape[:2]
    groups = -(-channels // tile.step)
    constants = problem.constants(image, options, tile)
    del constants["TAPS"]
    wrap_triton(gather.gather_kernel)[(count * groups * images,)](
        upstream,
        matrices,
        grad_image,
        grad_image if left_over is None else left_over,
        matrices.shape[0] // images,
        channels,
        groups,
        count,
        *problem.sizes(image.shape[2:]),
        *problem.sizes(points.size),
        ROWS=matrices.shape[1],
        EDGES=edges,
        WIDE=problem.wide(image, points),
        LAST=last,
        UNROLL=tile.unroll,
        SR=tiles.EDGE_ROWS if edges else 1,
        SC=tiles.EDGE_COLUMNS if edges else 1,
        **constants,
    )


def _edge_count(size: Sequence[int]) -> int:
    """Pixels at an edge of the image."""
    return math.prod(size) - math.prod(max(0, n - 2) for n in size)


def _scatter(
    upstream: Tensor,
    image: Tensor,
    points: Points,
    options: Options,
    started: tuple[Tensor, Tensor] | None,
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
    total = fixed = multipliers = parts = left_over = upstream
    mode = 0
    if image_needed:
        mode = 2 if torch.are_deterministic_algorithms_enabled() else 1
        if started is None:
            total = memory.empty(image.shape, image, last=last, dtype=theta.dtype).zero_()
        else:
            total, left_over = started
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
        left_over,
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
        GATHERED=started is not None,
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
