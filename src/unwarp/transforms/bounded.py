"""Families with limits: no scale, angle or shift beyond what a task can have."""

import math

import torch
from torch import Tensor

from unwarp import coordinates
from unwarp._checks import nearest_names
from unwarp.errors import OptionError
from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractTransform, Kind, displacement
from unwarp.transforms.wrapper import AbstractWrapper

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
    | ``scale`` | attention, similarity; the diagonal of an affine matrix | within 1 / scale .. scale |
    | ``angle`` | rigid, similarity | radians; in 3D each component of the rotation vector |
    | ``shear`` | affine, projective: off the diagonal | plus or minus |
    | ``shift`` | translations; how far a control point moves; displacements | normalised, plus or minus |
    | ``perspective`` | projective: the last row | plus or minus; a sum below 1 keeps the horizon outside |
    | ``velocity`` | diffeomorphic, stationary_velocity | plus or minus |

    Convention: theta as in the wrapped family, unlimited.

    Args:
        transform: the family; `Affine` by default.
        ndim: spatial dimensions of the default.
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

    def __init__(self, transform: AbstractTransform | None = None, *, ndim: int = 2, **limits: float) -> None:
        wrapped = Affine(ndim) if transform is None else transform
        super().__init__(wrapped)
        self.transform = wrapped
        self.limits: dict[str, float] = limits or {k: v for k, v in DEFAULT_LIMITS.items() if k in self.parameter_kinds}
        _check(self.limits, wrapped)
        lowest, highest = self._ranges()
        self.register_buffer("lowest", lowest, persistent=False)
        self.register_buffer("highest", highest, persistent=False)

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
        theta = coordinates.floating(theta)
        dtype = coordinates.point_dtype(theta)
        start = self.start(dtype=theta.dtype, device=theta.device).to(dtype)
        offset = theta.to(dtype) - start
        limit = torch.where(offset < 0, self.lowest.to(offset), self.highest.to(offset))
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
        with torch.device("cpu" if self.lowest.is_meta else self.lowest.device):
            self.lowest, self.highest = (values.to(self.lowest.dtype) for values in self._ranges())

    def _ranges(self) -> tuple[Tensor, Tensor]:
        lowest, highest = zip(*(_range(kind, self.limits.get(kind)) for kind in self.parameter_kinds), strict=True)
        return torch.tensor(lowest).reshape(self.theta_shape), torch.tensor(highest).reshape(self.theta_shape)

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
        if not smallest < limit < math.inf:
            raise OptionError(f"{kind}: expected a finite limit above {smallest:g}, got {limit!r}.")


def _range(kind: Kind, limit: float | None) -> tuple[float, float]:
    """How far below and above the identity a parameter may go."""
    if limit is None:
        return (-math.inf, math.inf)
    return (1 / limit - 1, limit - 1) if kind == "scale" else (-limit, limit)
