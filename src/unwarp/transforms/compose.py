"""One transform after another."""

import math
from typing import cast

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._typing import Float
from unwarp.errors import ShapeError, UnsupportedError
from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractTransform, Kind, displacement
from unwarp.transforms.thin_plate_spline import ThinPlateSpline
from unwarp.transforms.wrapper import AbstractWrapper, resolve_part


class Compose(AbstractWrapper):
    """T(x) = T_outer(T_inner(x)): a family for any two families.

    Since transforms map output to input, warping with a composition samples once what two warps would sample twice:
    ``outer`` is what the image is warped by first. The default is an affine map refined by a thin-plate spline. Where
    both are matrices, so is the composition, and it is evaluated as one.

    Convention: ``theta`` is ``(batch, P_outer + P_inner)``: both thetas, flattened; see `join` and `parts`.

    Args:
        outer: the map applied last to points, or its name; `Affine` by default.
        inner: the map applied first to points, or its name; `ThinPlateSpline` by default.
        ndim: spatial dimensions of the defaults and of names.

    Examples:
        >>> from unwarp.transforms import Attention, Rigid
        >>> turn_then_crop = Compose(Rigid(), Attention())
        >>> turn_then_crop.theta_shape, turn_then_crop.has_matrix
        ((6,), True)
    """

    name = "compose"

    def __init__(
        self,
        outer: str | AbstractTransform | None = None,
        inner: str | AbstractTransform | None = None,
        *,
        ndim: int | None = None,
    ) -> None:
        given = next((part.ndim for part in (outer, inner) if isinstance(part, AbstractTransform)), 2)
        default = given if ndim is None else ndim
        chosen_outer = Affine(default) if outer is None else resolve_part(outer, default)
        chosen_inner = ThinPlateSpline(ndim=default) if inner is None else resolve_part(inner, default)
        super().__init__(chosen_outer, chosen_inner)
        self.outer = chosen_outer
        self.inner = chosen_inner

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (math.prod(self.outer.theta_shape) + math.prod(self.inner.theta_shape),)

    @property
    def parameter_kinds(self) -> tuple[Kind, ...]:
        return (*self.outer.parameter_kinds, *self.inner.parameter_kinds)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        parts = [part.identity(dtype=dtype, device=device).flatten() for part in (self.outer, self.inner)]
        return torch.cat(parts)

    def start(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.cat([part.start(dtype=dtype, device=device).flatten() for part in (self.outer, self.inner)])

    def join(self, outer: Tensor, inner: Tensor) -> Float[Tensor, "*batch P"]:
        """The theta made of the thetas of both parts; batch dimensions broadcast.

        Raises:
            ShapeError: a theta is not of its part's shape, or their batches do not go together.
        """
        first = outer.reshape(*self.outer._batch_shape(outer), -1)
        second = inner.reshape(*self.inner._batch_shape(inner), -1)
        try:
            batch = cast("torch.Size", torch.broadcast_shapes(first.shape[:-1], second.shape[:-1]))
        except RuntimeError as error:
            raise ShapeError(
                f"outer, inner: expected batches that broadcast, got {tuple(first.shape[:-1])} and "
                f"{tuple(second.shape[:-1])}. Give one theta of each for an image."
            ) from error
        return torch.cat([first.expand(*batch, -1), second.expand(*batch, -1)], dim=-1)

    def parts(self, theta: Float[Tensor, "*batch P"]) -> tuple[Tensor, Tensor]:
        """The thetas of the outer and the inner transform."""
        border, batch = math.prod(self.outer.theta_shape), self._batch_shape(theta)
        outer = theta[..., :border].reshape(*batch, *self.outer.theta_shape)
        inner = theta[..., border:].reshape(*batch, *self.inner.theta_shape)
        return outer, inner

    def inverse(self, theta: Tensor) -> Tensor:
        """Not defined.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            "Compose.inverse: the inverse applies the parts in the other order and is a map of another family. "
            "Use Inverse(...) for matrix families, or Compose(Inverse(inner), Inverse(outer))."
        )

    def wrapped_matrix(self, theta: Tensor) -> Tensor:
        outer, inner = self.parts(theta)
        return coordinates.matmul(self.outer.matrix(outer), self.inner.matrix(inner))

    def wrapped_displacement(self, theta: Tensor, points: Tensor) -> Tensor:
        outer, inner = self.parts(theta)
        first = displacement(self.inner, inner, points)
        return first + displacement(self.outer, outer, points.to(coordinates.point_dtype(first)) + first)

    def extra_repr(self) -> str:
        return ""
