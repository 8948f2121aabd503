"""The inverse of a family."""

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractTransform, Kind, displacement, inverse_matrix
from unwarp.transforms.wrapper import AbstractWrapper, resolve_part


class Inverse(AbstractWrapper):
    """The inverse maps of a family, with the family's own theta.

    For families that are matrices, and for those whose inverses are maps of the same family: `Diffeomorphic`,
    `StationaryVelocity`. Splines, meshes and flows may fold and then have no inverse; where they do not it has no
    closed form, and an iteration that may fail in the middle of training is not hidden here.

    Convention: theta as in the wrapped family. A singular matrix gives positions that are not finite, and no error.

    Args:
        transform: the family or its name; `Affine` by default.
        ndim: spatial dimensions of the default, or of a name.

    Raises:
        UnsupportedError: the family has no inverse in closed form; the message says why.
    """

    name = "inverse"

    def __init__(self, transform: str | AbstractTransform | None = None, *, ndim: int = 2) -> None:
        wrapped = Affine(ndim) if transform is None else resolve_part(transform, ndim)
        if not wrapped.has_matrix:
            wrapped.inverse(wrapped.start())
        super().__init__(wrapped)
        self.transform = wrapped

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return self.transform.theta_shape

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return self.transform.parameter_kinds

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return self.transform.identity(dtype=dtype, device=device)

    def start(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return self.transform.start(dtype=dtype, device=device)

    def inverse(self, theta: Tensor) -> Tensor:
        return self.transform.inverse(theta)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """Inverses compose in the other order."""
        return self.transform.compose(inner, outer)

    def wrapped_matrix(self, theta: Tensor) -> Tensor:
        theta = coordinates.floating(theta)
        exact = theta.to(coordinates.point_dtype(theta))  # torch inverts no half precision
        return inverse_matrix(self.transform.matrix(exact)).to(theta.dtype)

    def wrapped_displacement(self, theta: Tensor, points: Tensor) -> Tensor:
        return displacement(self.transform, self.transform.inverse(theta), points)

    def extra_repr(self) -> str:
        return ""
