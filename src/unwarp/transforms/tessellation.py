"""A mesh of simplices over all of space, for continuous piecewise-affine fields.

The square -1..1 is divided into equal boxes and each box into simplices around its centre: an interval stays whole
(1D), a square becomes four triangles that meet in its centre (2D), a cube twenty-four tetrahedra that meet in its
centre and in the centres of its faces (3D). Unlike a split along diagonals this mesh is symmetric, and it has
fields without divergence. One more ring of wide boxes surrounds the square.

Nodes lie on the lattice of half boxes: along each axis box ``c`` has its centre at ``2 c + 1`` and its corners at
``2 c`` and ``2 c + 2``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unwarp._typing import Float, Integer

RING = 8.0
"""Width of the boxes around the square: points are not expected to move further outside."""

# With a_1 >= a_2 >= a_3 the distances from the box's centre along each axis, in half boxes, the barycentric weights are
# CONSTANT + LINEAR @ a, and node i lies at OFFSET @ (unit steps along those axes) from the centre.
CONSTANT = {1: [0.5, 0.5], 2: [1.0, 0.0, 0.0], 3: [1.0, 0.0, 0.0, 0.0]}
LINEAR = {
    1: [[0.5], [-0.5]],
    2: [[-1.0, 0.0], [0.5, 0.5], [0.5, -0.5]],
    3: [[-1.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, -0.5]],
}
OFFSET = {
    1: [[1.0], [-1.0]],
    2: [[0.0, 0.0], [1.0, 1.0], [1.0, -1.0]],
    3: [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 1.0, -1.0]],
}


@dataclass(frozen=True)
class Simplices:
    """The simplex that each point lies in.

    Attributes:
        nodes: ``(*batch, D + 1)``, indices into the flattened lattice of nodes.
        weights: ``(*batch, D + 1)``, barycentric.
        slopes: ``(*batch, D + 1, D)``, how the weights change with the point.
    """

    nodes: Integer[Tensor, "*batch D1"]
    weights: Float[Tensor, "*batch D1"]
    slopes: Float[Tensor, "*batch D1 D"]


def node_counts(boxes: Sequence[int]) -> tuple[int, ...]:
    """Size of the lattice of nodes, ring included; all in tensor order."""
    return tuple(2 * (n + 2) + 1 for n in boxes)


def node_positions(boxes: Sequence[int]) -> Float[Tensor, "nodes D"]:
    """Where the nodes are, x fastest, float64. Midpoints of edges are in the lattice too; they are no nodes in 3D."""
    axes: list[Tensor] = []
    for n in boxes:
        corners = torch.tensor(_lines(n), dtype=torch.float64)
        middles = (corners[1:] + corners[:-1]) / 2
        axes.append(torch.cat([torch.stack([corners[:-1], middles], dim=-1).flatten(), corners[-1:]]))
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).flatten(0, -2)


def locate(points: Float[Tensor, "*batch D"], boxes: Sequence[int]) -> Simplices:
    """Find the simplex of each point; ``boxes`` counts those of the square, in tensor order.

    The weights are differentiable in the points. Indices are within range for any point, NaN included.
    """
    ndim = len(boxes)
    box, centre, half = _boxes(points, boxes)
    steps = (torch.nan_to_num(points.detach(), 0.0) - centre) / half
    order = steps.abs().argsort(dim=-1, descending=True, stable=True)
    signs = torch.where(steps < 0, -1.0, 1.0).to(points.dtype)
    units = (order[..., None] == torch.arange(ndim, device=points.device)) * signs[..., None, :]
    along = units / half[..., None, :]
    linear, offset = _constant(LINEAR[ndim], points), _constant(OFFSET[ndim], points)
    slopes = (along.mT @ linear.mT).mT
    weights = _constant(CONSTANT[ndim], points) + (slopes * (points - centre)[..., None, :]).sum(-1)
    lattice = (2 * box + 1)[..., None, :] + (units.mT @ offset.mT).mT.to(torch.int64)
    counts = node_counts(boxes)
    strides = [math.prod(counts[ndim - axis :]) for axis in range(ndim)]
    nodes = (lattice * torch.tensor(strides, device=points.device)).sum(-1)
    return Simplices(nodes, weights, slopes)


def _boxes(points: Float[Tensor, "*batch D"], boxes: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Index, centre and half width of the box of each point, each ``(*batch, D)``."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for axis, n in enumerate(reversed(boxes)):
        lines = _constant(_lines(n), points)
        index = (points.detach()[..., axis, None] >= lines[1:-1]).sum(-1)
        found.append((index, ((lines[1:] + lines[:-1]) / 2)[index], ((lines[1:] - lines[:-1]) / 2)[index]))
    indices, centres, halves = zip(*found, strict=True)
    return torch.stack(indices, -1), torch.stack(centres, -1), torch.stack(halves, -1)


def _lines(n: int) -> list[float]:
    return [-1 - RING, *(2 * i / n - 1 for i in range(n + 1)), 1 + RING]


def _constant(values: Sequence[float] | Sequence[Sequence[float]], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)
