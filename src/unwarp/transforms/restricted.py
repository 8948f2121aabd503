"""Affine maps with fewer parameters: translation, attention, rigid, similarity.

All act on normalised coordinates, as the paper does: on an image that is not square a rotation by theta therefore
shears it in pixels. Crop or pad to a square where that matters.
"""

from typing import cast

import torch
from torch import Tensor

from unwarp._typing import Float, Shaped
from unwarp.transforms.affine import assemble
from unwarp.transforms.base import AbstractMatrixTransform, Kind
from unwarp.transforms.rotation import ANGLES, rotation_matrix, rotation_parameters


class Translation(AbstractMatrixTransform):
    """x_s = x_t + t with ``theta = (t_x, t_y, t_z)``, ``(batch, D)``, normalised."""

    name = "translation"

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (self.ndim,)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.zeros(self.ndim, dtype=dtype, device=device)

    def matrix(self, theta: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D1 D1"]:
        return assemble(_eye(theta, self.ndim), theta)

    def from_matrix(self, matrix: Float[Tensor, "*batch D1 D1"]) -> Float[Tensor, "*batch D"]:
        return matrix[..., : self.ndim, self.ndim]


class Attention(AbstractMatrixTransform):
    """x_s = s x_t + t, the paper's attention (eq. 2): an isotropic crop.

    Convention: ``theta = (s, t_x, t_y, t_z)``, ``(batch, 1 + D)``; ``s < 1`` zooms in.
    """

    name = "attention"

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (1 + self.ndim,)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return _first_one(1 + self.ndim, dtype, device)

    def matrix(self, theta: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch D1 D1"]:
        return assemble(_eye(theta, self.ndim) * theta[..., :1, None], theta[..., 1:])

    def from_matrix(self, matrix: Float[Tensor, "*batch D1 D1"]) -> Float[Tensor, "*batch P"]:
        return torch.cat([matrix[..., 0, :1], matrix[..., : self.ndim, self.ndim]], dim=-1)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return _kinds(scales=1, angles=0, shifts=self.ndim)


class Rigid(AbstractMatrixTransform):
    """x_s = R x_t + t.

    Convention: ``theta = (rotation, translation)``: 2D ``(angle, t_x, t_y)`` with the angle from x towards y; 3D
    ``(r_x, r_y, r_z, t_x, t_y, t_z)`` with the rotation vector r = axis times angle; 1D ``(t_x)``. Radians.
    """

    name = "rigid"

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (ANGLES[self.ndim] + self.ndim,)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.zeros(self.theta_shape, dtype=dtype, device=device)

    def matrix(self, theta: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch D1 D1"]:
        angles = ANGLES[self.ndim]
        return assemble(rotation_matrix(theta[..., :angles], self.ndim), theta[..., angles:])

    def from_matrix(self, matrix: Float[Tensor, "*batch D1 D1"]) -> Float[Tensor, "*batch P"]:
        linear, shift = matrix[..., : self.ndim, : self.ndim], matrix[..., : self.ndim, self.ndim]
        return torch.cat([rotation_parameters(linear), shift], dim=-1)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return _kinds(scales=0, angles=ANGLES[self.ndim], shifts=self.ndim)


class Similarity(AbstractMatrixTransform):
    """x_s = s R x_t + t.

    Convention: ``theta = (s, rotation, translation)``, rotation as in `Rigid`; 2D ``(s, angle, t_x, t_y)``. Scales are
    positive, and ``s < 1`` zooms in; a negative one is a half turn more in 2D, and mirrors in 1D and 3D.
    """

    name = "similarity"

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (1 + ANGLES[self.ndim] + self.ndim,)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return _first_one(self.theta_shape[0], dtype, device)

    def matrix(self, theta: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch D1 D1"]:
        shift = 1 + ANGLES[self.ndim]
        rotation = rotation_matrix(theta[..., 1:shift], self.ndim)
        return assemble(theta[..., :1, None] * rotation, theta[..., shift:])

    def from_matrix(self, matrix: Float[Tensor, "*batch D1 D1"]) -> Float[Tensor, "*batch P"]:
        linear, shift = matrix[..., : self.ndim, : self.ndim], matrix[..., : self.ndim, self.ndim]
        # The columns of s R all have length |s|; hypot of the first is exact for the identity.
        length = linear[..., 0].square().sum(-1, keepdim=True).sqrt()
        scale = length if self.ndim == 2 else torch.where(_reflects(linear / length[..., None]), -length, length)
        return torch.cat([scale, rotation_parameters(linear / scale[..., None]), shift], dim=-1)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return _kinds(scales=1, angles=ANGLES[self.ndim], shifts=self.ndim)


def _kinds(*, scales: int, angles: int, shifts: int) -> tuple[Kind, ...]:
    first: tuple[Kind, ...] = ("scale",) * scales
    middle: tuple[Kind, ...] = ("angle",) * angles
    last: tuple[Kind, ...] = ("shift",) * shifts
    return (*first, *middle, *last)


def _reflects(orthogonal: Float[Tensor, "*batch D D"]) -> Shaped[Tensor, "*batch 1"]:
    """Whether the determinant is negative, in 1D or, as a triple product, in 3D."""
    first, *others = orthogonal.detach().unbind(-1)
    product = cast("Tensor", torch.linalg.cross(first, others[0])) * others[1] if others else first
    return product.sum(-1, keepdim=True) < 0


def _eye(theta: Tensor, ndim: int) -> Tensor:
    return torch.eye(ndim, dtype=theta.dtype, device=theta.device).expand(*theta.shape[:-1], ndim, ndim)


def _first_one(count: int, dtype: torch.dtype | None, device: torch.device | None) -> Tensor:
    theta = torch.zeros(count, dtype=dtype, device=device)
    theta[0] = 1
    return theta
