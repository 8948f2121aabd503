"""Pixel and normalised coordinates: the only home of `align_corners`, axis order and regular grids.

Convention: sizes are in tensor order ``(d, h, w)``, points in ``(x, y, z)`` order, so axis ``i`` of a point belongs to
``size[-1 - i]``. Normalised coordinates run from -1 to 1 across the image.

Inside the library positions are **centred pixels**: ``c = pixel - (n - 1) / 2``. They relate to normalised coordinates
by a factor alone, ``c = x * s`` with ``s = n / 2`` (``align_corners=False``: -1 and 1 are the outer edges of the
border pixels) or ``s = (n - 1) / 2`` (``True``: their centres). The ratio of two equal factors is exactly 1, which is
what makes an identity transform return its input bit for bit; ``((x + 1) * n - 1) / 2`` does not round-trip.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
from torch import Tensor

from unwarp._eager import eager
from unwarp._typing import Float, Shaped

HORIZON = 1e-6
"""A projective denominator at or below this puts the point behind the horizon."""

FAR_NORMALISED = 2.0**20
FAR_PIXELS = 2.0**29
"""Where points behind the horizon are put: outside of every image, finite, without gradient."""


_NOTHING = nullcontext()


def point_dtype(*tensors: Tensor) -> torch.dtype:
    """Dtype of coordinates and weights: float32, or float64 where any of the tensors is."""
    for tensor in tensors:
        if tensor.dtype in (torch.float64, torch.complex128):
            return torch.float64
    return torch.float32


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Autocast off, where it is on: it would round coordinates to half precision, half a pixel at 512 pixels."""
    kind = device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return _NOTHING


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """The matrix product, which autocast would round to half precision."""
    with full_precision(left.device):
        return left @ right


def floating(values: Tensor) -> Tensor:
    """Integers as numbers of torch's default dtype, in which a half is a half; other tensors as they are."""
    return values if values.is_floating_point() else values.to(torch.get_default_dtype())


def half_extents(size: Sequence[int], *, align_corners: bool) -> tuple[float, ...]:
    """Factors from normalised to centred pixels, one per axis in ``(x, y, z)`` order.

    An axis of one pixel has the factor 0 with ``align_corners=True``: every position falls on that pixel.
    """
    return tuple([(n - 1) / 2 if align_corners else n / 2 for n in reversed(size)])


def extent_ratios(size_in: Sequence[int], size_out: Sequence[int], *, align_corners: bool) -> tuple[float, ...]:
    """Input pixels per output pixel under the identity transform, per axis in ``(x, y, z)`` order."""
    scale_in = half_extents(size_in, align_corners=align_corners)
    scale_out = half_extents(size_out, align_corners=align_corners)
    return tuple([a / b if b > 0 else 0.0 for a, b in zip(scale_in, scale_out, strict=True)])


def centred_axis(n: int, *, dtype: torch.dtype, device: torch.device | None) -> Tensor:
    """Centred positions ``-(n-1)/2 ... (n-1)/2`` of the pixels of an axis; exact in float32 up to 2^23 pixels."""
    return torch.arange(n, dtype=dtype, device=device) - (n - 1) / 2


def centred_grid(size: Sequence[int], *, dtype: torch.dtype, device: torch.device | None) -> Float[Tensor, "*size D"]:
    """Centred pixel position of every pixel, ``(*size, D)`` with the last axis x, y(, z)."""
    axes = [centred_axis(n, dtype=dtype, device=device) for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)


def regular_grid(
    size: Sequence[int], *, align_corners: bool, dtype: torch.dtype, device: torch.device | None
) -> Float[Tensor, "*size D"]:
    """Normalised coordinate of every pixel, ``(*size, D)`` with the last axis x, y(, z)."""
    axes = [
        _normalised_axis(n, scale, dtype, device)
        for n, scale in zip(size, reversed(half_extents(size, align_corners=align_corners)), strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1)


def _normalised_axis(n: int, scale: float, dtype: torch.dtype, device: torch.device | None) -> Tensor:
    centred = centred_axis(n, dtype=torch.float64 if dtype == torch.float64 else torch.float32, device=device)
    return (centred / scale if scale > 0 else centred).to(dtype)


def corner_grid(
    count: Sequence[int], *, dtype: torch.dtype, device: torch.device | None = None
) -> Float[Tensor, "points D"]:
    """Regular lattice of points from -1 to 1 inclusive, x fastest, flattened to ``(points, D)``."""
    return regular_grid(count, align_corners=True, dtype=dtype, device=device).flatten(0, -2)


def pixel_to_normalised(
    points: Shaped[Tensor, "*batch D"], size: Sequence[int], *, align_corners: bool = False
) -> Float[Tensor, "*batch D"]:
    """Pixel coordinates (centre of the first pixel is 0) to normalised ones; integers become floating-point.

    Examples:
        >>> pixel_to_normalised(torch.tensor([[0.0, 0.0], [27.0, 27.0]]), (28, 28), align_corners=True)
        tensor([[-1., -1.],
                [ 1.,  1.]])
    """
    points = floating(points)
    scale = vector(half_extents(size, align_corners=align_corners), like=points)
    centred = points - _centre(size, points)
    return torch.where(scale == 0, centred, centred / torch.where(scale == 0, 1, scale))


def normalised_to_pixel(
    points: Shaped[Tensor, "*batch D"], size: Sequence[int], *, align_corners: bool = False
) -> Float[Tensor, "*batch D"]:
    """Normalised coordinates to pixel coordinates, in which the centre of the first pixel is 0."""
    points = floating(points)
    return points * vector(half_extents(size, align_corners=align_corners), like=points) + _centre(size, points)


def pixel_matrix(
    matrix: Float[Tensor, "*batch rows D1"],
    size_in: Sequence[int],
    size_out: Sequence[int],
    *,
    align_corners: bool,
) -> Float[Tensor, "*batch rows D1"]:
    """A homogeneous matrix between normalised coordinates, rewritten between centred pixels (output to input).

    ``S_in @ matrix @ inv(S_out)``, by one factor an entry computed in double precision: the identity stays exact.
    Of an affine matrix the last row may be missing.
    """
    shape = (tuple(size_in), tuple(size_out), matrix.shape[-2], align_corners)
    kept = matrix.device.type == "cpu" and eager(matrix)
    return matrix * (kept_factors(*shape, matrix.dtype) if kept else _pixel_factors(*shape, matrix))


def _pixel_factors(
    size_in: tuple[int, ...], size_out: tuple[int, ...], count: int, align_corners: bool, like: Tensor
) -> Float[Tensor, "rows D1"]:
    rows = [*half_extents(size_in, align_corners=align_corners), 1.0][:count]
    columns = [*half_extents(size_out, align_corners=align_corners), 1.0]
    factors = [row / column if column > 0 else 0.0 for row in rows for column in columns]
    return vector(factors, like=like).reshape(len(rows), len(columns))


@lru_cache(maxsize=64)
def kept_factors(
    size_in: tuple[int, ...], size_out: tuple[int, ...], count: int, align_corners: bool, dtype: torch.dtype
) -> Float[Tensor, "rows D1"]:
    """What `pixel_matrix` multiplies a matrix on the CPU by, computed once for all calls."""
    # Inference tensors cannot be saved for a later backward pass.
    with torch.inference_mode(mode=False):
        return _pixel_factors(size_in, size_out, count, align_corners, torch.empty(0, dtype=dtype, device="cpu"))


def apply_matrix(
    matrix: Float[Tensor, "*batch rows D1"], points: Float[Tensor, "*#batch points D"], *, far: float
) -> Float[Tensor, "*batch points D"]:
    """Apply an affine (``D`` rows) or projective (``D + 1`` rows) matrix to points.

    Points whose denominator is at most `HORIZON` lie behind the camera: they are put at distance ``far`` along
    every axis, on the side that the sign of the numerator says, and pass no gradient.
    """
    ndim = points.shape[-1]
    # Elementwise on purpose: autocast would round a matmul to bfloat16, and 1 * x + 0 * y + 0 is exactly x.
    # One coordinate at a time, since a sum over a last axis of 2 or 3 elements does not vectorise: 12 times faster.
    axes = points.unbind(-1)
    mapped = torch.stack([_row_times(row.unbind(-1), axes) for row in matrix.unbind(-2)], dim=-1)
    if matrix.shape[-2] == ndim:
        return mapped
    numerator, denominator = mapped[..., :ndim], mapped[..., ndim:]
    behind = denominator <= HORIZON
    beyond = torch.copysign(torch.full_like(numerator, far), numerator.detach())
    return torch.where(behind, beyond, numerator / torch.where(behind, 1, denominator))


def _row_times(row: Sequence[Float[Tensor, "*batch"]], axes: Sequence[Float[Tensor, "*#batch points"]]) -> Tensor:
    """``row[0] * x + row[1] * y + ... + row[D]``, summed in this order."""
    products = [factor[..., None] * axis for factor, axis in zip(row[:-1], axes, strict=True)]
    return sum(products[1:], start=products[0]) + row[-1][..., None]


def vector(values: Sequence[float], *, like: Tensor) -> Float[Tensor, "values"]:
    """Numbers, such as a factor an axis, as a tensor beside another one."""
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def _centre(size: Sequence[int], like: Tensor) -> Tensor:
    return vector([(n - 1) / 2 for n in reversed(size)], like=like)
