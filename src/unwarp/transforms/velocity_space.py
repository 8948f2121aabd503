"""The space of continuous piecewise-affine velocity fields, with constraints (Freifeld et al. 2017)."""

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._typing import Float
from unwarp.errors import OptionError
from unwarp.transforms.tessellation import Simplices, locate, mesh_of, node_positions

_RANK = 1e-10
"""Singular values below this fraction of the largest count as zero."""


def inner_nodes(boxes: Sequence[int]) -> Tensor:
    """Indices of the nodes within -1..1: a field is known by its velocities there."""
    nodes = cast("Tensor", torch.unique(_all_simplices(boxes).nodes))
    return nodes[(node_positions(boxes)[nodes].abs() <= 1).all(-1)]


def velocity_basis(boxes: Sequence[int], *, zero_boundary: bool, volume_preserving: bool) -> Float[Tensor, "inner*D d"]:
    """An orthonormal basis of the velocities at the inner nodes: the null space of the constraints, float64.

    Args:
        zero_boundary: no velocity on the boundary of the square, which is then mapped onto itself.
        volume_preserving: no divergence in any simplex of the square, so that areas (volumes) are kept.

    Raises:
        OptionError: only the zero field meets the constraints.
    """
    inner = inner_nodes(boxes)
    unknowns = len(inner) * len(boxes)
    constraints: list[Tensor] = []
    if zero_boundary:
        at_boundary = (node_positions(boxes)[inner].abs() == 1).any(-1).repeat_interleave(len(boxes))
        constraints.append(torch.eye(unknowns, dtype=torch.float64)[at_boundary])
    if volume_preserving:
        constraints.append(_divergence(boxes, inner))
    if not constraints:
        return torch.eye(unknowns, dtype=torch.float64)
    basis = _null_space(torch.cat(constraints))
    if basis.shape[1] == 0:
        raise OptionError(
            f"zero_boundary, volume_preserving: no field but zero meets these constraints on {tuple(boxes)} boxes. "
            "Use more boxes, or one constraint alone."
        )
    return basis


def ring_weights(boxes: Sequence[int]) -> Float[Tensor, "nodes inner"]:
    """Velocities of all nodes from those of the inner ones: beyond the square the field goes on as at its boundary."""
    inner = inner_nodes(boxes)
    nodes = node_positions(boxes).clamp(-1, 1)
    nearest = locate(nodes, mesh_of(boxes, nodes))
    column = torch.full((len(nearest.nodes),), -1)
    column[inner] = torch.arange(len(inner))
    columns = column[nearest.nodes]
    # A point on the boundary is found in a simplex outside of it, whose outer nodes have no weight but by rounding.
    weights = torch.where(columns < 0, 0, nearest.weights)
    empty = torch.zeros(len(nearest.nodes), len(inner), dtype=torch.float64)
    return empty.scatter_add(1, columns.clamp_min(0), weights)


def _all_simplices(boxes: Sequence[int]) -> Simplices:
    """Every simplex of the square: each ordering of unequal distances from a box's centre, with signs, names one."""
    ndim = len(boxes)
    centres = coordinates.regular_grid(boxes, align_corners=False, dtype=torch.float64, device=None).flatten(0, -2)
    orders = itertools.permutations((0.9, 0.6, 0.3)[:ndim])
    signs = itertools.product((-1.0, 1.0), repeat=ndim)
    steps = [[a * s for a, s in zip(*pair, strict=True)] for pair in itertools.product(orders, signs)]
    halves = torch.tensor([1 / n for n in reversed(boxes)], dtype=torch.float64)
    points = centres[:, None] + torch.tensor(steps, dtype=torch.float64) * halves
    return locate(points.flatten(0, 1), mesh_of(boxes, points))


def _divergence(boxes: Sequence[int], inner: Tensor) -> Float[Tensor, "simplices inner*D"]:
    """Rows that give the divergence of each simplex: its nodes' velocities times the slopes of their weights."""
    simplices = _all_simplices(boxes)
    columns = torch.searchsorted(inner, simplices.nodes)
    rows = torch.zeros(len(columns), len(inner), len(boxes), dtype=torch.float64)
    where = columns[..., None].expand_as(simplices.slopes)
    return rows.scatter_add(1, where, simplices.slopes).flatten(1)


def _null_space(constraints: Float[Tensor, "rows unknowns"]) -> Float[Tensor, "unknowns d"]:
    _, values, right = cast("tuple[Tensor, Tensor, Tensor]", torch.linalg.svd(constraints))
    rank = int((values > _RANK * values[0]).sum())
    return right[rank:].mT.contiguous()
