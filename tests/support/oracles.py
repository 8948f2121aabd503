"""Independent answers: torch's own functions, and the paper's equations in scalar Python. None imports unwarp."""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional


def torch_sample(image: Tensor, grid: Tensor, *, mode: str, padding_mode: str, align_corners: bool) -> Tensor:
    """`torch.nn.functional.grid_sample`; a batch of 1 in either argument serves all."""
    batch = max(len(image), len(grid))
    return functional.grid_sample(
        image.expand(batch, *image.shape[1:]),
        grid.expand(batch, *grid.shape[1:]),
        mode=mode,
        padding_mode=padding_mode,
        align_corners=align_corners,
    )


def torch_grid(theta: Tensor, size: Sequence[int], *, align_corners: bool) -> Tensor:
    """Torch's `affine_grid`, past the warning that axes of one pixel with align_corners once meant something else."""
    return torch.affine_grid_generator(theta, [len(theta), 1, *size], align_corners)


def torch_affine(image: Tensor, theta: Tensor, size: Sequence[int], *, align_corners: bool, **options: str) -> Tensor:
    """Torch's `affine_grid` followed by its `grid_sample`."""
    grid = torch_grid(theta, size, align_corners=align_corners)
    return torch_sample(image, grid, align_corners=align_corners, **options)


def sample_by_loops(image: Tensor, pixels: Tensor, *, mode: str, padding_mode: str, align_corners: bool) -> Tensor:
    """The paper's eq. 3 term by term: V = sum over pixels q of U[q] k(p - q), beyond the edges as padding asks.

    Args:
        image: ``(channels, *in)``.
        pixels: positions ``(points, D)`` in pixels (the first centre is 0), last axis x, y, z.

    Returns:
        ``(channels, points)``, float64.
    """
    sampled = [_sample_point(image, [float(p) for p in point], mode, padding_mode, align_corners) for point in pixels]
    return torch.stack(sampled, dim=-1)


def _sample_point(image: Tensor, point: list[float], mode: str, padding_mode: str, align_corners: bool) -> Tensor:
    size = list(image.shape[:0:-1])
    total = torch.zeros(image.shape[0], dtype=torch.float64)
    nearby = [range(math.floor(p) - 1, math.floor(p) + 3) for p in point]
    for tap in itertools.product(*nearby):
        weight = math.prod(_KERNELS[mode](p - q) for p, q in zip(point, tap, strict=True))
        source = [_source(q, n, padding_mode, align_corners) for q, n in zip(tap, size, strict=True)]
        if weight and None not in source:
            total += weight * image[(slice(None), *source[::-1])].double()
    return total


_KERNELS: dict[str, Callable[[float], float]] = {
    "bilinear": lambda t: max(0.0, 1 - abs(t)),
    "nearest": lambda t: float(abs(t) < 0.5),
}


def _source(index: int, n: int, padding_mode: str, align_corners: bool) -> int | None:
    """The pixel that a tap reads, walking step by step back into the image; ``None`` reads 0."""
    if padding_mode == "zeros":
        return index if 0 <= index < n else None
    if padding_mode in ("border", "fill"):
        return min(max(index, 0), n - 1)
    while not 0 <= index < n:
        if padding_mode == "circular":
            index += n if index < 0 else -n
        elif n == 1:
            index = 0
        elif align_corners:
            index = -index if index < 0 else 2 * (n - 1) - index
        else:
            index = -1 - index if index < 0 else 2 * n - 1 - index
    return index


def one_sided_differences(
    function: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """Backward and forward difference quotients of a scalar function, one entry of ``at`` at a time."""
    here = function(at)
    left, right = torch.empty_like(at), torch.empty_like(at)
    for index in itertools.product(*map(range, at.shape)):
        moved = at.clone()
        moved[index] = at[index] + step
        right[index] = (function(moved) - here) / step
        moved[index] = at[index] - step
        left[index] = (here - function(moved)) / step
    return left, right
