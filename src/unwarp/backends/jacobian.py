"""Local Jacobians of maps in pixels: how many input pixels one output pixel spans, along each axis."""

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._typing import Float


def of_matrix(
    matrix: Float[Tensor, "T rows D1"], points: Float[Tensor, "points D"], positions: Float[Tensor, "T points D"]
) -> Float[Tensor, "T points D D"]:
    """Jacobian of an affine (``D`` rows) or projective (``D + 1`` rows) matrix at points; 0 behind the horizon.

    For x = (A p + b) / w with w = h p + h_0 it is (A - x h^T) / w.
    """
    ndim = points.shape[-1]
    linear = matrix[:, None, :ndim, :ndim].expand(-1, len(points), -1, -1)
    if matrix.shape[-2] == ndim:
        return linear
    row = matrix[:, None, ndim]
    denominator = (points * row[..., :ndim]).sum(-1) + row[..., ndim]
    behind = denominator <= coordinates.HORIZON
    safe = torch.where(behind, 1, denominator)[..., None, None]
    slope = (linear - positions[..., :, None] * row[..., None, :ndim]) / safe
    return torch.where(behind[..., None, None], 0, slope)


def of_grid(positions: Float[Tensor, "T *out D"]) -> Float[Tensor, "T *out D D"]:
    """Jacobian of given positions by differences of neighbours, one-sided at the ends; 0 along an axis of one pixel."""
    ndim = positions.shape[-1]
    columns = [_difference(positions, axis) for axis in range(ndim, 0, -1)]
    return torch.stack(columns, dim=-1)


def _difference(positions: Tensor, axis: int) -> Tensor:
    n = positions.shape[axis]
    if n == 1:
        return torch.zeros_like(positions)
    step = positions.narrow(axis, 1, n - 1) - positions.narrow(axis, 0, n - 1)
    ends = step.narrow(axis, 0, 1), step.narrow(axis, n - 2, 1)
    if n == 2:
        return torch.cat(ends, dim=axis)
    inner = (step.narrow(axis, 1, n - 2) + step.narrow(axis, 0, n - 2)) / 2
    return torch.cat([ends[0], inner, ends[1]], dim=axis)
