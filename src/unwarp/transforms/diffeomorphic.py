"""Diffeomorphisms that integrate a continuous piecewise-affine velocity field: CPAB (Freifeld et al. 2017)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._checks import count, counts
from unwarp._typing import Float
from unwarp.transforms.base import AbstractDisplacement, Kind
from unwarp.transforms.integration import follow
from unwarp.transforms.saved_counts import check_counts, save_counts
from unwarp.transforms.tessellation import node_positions
from unwarp.transforms.velocity_space import inner_nodes, ring_weights, velocity_basis


class Diffeomorphic(AbstractDisplacement):
    """A smooth map without folds, whose inverse is ``-theta``: CPAB.

    T(x) is where a particle that starts at x is after time 1 in the field v: dx/dt = v(x), v = sum_j theta_j b_j. The
    b_j span the continuous fields that are affine on every triangle of a mesh, so within a triangle the way is known in
    closed form, x(t) = x + t phi(tA) v(x) with phi(z) = (e^z - 1) / z. It is followed from triangle to triangle; the
    times of crossing are solved for, and differentiated. First and second derivatives are those of the exact map. A
    way through more than ``stages`` triangles ends in the field of the last.

    Convention: ``theta`` is ``(batch, d)``, coordinates of the velocity field in an orthonormal basis, which is the
    buffer ``basis_vectors``; d depends on the mesh and the constraints. Without constraints these are the velocities
    ``(x, y, z)`` of the mesh's nodes. Beyond -1..1 the field continues as at the boundary.

    Args:
        tessellation: boxes along each axis in tensor order; 3 by default. Each box is four triangles in 2D, twenty-four
            tetrahedra in 3D.
        ndim: spatial dimensions.
        zero_boundary: keep the boundary of -1..1 where it is, so that nothing enters or leaves.
        volume_preserving: keep areas (2D) or volumes (3D); not in 1D, where only shifts would be left.
        stages: number of triangles that a way may cross.

    Raises:
        OptionError: no field but zero meets the constraints.

    Examples:
        >>> family = Diffeomorphic((2, 2), zero_boundary=True)
        >>> theta = torch.full(family.theta_shape, 0.3)
        >>> points = torch.tensor([[0.1, 0.2]])
        >>> bool(torch.allclose(family(-theta, family(theta, points)), points, atol=1e-6))
        True
    """

    name = "diffeomorphic"
    basis_vectors: Tensor
    ring: Tensor

    def __init__(
        self,
        tessellation: Sequence[int] | None = None,
        *,
        ndim: int = 2,
        zero_boundary: bool = False,
        volume_preserving: bool = False,
        stages: int = 16,
    ) -> None:
        super().__init__(ndim)
        self.boxes = counts("tessellation", (3,) * ndim if tessellation is None else tessellation, ndim, least=1)
        self.stages = count("stages", stages)
        self.zero_boundary = zero_boundary
        self.volume_preserving = volume_preserving
        with torch.device("cpu"):  # also where modules are made on the meta device, which has no values to solve with
            basis = velocity_basis(self.boxes, zero_boundary=zero_boundary, volume_preserving=volume_preserving)
        # Saved with the weights: another machine's SVD may turn the basis, and theta would mean another map.
        device, dtype = torch.get_default_device(), torch.get_default_dtype()
        self.register_buffer("basis_vectors", basis.to(device, dtype))
        save_counts(self, self.boxes)
        self.register_buffer("ring", self._ring().to(device, dtype), persistent=False)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (self.basis_vectors.shape[1],)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return ("velocity",) * self.basis_vectors.shape[1]

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.zeros(self.theta_shape, dtype=dtype, device=device)

    def inverse(self, theta: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Time runs backwards: ``-theta``."""
        self._batch_shape(theta)
        return -theta

    def displacement(
        self, theta: Float[Tensor, "*batch d"], points: Float[Tensor, "*#batch points D"]
    ) -> Float[Tensor, "*batch points D"]:
        dtype = coordinates.point_dtype(theta, points)
        return follow(self._node_velocities(theta.to(dtype)), points.to(dtype), self.boxes, self.stages)

    def nodes(self) -> Float[Tensor, "inner D"]:
        """Positions of the nodes whose velocities the basis vectors are made of, x fastest."""
        return node_positions(self.boxes)[inner_nodes(self.boxes)]

    def extra_repr(self) -> str:
        constraints = f"zero_boundary={self.zero_boundary}, volume_preserving={self.volume_preserving}"
        return f"tessellation={self.boxes}, ndim={self.ndim}, {constraints}"

    def _ring(self) -> Tensor:
        with torch.device("cpu"):
            return ring_weights(self.boxes)

    def weights_loaded(self) -> None:
        check_counts(self, "tessellation", self.boxes)
        # In no file, since it follows from the options; a module made on the meta device has no values for it.
        self.ring = self._ring().to(self.basis_vectors)

    def _node_velocities(self, theta: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch nodes D"]:
        nodes = len(self.basis_vectors) // self.ndim
        inner = coordinates.matmul(theta, self.basis_vectors.to(theta).mT)
        return coordinates.matmul(self.ring.to(theta), inner.reshape(*theta.shape[:-1], nodes, self.ndim))
