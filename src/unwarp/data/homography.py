"""Homographies from the corners of a quadrilateral."""

from typing import cast

import torch
from torch import Tensor

from unwarp._typing import Float, Shaped

MINIMUM_TURN = 0.05
"""A corner whose triangle has at most this share of the undisturbed triangle's area counts as folded."""


def corners(half: float, *, dtype: torch.dtype = torch.float64) -> Float[Tensor, "4 2"]:
    """The corners ``(x, y)`` of the square that spans -half..half, in order around it."""
    return half * torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=dtype)


def is_sound(quadrilateral: Float[Tensor, "n 4 2"], *, half: float) -> Shaped[Tensor, "n"]:
    """Whether a square's moved corners can be the image of that square under a homography centred in it.

    Sound is a quadrilateral that is strictly convex (no corner is folded over or nearly flat), not turned over, and
    contains the origin, so that the origin lies in front of the horizon and h33 can be 1.

    Args:
        quadrilateral: ``(n, 4, 2)``, corners in the order of `corners`.
        half: half the undisturbed square's side, which sets the scale of "nearly".

    Returns:
        ``(n,)`` of bool.
    """
    edges = quadrilateral.roll(-1, dims=1) - quadrilateral
    turns = _cross(edges.roll(1, dims=1), edges)
    around_origin = _cross(quadrilateral, quadrilateral.roll(-1, dims=1))
    return (turns > MINIMUM_TURN * (2 * half) ** 2).all(1) & (around_origin > 0).all(1)


def from_corners(source: Float[Tensor, "n 4 2"], target: Float[Tensor, "*#n 4 2"]) -> Float[Tensor, "n 3 3"]:
    """The homographies with h33 = 1 that map four points each onto four points.

    Every correspondence ``(x, y) -> (u, v)`` gives two equations that are linear in the eight free entries::

        h11 x + h12 y + h13 - u (h31 x + h32 y) = u
        h21 x + h22 y + h23 - v (h31 x + h32 y) = v

    The 8x8 systems of the batch are solved at once in float64.

    Args:
        source: ``(n, 4, 2)``, no three points of one line; a quadrilateral that `is_sound`.
        target: ``(n, 4, 2)`` or anything that broadcasts to it.

    Returns:
        ``(n, 3, 3)``, float64.
    """
    points = torch.cat([source.double(), torch.ones_like(source[..., :1], dtype=torch.float64)], dim=-1)
    values = target.double().expand_as(source)
    zeros = torch.zeros_like(points)
    products = -values[..., None] * points[..., None, :2]
    rows_u = torch.cat([points, zeros, products[..., 0, :]], dim=-1)
    rows_v = torch.cat([zeros, points, products[..., 1, :]], dim=-1)
    system = torch.cat([rows_u, rows_v], dim=1)
    right = torch.cat([values[..., 0], values[..., 1]], dim=1)
    entries = cast("Tensor", torch.linalg.solve(system, right))
    return torch.cat([entries, torch.ones_like(entries[:, :1])], dim=1).view(-1, 3, 3)


def _cross(first: Float[Tensor, "*batch 2"], second: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch"]:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
