"""Polar and log-polar grids about a predicted origin (Esteves et al. 2018)."""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._numbers import is_number
from unwarp._typing import Float
from unwarp.errors import OptionError
from unwarp.transforms.base import AbstractTransform


class AbstractPolar(AbstractTransform):
    """T(u, v) = origin + r(u) (cos phi, sin phi) with phi = pi (1 + v): radius along x, a full turn along y.

    No theta makes such a map the identity: training starts from the centre of the image, as `start` says.
    """

    dimensions = (2, 3)

    def __init__(self, ndim: int = 2, *, radius: float = 1.0) -> None:
        super().__init__(ndim)
        if not is_number(radius) or not 0 < radius < math.inf:
            raise OptionError(f"radius: expected a positive number, got {radius!r}. 1 is half the width of the image.")
        self.radius = float(radius)

    @abstractmethod
    def radii(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Radius at each normalised position along the output's first axis."""

    @property
    def theta_shape(self) -> tuple[int, ...]:
        return (self.ndim,)

    def start(self, *, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Tensor:
        """The origin in the centre."""
        return torch.zeros(self.ndim, dtype=dtype, device=device)

    def transform_points(
        self, theta: Float[Tensor, "*batch D"], points: Float[Tensor, "*#batch points D"]
    ) -> Float[Tensor, "*batch points D"]:
        dtype = coordinates.point_dtype(theta, points)
        u, v, *along = points.to(dtype).unbind(-1)
        radius, angle = self.radii(u), math.pi * (1 + v)
        around = torch.stack([radius * angle.cos(), radius * angle.sin(), *along], dim=-1)
        return theta.to(dtype)[..., None, :] + around

    def extra_repr(self) -> str:
        return f"ndim={self.ndim}, radius={self.radius}"


class Polar(AbstractPolar):
    """Unrolls the disc about a predicted origin: columns of the output are radii, rows are angles.

    T(u, v) = origin + r (cos phi, sin phi), r = radius (1 + u) / 2, phi = pi (1 + v). Turning the input about the
    origin shifts the output's rows, which wrap around: a convolution that pads them circularly is then equivariant to
    rotation. In 3D the grid is cylindrical: z is only shifted.

    Convention: ``theta`` is the origin, ``(batch, D)``, normalised ``(x, y, z)``; angle 0 points along x and is at the
    output's upper edge, angles grow from x towards y; radius 0 is at the left edge.

    Args:
        ndim: 2 or 3.
        radius: normalised radius at the right edge; 1 reaches the middle of the image's sides from its centre.

    Raises:
        OptionError: the radius is not positive, or ``ndim`` is 1.

    Examples:
        >>> grid = Polar()(torch.zeros(1, 2), torch.tensor([[1.0, -1.0], [1.0, -0.5]]))
        >>> grid.round(decimals=4) + 0
        tensor([[[1., 0.],
                 [0., 1.]]])
    """

    name = "polar"

    def radii(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        return self.radius * 0.5 * (1 + u)


class LogPolar(AbstractPolar):
    """Like `Polar` with radii that grow by a constant factor a pixel: scaling the input shifts the output's columns.

    T(u, v) = origin + r (cos phi, sin phi), r = radius * smallest^((1 - u) / 2), phi = pi (1 + v). Turning and scaling
    about the origin are both shifts of the output, which a convolution is equivariant to. In 3D z is only shifted.

    Convention: as `Polar`.

    Args:
        ndim: 2 or 3.
        radius: normalised radius at the right edge.
        smallest: radius at the left edge, as a share of ``radius``; the disc inside it is not sampled.

    Raises:
        OptionError: the radius is not positive, ``smallest`` not between 0 and 1, or ``ndim`` is 1.
    """

    name = "log_polar"

    def __init__(self, ndim: int = 2, *, radius: float = 1.0, smallest: float = 0.05) -> None:
        super().__init__(ndim, radius=radius)
        if not is_number(smallest) or not 0 < smallest < 1:
            raise OptionError(
                f"smallest: expected a share of the radius between 0 and 1, got {smallest!r}. "
                "Use about one pixel, 2 / width."
            )
        self.smallest = float(smallest)

    def radii(self, u: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        return self.radius * torch.exp(0.5 * math.log(self.smallest) * (1 - u))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, smallest={self.smallest}"
