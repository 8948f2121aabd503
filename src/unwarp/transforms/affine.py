"""Affine maps: the paper's eq. 1."""

import torch
from torch import Tensor

from unwarp._typing import Float, Shaped
from unwarp.transforms.base import AbstractMatrixTransform, Kind


class Affine(AbstractMatrixTransform):
    """x_s = A x_t + b with ``theta = [A | b]``, like `torch.nn.functional.affine_grid`.

    Convention: ``theta`` is ``(batch, D, D + 1)``, maps normalised output points ``(x, y, z)`` to input points.

    Examples:
        >>> flip = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> Affine()(flip, torch.tensor([[0.5, 0.25]]))
        tensor([[[-0.5000,  0.2500]]])
    """

    name = "affine"

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (self.ndim, self.ndim + 1)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.eye(self.ndim, self.ndim + 1, dtype=dtype, device=device)

    def matrix(self, theta: Float[Tensor, "*batch D D1"]) -> Float[Tensor, "*batch D1 D1"]:
        return homogeneous(theta)

    def from_matrix(self, matrix: Float[Tensor, "*batch D1 D1"]) -> Float[Tensor, "*batch D D1"]:
        return matrix[..., : self.ndim, :]

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return affine_kinds(self.ndim)


def affine_kinds(ndim: int, shifts: int = 1) -> tuple[Kind, ...]:
    """Kinds of the entries of [A | b], row by row, where b has ``shifts`` columns."""
    columns = range(ndim + shifts)
    return tuple("shift" if j >= ndim else "scale" if i == j else "shear" for i in range(ndim) for j in columns)


def homogeneous(rows: Shaped[Tensor, "*batch D D1"]) -> Shaped[Tensor, "*batch D1 D1"]:
    """Append the row (0, ..., 0, 1)."""
    last = torch.zeros_like(rows[..., :1, :])
    return torch.cat([rows, torch.cat([last[..., :-1], torch.ones_like(last[..., -1:])], dim=-1)], dim=-2)


def assemble(linear: Float[Tensor, "*batch D D"], shift: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D1 D1"]:
    """Homogeneous matrix of ``linear @ x + shift``."""
    return homogeneous(torch.cat([linear, shift[..., None]], dim=-1))
