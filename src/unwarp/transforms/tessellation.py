"""A mesh of simplices over all of space, for continuous piecewise-affine fields.

The square -1..1 is divided into equal boxes and each box into simplices around its centre: an interval stays whole
(1D), a square becomes four triangles that meet in its centre (2D), a cube twenty-four tetrahedra that meet in its
centre and in the centres of its faces (3D). Unlike a split along diagonals this mesh is symmetric, and it has
fields without divergence. One more ring of wide boxes surrounds the square.

Nodes lie on the lattice of half boxes: along each axis box ``c`` has its centre at ``2 c + 1`` and its corners at
``2 c`` and ``2 c + 2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from unwarp._typing import Float, Integer
from unwarp.transforms.lattice import strides

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


class Mesh(NamedTuple):
    """The numbers that describe a mesh, as tensors.

    Attributes:
        counts: size of the lattice of nodes, in tensor order.
        lines: between the boxes, one tensor for each of x, y(, z).
        constant: ``(D + 1,)``, `CONSTANT`.
        linear: ``(D + 1, D)``, `LINEAR`.
        offset: ``(D + 1, D)``, `OFFSET`.
        strides: ``(D,)``, how far apart neighbours along x, y(, z) are in the flattened lattice.
    """

    counts: tuple[int, ...]
    lines: tuple[Float[Tensor, "lines"], ...]
    constant: Float[Tensor, "D1"]
    linear: Float[Tensor, "D1 D"]
    offset: Float[Tensor, "D1 D"]
    strides: Integer[Tensor, "D"]


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


def mesh_of(boxes: Sequence[int], like: Tensor) -> Mesh:
    """The mesh of so many boxes within the square, in tensor order; its numbers are of the kind of a tensor's."""

    def constant(values: Sequence[float] | Sequence[Sequence[float]]) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device)

    ndim, counts = len(boxes), node_counts(boxes)
    lines = tuple(constant(_lines(n)) for n in reversed(boxes))
    weights = constant(CONSTANT[ndim]), constant(LINEAR[ndim])
    return Mesh(counts, lines, *weights, constant(OFFSET[ndim]), strides(counts, like))


def locate(points: Float[Tensor, "*batch D"], mesh: Mesh) -> Simplices:
    """Find the simplex of each point.

    The weights are differentiable in the points. Indices are within range for any point, NaN included.
    """
    box, centre, half = _boxes(points, mesh)
    steps = (torch.nan_to_num(points.detach(), 0.0) - centre) / half
    order = steps.abs().argsort(dim=-1, descending=True, stable=True)
    signs = torch.where(steps < 0, -1.0, 1.0).to(points.dtype)
    units = (order[..., None] == torch.arange(len(mesh.counts), device=points.device)) * signs[..., None, :]
    along = units / half[..., None, :]
    slopes = (along.mT @ mesh.linear.mT).mT
    weights = mesh.constant + (slopes * (points - centre)[..., None, :]).sum(-1)
    lattice = (2 * box + 1)[..., None, :] + (units.mT @ mesh.offset.mT).mT.to(torch.int64)
    return Simplices((lattice * mesh.strides).sum(-1), weights, slopes)


def _boxes(points: Float[Tensor, "*batch D"], mesh: Mesh) -> tuple[Tensor, Tensor, Tensor]:
    """Index, centre and half width of the box of each point, each ``(*batch, D)``."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for axis, lines in enumerate(mesh.lines):
        index = (points.detach()[..., axis, None] >= lines[1:-1]).sum(-1)
        found.append((index, ((lines[1:] + lines[:-1]) / 2)[index], ((lines[1:] - lines[:-1]) / 2)[index]))
    indices, centres, halves = zip(*found, strict=True)
    return torch.stack(indices, -1), torch.stack(centres, -1), torch.stack(halves, -1)


def _lines(n: int) -> list[float]:
    return [-1 - RING, *(2 * i / n - 1 for i in range(n + 1)), 1 + RING]
