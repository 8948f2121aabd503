"""Transformers that start by sharing the image between them: the start of the paper's birds experiment."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._typing import Float
from unwarp.errors import OptionError, UnsupportedError
from unwarp.transforms import AbstractMatrixTransform, AbstractSpline, AbstractTransform


def tile_thetas(transform: AbstractTransform, tiles: Sequence[int]) -> Float[Tensor, "count *theta"]:
    """Thetas that crop equal parts of the image, one a tile, first along x (section 4.3 of the paper).

    Each crop keeps the image's proportions: its scale is ``1 / max(tiles)``. ``(2, 2)`` gives the four quadrants,
    ``(1, 2)`` a left and a right crop of half the height.

    Args:
        transform: a family that holds crops: attention, similarity, affine, projective, or a spline.
        tiles: counts in tensor order, such as (rows, columns).

    Raises:
        OptionError: not one positive count for each dimension of the family.
        UnsupportedError: the family holds no crops.
    """
    if len(tiles) != transform.ndim or min(tiles) < 1:
        raise OptionError(f"tiles: expected {transform.ndim} positive counts, (rows, columns) in 2D, got {tiles!r}.")
    with torch.device("cpu"):  # computed, also where the network is made without values
        return _tile_thetas(transform, tiles)


def _tile_thetas(transform: AbstractTransform, tiles: Sequence[int]) -> Float[Tensor, "count *theta"]:
    centres = coordinates.regular_grid(tiles, align_corners=False, dtype=torch.float64, device=None)
    scale, shift = 1 / max(tiles), centres.reshape(math.prod(tiles), transform.ndim)
    if isinstance(transform, AbstractSpline):
        control = transform.identity(dtype=torch.float64)
        return (control * scale + shift[:, None].to(control.device)).to(torch.get_default_dtype())
    theta = _theta_of_crops(transform, scale, shift)
    if theta is None:
        raise UnsupportedError(
            f"tiles: {type(transform).__name__} cannot crop a part of the image. "
            "Use attention, similarity, affine, projective or a spline."
        )
    return theta.to(torch.get_default_dtype())


def _theta_of_crops(transform: AbstractTransform, scale: float, shift: Float[Tensor, "count D"]) -> Tensor | None:
    if not isinstance(transform, AbstractMatrixTransform):
        return None
    matrix = torch.eye(transform.ndim + 1, dtype=shift.dtype).repeat(len(shift), 1, 1)
    matrix[:, : transform.ndim, : transform.ndim] *= scale
    matrix[:, : transform.ndim, transform.ndim] = shift
    theta = transform.from_matrix(matrix)
    return theta if torch.allclose(transform.matrix(theta), matrix) else None
