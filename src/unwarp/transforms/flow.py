"""Dense displacement fields."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._checks import counts, option
from unwarp._typing import Float
from unwarp.errors import UnsupportedError
from unwarp.transforms.base import AbstractDisplacement
from unwarp.transforms.lattice import interpolate

Units = Literal["normalised", "pixel"]


class Flow(AbstractDisplacement):
    """T(x) = x + u(x) with the displacement u given at the pixels of a field, linear between them.

    The field has a size of its own: a coarse one is a smooth deformation with few parameters, one as large as the
    output is optical flow. Beyond the centres of its outermost pixels u stays constant.

    Convention: ``theta`` is ``(batch, *size, D)`` with displacements ``(x, y, z)`` from output to input, at the pixel
    centres of an image of that size. From a ``(batch, 2, h, w)`` flow use ``flow.movedim(1, -1)``.

    Args:
        size: pixels of the field in tensor order; 8 along every axis by default.
        ndim: spatial dimensions.
        units: ``"normalised"`` (2 is the width of the image) or ``"pixel"``: pixels of the field itself, which are
            those of the image where the two have the same size.
        align_corners: whether -1 and 1 are the centres of the field's border pixels, or their outer edges; as in the
            call of `unwarp.warp`.

    Examples:
        >>> Flow((1, 2), units="pixel")(torch.ones(1, 2, 2), torch.zeros(1, 2))
        tensor([[1., 2.]])
    """

    name = "flow"

    def __init__(
        self,
        size: Sequence[int] | None = None,
        *,
        ndim: int = 2,
        units: Units = "normalised",
        align_corners: bool = False,
    ) -> None:
        super().__init__(ndim)
        self.size = counts("size", (8,) * ndim if size is None else size, ndim, least=2 if align_corners else 1)
        self.units: Units = units
        self.align_corners = align_corners
        option("units", units, ("normalised", "pixel"))

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (*self.size, self.ndim)

    def identity(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        return torch.zeros(self.theta_shape, dtype=dtype, device=device)

    def displacement(
        self, theta: Float[Tensor, "*batch *size D"], points: Float[Tensor, "*#batch points D"]
    ) -> Float[Tensor, "*batch points D"]:
        dtype = coordinates.point_dtype(theta, points)
        batch = theta.shape[: theta.ndim - self.ndim - 1]
        nodes = theta.to(dtype).reshape(*batch, math.prod(self.size), self.ndim)
        units = coordinates.normalised_to_pixel(points.to(dtype), self.size, align_corners=self.align_corners)
        moved = interpolate(nodes, units, self.size)
        return moved if self.units == "normalised" else moved / self._extents(moved)

    def compose(self, outer: Tensor, inner: Tensor) -> Tensor:
        """The field of ``T_outer(T_inner(points))``: exact at the pixels of the field, linear between them."""
        self._batch_shape(outer)
        self._batch_shape(inner)
        dtype = coordinates.point_dtype(outer, inner)
        nodes = coordinates.regular_grid(
            self.size, align_corners=self.align_corners, dtype=dtype, device=inner.device
        ).flatten(0, -2)
        first = self.displacement(inner, nodes)
        total = first + self.displacement(outer, nodes + first)
        scaled = total if self.units == "normalised" else total * self._extents(total)
        return scaled.reshape(*total.shape[:-2], *self.theta_shape).to(torch.promote_types(outer.dtype, inner.dtype))

    def inverse(self, theta: Tensor) -> Tensor:
        """Not defined.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            "Flow.inverse: a displacement field may fold, and where it does not its inverse is not linear between the "
            "same pixels. Use Diffeomorphic or StationaryVelocity, whose inverse is the negated field."
        )

    def extra_repr(self) -> str:
        return f"size={self.size}, units={self.units!r}, align_corners={self.align_corners}"

    def _extents(self, like: Tensor) -> Tensor:
        extents = coordinates.half_extents(self.size, align_corners=self.align_corners)
        return torch.tensor(extents, dtype=like.dtype, device=like.device)
