"""The paper's T_theta = M_theta B with the grid representation B learned (end of its section 3.2)."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unwarp import coordinates
from unwarp._checks import count, counts
from unwarp._typing import Float
from unwarp.errors import OptionError
from unwarp.transforms.affine import affine_kinds
from unwarp.transforms.base import AbstractDisplacement, Kind
from unwarp.transforms.bspline import bspline_basis
from unwarp.transforms.saved_counts import check_counts, save_counts


class LearnedBasis(AbstractDisplacement):
    """T(x) = M B(x) with M = theta predicted for each image and B(x) = (x, y, 1, b_1(x), ..., b_F(x)) learned.

    The first rows of B are the homogeneous coordinates and stay: they keep the identity and all affine maps within the
    family, whatever is learned. The b_f are fields, shared by all images and trained with the network like any other
    parameter: the modes in which this task's images deform. Each is a cubic B-spline over a lattice from -1 to 1, so B
    is known at any resolution. They start as the lowest cosine waves.

    Convention: ``theta`` is ``(batch, D, D + 1 + features)``: an affine theta followed by a displacement ``(x, y, z)``
    for each field, normalised.

    Args:
        features: number of learned fields F.
        control: counts of their lattice in tensor order; 8 along every axis by default.
        ndim: spatial dimensions.

    Attributes:
        fields: parameter ``(points of the lattice, F)``.
    """

    name = "learned_basis"

    def __init__(self, features: int = 4, control: Sequence[int] | None = None, *, ndim: int = 2) -> None:
        super().__init__(ndim)
        self.features = count("features", features)
        self.counts = counts("control", (8,) * ndim if control is None else control, ndim, least=2)
        if features >= math.prod(self.counts):
            raise OptionError(
                f"features: expected at least 1 and fewer than the {math.prod(self.counts)} points of the lattice, "
                f"got {features!r}. Use Affine for none, or a larger control."
            )
        self.fields = nn.Parameter(_cosines(features, self.counts))
        save_counts(self, self.counts)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (self.ndim, self.ndim + 1 + self.features)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.eye(*self.theta_shape, dtype=dtype, device=device)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return affine_kinds(self.ndim, 1 + self.features)

    def basis(self, points: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """The rows of B at given points: what ``theta.mT`` is multiplied by."""
        fields = coordinates.matmul(bspline_basis(points, self.counts), self.fields.to(points))
        return torch.cat([points, torch.ones_like(points[..., :1]), fields], dim=-1)

    def displacement(
        self, theta: Float[Tensor, "*batch D K"], points: Float[Tensor, "*#batch points D"]
    ) -> Float[Tensor, "*batch points D"]:
        dtype = coordinates.point_dtype(theta, points)
        moving = theta.to(dtype) - self.identity(dtype=dtype, device=theta.device)
        return coordinates.matmul(self.basis(points.to(dtype)), moving.mT)

    def weights_loaded(self) -> None:
        check_counts(self, "control", self.counts)

    def extra_repr(self) -> str:
        return f"features={self.features}, control={self.counts}, ndim={self.ndim}"


def _cosines(features: int, counts: Sequence[int]) -> Float[Tensor, "K features"]:
    """The ``features`` lowest cosine waves above the constant, of amplitude 1."""
    points = coordinates.corner_grid(counts, dtype=torch.float64)
    resolved = itertools.product(*(range(min(n, features + 1)) for n in reversed(counts)))
    frequencies = sorted(resolved, key=lambda waves: (sum(waves), waves))
    chosen = torch.tensor(frequencies[1 : features + 1], dtype=torch.float64)
    waves = torch.cos((points[:, None] + 1) / 2 * torch.pi * chosen).prod(-1)
    return waves.to(torch.get_default_dtype())
