"""Anti-aliased sampling by the C++ ops: values only. Where a derivative is wanted the reference gives both.

An affine map has one Jacobian for all pixels, and an op of its own that needs no positions or Jacobians in memory.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._eager import transformed
from unwarp._typing import Float, Shaped
from unwarp.backends import jacobian as jacobians
from unwarp.backends.base import Case, Sampling
from unwarp.backends.fused import options_of
from unwarp.backends.reference import Reference
from unwarp.kernels import Cubic, Linear

_REFERENCE = Reference()

_Options: TypeAlias = tuple[float, int, float, int, Tensor | None, bool]


def built() -> bool:
    """Whether the compiled library has the ops; one that was built from an older source does not."""
    return hasattr(torch.ops.unwarp, "sample_antialiased")


def covers(case: Case) -> bool:
    """Whether the ops take a case: images, and kernels that fade to 0, so that rounding moves no pixel in or out."""
    return case.op != "basis" and case.ndim == 2 and type(case.sampling.kernel) in (Linear, Cubic)


def sample_grid(
    image: Shaped[Tensor, "N channels height width"],
    grid: Float[Tensor, "T *out 2"],
    scale: Sequence[float],
    sampling: Sampling,
    jacobian: Float[Tensor, "T *out 2 2"] | None,
) -> Shaped[Tensor, "T channels *out"]:
    """Sample at ``grid * scale``; without a Jacobian by the differences of neighbours."""
    if _recorded(image, grid, jacobian) or grid.ndim != image.ndim:
        return _REFERENCE.sample_grid(image, grid, scale, sampling, jacobian)
    positions = grid * coordinates.vector(scale, like=grid)
    return _sample(image, positions, jacobians.of_grid(positions) if jacobian is None else jacobian, sampling)


def warp_matrix(
    image: Shaped[Tensor, "N channels height width"],
    matrix: Float[Tensor, "T rows 3"],
    size: Sequence[int],
    sampling: Sampling,
) -> Shaped[Tensor, "T channels *size"]:
    """Sample where an affine or projective matrix puts each centred output pixel."""
    if _recorded(image, matrix):
        return _REFERENCE.warp_matrix(image, matrix, size, sampling)
    if matrix.shape[-2] == 2:
        source = _accumulator(image, matrix)
        options = _options(source, sampling)
        op = torch.ops.unwarp.warp_affine_antialiased.default
        return op(source, matrix.to(source.dtype), size, *options).to(image.dtype)
    points = coordinates.centred_grid(size, dtype=matrix.dtype, device=matrix.device).flatten(0, -2)
    positions = coordinates.apply_matrix(matrix, points, far=coordinates.FAR_PIXELS)
    slopes = jacobians.of_matrix(matrix, points, positions)
    shape = tuple(size)
    return _sample(image, torch.unflatten(positions, 1, shape), torch.unflatten(slopes, 1, shape), sampling)


def _recorded(*tensors: Tensor | None) -> bool:
    """Whether a derivative or a graph of the result is wanted."""
    if torch.compiler.is_compiling() or transformed():
        return True
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _sample(image: Tensor, positions: Tensor, jacobian: Tensor, sampling: Sampling) -> Tensor:
    source = _accumulator(image, positions)
    points = positions.to(source.dtype), jacobian.to(source.dtype)
    op = torch.ops.unwarp.sample_antialiased.default
    return op(source, *points, *_options(source, sampling)).to(image.dtype)


def _accumulator(image: Tensor, points: Tensor) -> Tensor:
    return image.to(torch.promote_types(image.dtype, points.dtype))


def _options(source: Tensor, sampling: Sampling) -> _Options:
    largest = float(max(source.shape[2:]))
    limit = largest if sampling.antialias is True else min(float(sampling.antialias), largest)
    return limit, *options_of(sampling, source)
