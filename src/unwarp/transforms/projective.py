"""Projective maps (homographies)."""

import torch
from torch import Tensor

from unwarp._typing import Float
from unwarp.transforms.affine import affine_kinds
from unwarp.transforms.base import AbstractMatrixTransform, Kind


class Projective(AbstractMatrixTransform):
    """x_s = (A x_t + b) / (h x_t + 1).

    Convention: ``theta`` is ``(batch, (D + 1)^2 - 1)``: the entries of the homogeneous matrix row by row without the
    last one, which is 1; in 2D ``(h11, h12, h13, h21, h22, h23, h31, h32)``.

    Points whose denominator is at most 1e-6 lie behind the horizon. They are put far outside of the image and pass no
    gradient: ``zeros`` and ``fill`` show padding there, ``border`` the edge.
    """

    name = "projective"
    projective = True

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return ((self.ndim + 1) ** 2 - 1,)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.eye(self.ndim + 1, dtype=dtype, device=device).flatten()[:-1]

    def matrix(self, theta: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch D1 D1"]:
        full = torch.cat([theta, torch.ones_like(theta[..., :1])], dim=-1)
        return full.reshape(*theta.shape[:-1], self.ndim + 1, self.ndim + 1)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        last_row: tuple[Kind, ...] = ("perspective",) * self.ndim
        return (*affine_kinds(self.ndim), *last_row)

    def from_matrix(self, matrix: Float[Tensor, "*batch D1 D1"]) -> Float[Tensor, "*batch P"]:
        """The theta of a homogeneous matrix, divided by its last entry.

        A matrix whose last entry is zero or negative sends the image centre behind the horizon: it has no theta, and
        the result is not finite or describes the mirrored half space.
        """
        flat = matrix.flatten(-2)
        return flat[..., :-1] / flat[..., -1:]
