"""Piecewise affine maps over a triangle mesh."""

import torch
from torch import Tensor

from unwarp._typing import Float
from unwarp.transforms.lattice import cells, lattice_units, strides
from unwarp.transforms.spline import AbstractLattice


class PiecewiseAffine(AbstractLattice):
    """An affine map on every triangle of a mesh, which samples at ``theta[k]`` where the output has vertex ``k``.

    T(x) = x + sum_k w_k(x) (theta_k - vertex_k) with the barycentric weights w of the triangle that x lies in. The
    mesh is a regular lattice whose cells are split along their diagonal from the first to the last corner: in two
    triangles (2D) or six tetrahedra (3D) (Freudenthal 1942). Continuous, and differentiable in the vertices. Points
    beyond the lattice follow the affine map of the nearest triangle, which is not continuous there.

    Convention: ``theta`` is ``(batch, K, D)``, target positions ``(x, y, z)`` of the vertices, normalised; the lattice
    runs from -1 to 1 with x fastest.

    Args:
        control: counts of the lattice in tensor order (rows, columns), at least 2 each.
        ndim: spatial dimensions.

    Examples:
        >>> family = PiecewiseAffine((2, 2))
        >>> theta = family.identity()
        >>> theta[3] += 0.5
        >>> family(theta, torch.tensor([[1.0, 1.0], [1.0, 0.0], [-1.0, 1.0]]))
        tensor([[ 1.5000,  1.5000],
                [ 1.2500,  0.2500],
                [-1.0000,  1.0000]])
    """

    name = "piecewise_affine"

    def basis(self, points: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """Barycentric weights, zero but for the D + 1 corners of a point's triangle; rows sum to 1."""
        units = lattice_units(points, self.counts)
        corner = cells(units, self.counts)
        order = (units - corner).detach().argsort(dim=-1, descending=True, stable=True)
        # On the path along the axes in this order the fractions fall from 1 to 0: their differences are the weights.
        fractions = (units - corner).take_along_dim(order, dim=-1)
        ends = torch.ones_like(fractions[..., :1])
        weights = torch.cat([ends, fractions], dim=-1) - torch.cat([fractions, 0 * ends], dim=-1)
        steps = strides(self.counts, units)
        first = (corner.to(torch.int64) * steps).sum(-1, keepdim=True)
        index = torch.cat([first, first + steps[order].cumsum(-1)], dim=-1)
        empty = torch.zeros(*points.shape[:-1], len(self.control), dtype=weights.dtype, device=weights.device)
        return empty.scatter_add(-1, index, weights)
