"""Diffeomorphisms that integrate a smooth stationary velocity field by scaling and squaring (Arsigny et al. 2006)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._checks import counts
from unwarp._numbers import is_integer
from unwarp._typing import Float
from unwarp.errors import OptionError
from unwarp.transforms.base import AbstractDisplacement, Kind
from unwarp.transforms.lattice import interpolate, lattice_units


class StationaryVelocity(AbstractDisplacement):
    """T = exp(v): the field v is divided by 2^squarings, and the small map composed with itself as often.

    Displacements are kept on the lattice of the field and are linear in between, as in medical image registration. So
    the inverse ``-theta`` is exact up to the lattice's resolution (`Diffeomorphic` has no such error), for points that
    stay on the lattice: beyond it they move as its border does.

    Convention: ``theta`` is ``(batch, *size, D)``: velocities ``(x, y, z)`` from output to input, normalised, on a
    lattice from -1 to 1.

    Args:
        size: points of the lattice in tensor order; 8 along every axis by default.
        ndim: spatial dimensions.
        squarings: the map is composed of ``2^squarings`` small steps. Half a lattice spacing a step is small enough.
    """

    name = "stationary_velocity"

    def __init__(self, size: Sequence[int] | None = None, *, ndim: int = 2, squarings: int = 7) -> None:
        super().__init__(ndim)
        self.size = counts("size", (8,) * ndim if size is None else size, ndim, least=2)
        if not is_integer(squarings) or not 0 <= squarings <= 30:
            raise OptionError(f"squarings: expected an integer from 0 to 30, got {squarings!r}. Leave it out for 7.")
        self.squarings = int(squarings)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (*self.size, self.ndim)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return ("velocity",) * math.prod(self.theta_shape)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.zeros(self.theta_shape, dtype=dtype, device=device)

    def inverse(self, theta: Float[Tensor, "*batch *size D"]) -> Float[Tensor, "*batch *size D"]:
        """Time runs backwards: ``-theta``. Exact up to the resolution of the lattice, where points stay on it."""
        self._batch_shape(theta)
        return -theta

    def displacement(
        self, theta: Float[Tensor, "*batch *size D"], points: Float[Tensor, "*#batch points D"]
    ) -> Float[Tensor, "*batch points D"]:
        dtype = coordinates.point_dtype(theta, points)
        batch = theta.shape[: theta.ndim - self.ndim - 1]
        moved = theta.to(dtype).reshape(*batch, math.prod(self.size), self.ndim) / 2**self.squarings
        nodes = coordinates.corner_grid(self.size, dtype=dtype, device=theta.device)
        for _ in range(self.squarings):
            moved = moved + self._between(moved, nodes + moved)
        return self._between(moved, points.to(dtype))

    def extra_repr(self) -> str:
        return f"size={self.size}, squarings={self.squarings}"

    def _between(self, nodes: Tensor, points: Tensor) -> Tensor:
        return interpolate(nodes, lattice_units(points, self.size), self.size)
