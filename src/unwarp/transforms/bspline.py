"""Cubic B-splines over a control lattice: free-form deformation (Rueckert et al. 1999)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._typing import Float
from unwarp.transforms.lattice import lattice_units
from unwarp.transforms.spline import AbstractLattice


class BSpline(AbstractLattice):
    """A twice continuously differentiable map in which each control point moves its neighbourhood alone.

    T(x) = x + sum_k B_k(x) (theta_k - control_k) with B_k a product of cubic B-splines, one an axis. The control
    lattice runs from -1 to 1, border included. Where the splines need points beyond it, the displacement is continued
    linearly from the last two (natural end conditions): a control point on a border's corner is interpolated, affine
    displacements of all control points give exactly that affine map, and beyond -1..1 the map goes on linearly.

    Unlike a thin-plate spline the map does not pass through ``theta`` inside: a control point alone moves its own
    place by (2/3)^D of its displacement.

    Convention: ``theta`` is ``(batch, K, D)``, target positions ``(x, y, z)`` of the control points, normalised, x
    fastest.

    Args:
        control: counts of the control lattice in tensor order (rows, columns), at least 2 each.
        ndim: spatial dimensions.
    """

    name = "b_spline"

    def basis(self, points: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """Products of one-dimensional B-splines; rows sum to 1 and ``basis @ control`` gives the points back."""
        return bspline_basis(points, self.counts)


def bspline_basis(points: Float[Tensor, "*batch D"], counts: Sequence[int]) -> Float[Tensor, "*batch K"]:
    """The tensor-product basis of a lattice from -1 to 1; ``counts`` in tensor order, columns with x fastest."""
    units = lattice_units(points, counts)
    product = torch.ones_like(points[..., :1])
    for axis, count in enumerate(reversed(counts)):
        weights = _axis_basis(units[..., axis], count)
        product = (weights[..., :, None] * product[..., None, :]).flatten(-2)
    return product


def _axis_basis(units: Float[Tensor, "*batch"], count: int) -> Float[Tensor, "*batch K"]:
    """Weights of ``count`` control points at 0, 1, ..., count - 1."""
    end = count - 1
    below, above = torch.where(units < 0, units, 0), torch.where(units > end, units - end, 0)
    within = units - below - above
    nodes = torch.arange(-1, count + 1, dtype=units.dtype, device=units.device)
    spline = coordinates.matmul(_cubic(within[..., None] - nodes), _natural_ends(count, units))
    unit = torch.eye(count, dtype=units.dtype, device=units.device)
    return spline + below[..., None] * (unit[1] - unit[0]) + above[..., None] * (unit[-1] - unit[-2])


def _cubic(distance: Tensor) -> Tensor:
    """The cubic B-spline: 2/3 at 0, 1/6 at 1, 0 from 2 on."""
    r = torch.where(distance < 0, -distance, distance)  # abs() has no slope at 0, which the second derivative needs
    near = 2 / 3 - r * r * (1 - r / 2)
    far = (2 - r).clamp_min(0) ** 3 / 6
    return torch.where(r < 1, near, far)


def _natural_ends(count: int, like: Tensor) -> Float[Tensor, "K+2 K"]:
    """Control points from -1 to ``count``, of which the first and last continue their two neighbours linearly."""
    unit = torch.eye(count, dtype=like.dtype, device=like.device)
    # Not written in place: torch.func.linearize does not see that in a constant.
    return torch.cat([2 * unit[:1] - unit[1:2], unit, 2 * unit[-1:] - unit[-2:-1]])
