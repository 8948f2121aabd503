"""Families with limits: no scale, angle or shift beyond what a task can have."""

import math

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._checks import nearest_names
from unwarp._numbers import is_number
from unwarp.errors import OptionError
from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractTransform, Kind, displacement
from unwarp.transforms.wrapper import AbstractWrapper, resolve_part

DEFAULT_LIMITS: dict[Kind, float] = {
    "scale": 2.0,
    "angle": math.pi / 2,
    "shear": 1.0,
    "shift": 1.0,
    "perspective": 0.5,
    "velocity": 1.0,
}
"""What `Bounded` limits where no limit is given."""


class Bounded(AbstractWrapper):
    """A family whose parameters stay within limits: theta_k = id_k + l_k tanh((theta_k - id_k) / l_k).

    The identity stays exact, and there the squash has slope 1, so that training starts as without limits. It is twice
    continuously differentiable, and its slope falls to zero towards the limits.

    | limit | of | what it bounds |
    |---|---|---|
    | ``scale`` | attention, similarity; the diagonal of an affine matrix or learned basis | within 1 / scale .. scale |
    | ``angle`` | rigid, similarity | radians; in 3D each component of the rotation vector |
    | ``shear`` | affine, projective, learned basis: off the diagonal | plus or minus |
    | ``shift`` | translations; how far a control point moves; displacements | normalised, plus or minus |
    | ``perspective`` | projective: the last row | plus or minus; a sum below 1 keeps the horizon outside |
    | ``velocity`` | diffeomorphic, stationary_velocity | plus or minus |

    Convention: theta as in the wrapped family, unlimited.

    Args:
        transform: the family or its name; `Affine` by default.
        ndim: spatial dimensions of the default, or of a name.
        limits: one or more of the table. What has no limit is passed as it is; without any limit `DEFAULT_LIMITS` hold.

    Raises:
        OptionError: a limit that the family has no parameter for, or that leaves no room.

    Examples:
        >>> from unwarp.transforms import Similarity
        >>> family = Bounded(Similarity(), scale=2.0, angle=0.5)
        >>> family.bound(torch.tensor([9.0, -9.0, 0.3, 0.0]))
        tensor([ 2.0000, -0.5000,  0.3000,  0.0000])
    """

    name = "bounded"
    lowest: Tensor
    highest: Tensor

    def __init__(self, transform: str | AbstractTransform | None = None, *, ndim: int = 2, **limits: float) -> None:
        wrapped = Affine(ndim) if transform is None else resolve_part(transform, ndim)
        super().__init__(wrapped)
        self.transform = wrapped
        self.limits: dict[str, float] = limits or {k: v for k, v in DEFAULT_LIMITS.items() if k in self.parameter_kinds}
        _check(self.limits, wrapped)
        self._exact = self._ranges()  # for thetas in float64, whatever the module has been moved to
        device, dtype = torch.get_default_device(), torch.get_default_dtype()
        for side, values in zip(("lowest", "highest"), self._exact, strict=True):
            self.register_buffer(side, values.to(device, dtype), persistent=False)

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

    def bound(self, theta: Tensor) -> Tensor:
        """The theta of the wrapped family: exactly its start, the identity where it has one, where ``theta`` is."""
        self._batch_shape(theta)
        theta = coordinates.floating(theta)
        dtype = coordinates.point_dtype(theta)
        lowest, highest = self._exact if dtype == torch.float64 else (self.lowest, self.highest)
        start = self.start(dtype=theta.dtype, device=theta.device).to(dtype)
        offset = theta.to(dtype) - start
        limit = torch.where(offset < 0, lowest.to(offset), highest.to(offset))
        limited = limit.isfinite()
        finite = torch.where(limited, limit, 1)
        squashed = torch.where(limited, finite * torch.tanh(offset / finite), offset)
        return (start + squashed).to(theta.dtype)

    def inverse(self, theta: Tensor) -> Tensor:
        """Of velocities, whose limits are the same on both sides: ``-theta``.

        Raises:
            UnsupportedError: of other families, whose inverse maps may lie beyond the limits. ``Inverse(Bounded(...))``
                has them where the family is given by a matrix.
        """
        # Not a composition: it refuses, since its inverse is not the opposite velocity.
        return self.transform.inverse(theta) if set(self.parameter_kinds) == {"velocity"} else super().inverse(theta)

    def reduced(self, theta: Tensor) -> tuple[AbstractTransform, Tensor]:
        return self.transform.reduced(self.bound(theta))

    def wrapped_matrix(self, theta: Tensor) -> Tensor:
        return self.transform.matrix(self.bound(theta))

    def wrapped_displacement(self, theta: Tensor, points: Tensor) -> Tensor:
        return displacement(self.transform, self.bound(theta), points)

    def weights_loaded(self) -> None:
        # In no file, since they follow from the options; a module made on the meta device has no values for them.
        device = torch.device("cpu") if self.lowest.is_meta else self.lowest.device
        self.lowest, self.highest = (values.to(device, self.lowest.dtype) for values in self._exact)

    def _ranges(self) -> tuple[Tensor, Tensor]:
        """How far below and above the start each parameter may go: on the CPU, float64."""
        ranges = [_range(kind, self.limits.get(kind)) for kind in self.parameter_kinds]
        lowest, highest = torch.tensor(ranges, dtype=torch.float64, device="cpu").unbind(-1)
        return lowest.reshape(self.theta_shape), highest.reshape(self.theta_shape)

    def extra_repr(self) -> str:
        return ", ".join(f"{kind}={limit}" for kind, limit in self.limits.items())


def _check(limits: dict[str, float], transform: AbstractTransform) -> None:
    known = sorted(set(transform.parameter_kinds))
    for kind, limit in limits.items():
        if kind not in known:
            raise OptionError(
                f"limits: {type(transform).__name__} has {', '.join(known)}, got {kind}={limit!r}."
                f"{nearest_names(kind, known)}"
            )
        smallest = 1.0 if kind == "scale" else 0.0
        if not is_number(limit) or not smallest < limit < math.inf:
            raise OptionError(
                f"{kind}: expected a finite limit above {smallest:g}, a number, got {limit!r}. "
                "Leave it out for no limit."
            )


def _range(kind: Kind, limit: float | None) -> tuple[float, float]:
    """How far below and above the identity a parameter may go."""
    if limit is None:
        return (-math.inf, math.inf)
    return (1 / limit - 1, limit - 1) if kind == "scale" else (-limit, limit)
