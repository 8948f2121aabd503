"""Transforms in pixels: where in the input the output's pixels are taken from, and how much the image shrinks there.

For the families that are neither a matrix nor a basis, whose positions `unwarp.warp` samples as a grid.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._typing import Float
from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractDisplacement, AbstractTransform


def matrix_rows(family: AbstractTransform, theta: Float[Tensor, "*batch *theta"]) -> Float[Tensor, "*batch rows D1"]:
    """The rows of a family's matrix that say where points go: without (0, ..., 0, 1)."""
    if type(family) is Affine:
        return theta  # as it is: appending a row and dropping it again takes longer than to warp a small image
    matrix = family.matrix(theta)
    return matrix if family.projective else matrix[..., : family.ndim, :]


def pixel_positions(
    family: AbstractTransform,
    theta: Float[Tensor, "T *theta"],
    size_in: Sequence[int],
    size_out: Sequence[int],
    *,
    align_corners: bool,
    dtype: torch.dtype,
) -> Float[Tensor, "T *out D"]:
    """Centred input pixels of every output pixel; for families that displace exactly those of the identity at it."""
    grid = _grid(size_out, align_corners, dtype, theta.device)
    scale = coordinates.vector(coordinates.half_extents(size_in, align_corners=align_corners), like=grid)
    if not isinstance(family, AbstractDisplacement):
        return (family.transform_points(theta, grid) * scale).reshape(-1, *size_out, family.ndim)
    ratio = coordinates.vector(coordinates.extent_ratios(size_in, size_out, align_corners=align_corners), like=grid)
    undisplaced = coordinates.centred_grid(size_out, dtype=dtype, device=theta.device).flatten(0, -2) * ratio
    return (undisplaced + family.displacement(theta, grid) * scale).reshape(-1, *size_out, family.ndim)


def pixel_jacobian(
    family: AbstractTransform,
    theta: Float[Tensor, "T *theta"],
    size_in: Sequence[int],
    size_out: Sequence[int],
    *,
    align_corners: bool,
    dtype: torch.dtype,
) -> Float[Tensor, "T *out D D"]:
    """Input pixels per output pixel, by the difference of T half an output pixel to either side."""
    grid = _grid(size_out, align_corners, dtype, theta.device)
    scale = coordinates.vector(coordinates.half_extents(size_in, align_corners=align_corners), like=grid)
    ratios = torch.diag(
        coordinates.vector(coordinates.extent_ratios(size_in, size_out, align_corners=align_corners), like=grid)
    )
    columns: list[Tensor] = []
    for axis, extent in enumerate(coordinates.half_extents(size_out, align_corners=align_corners)):
        half = coordinates.vector(
            [0.5 / extent if i == axis and extent > 0 else 0.0 for i in range(family.ndim)], like=grid
        )
        if isinstance(family, AbstractDisplacement):
            moved = family.displacement(theta, grid + half) - family.displacement(theta, grid - half)
            columns.append(moved * scale + ratios[axis])  # exact at the identity, where nothing is moved
        else:
            moved = family.transform_points(theta, grid + half) - family.transform_points(theta, grid - half)
            columns.append(moved * scale)
    return torch.stack(columns, dim=-1).reshape(-1, *size_out, family.ndim, family.ndim)


def _grid(
    size: Sequence[int], align_corners: bool, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "points D"]:
    return coordinates.regular_grid(size, align_corners=align_corners, dtype=dtype, device=device).flatten(0, -2)
