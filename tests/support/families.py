"""Every transformation family in every dimension, as tests meet them."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from support.generators import generator
from unwarp.transforms import (
    TRANSFORMS,
    AbstractTransform,
    Affine,
    Bounded,
    BSpline,
    Compose,
    Diffeomorphic,
    Flow,
    LearnedBasis,
    PiecewiseAffine,
    Rigid,
    StationaryVelocity,
    ThinPlateSpline,
)

FAMILIES = tuple(TRANSFORMS)
DIMENSIONS = (1, 2, 3)
CASES = tuple((family, ndim) for family in FAMILIES for ndim in TRANSFORMS[family].dimensions)
"""Every family in every dimension in which it exists."""

WITHOUT_IDENTITY = ("polar", "log_polar")

_SMALL: dict[str, Callable[[int], AbstractTransform]] = {
    "piecewise_affine": lambda ndim: PiecewiseAffine((2,) * ndim, ndim=ndim),
    "thin_plate_spline": lambda ndim: ThinPlateSpline((2,) * ndim, ndim=ndim, regularisation=0.1),
    "b_spline": lambda ndim: BSpline((2,) * ndim, ndim=ndim),
    "diffeomorphic": lambda ndim: Diffeomorphic((1,) * ndim, ndim=ndim, zero_boundary=False, stages=6),
    "stationary_velocity": lambda ndim: StationaryVelocity((2,) * ndim, ndim=ndim, squarings=3),
    "flow": lambda ndim: Flow((2,) * ndim, ndim=ndim),
    "learned_basis": lambda ndim: LearnedBasis(2, (3,) * ndim, ndim=ndim),
    "compose": lambda ndim: Compose(Rigid(ndim), PiecewiseAffine((2,) * ndim, ndim=ndim)),
    "bounded": lambda ndim: Bounded(Affine(ndim), scale=2.0, shift=0.5),
}


@cache
def default(family: str, ndim: int) -> AbstractTransform:
    """The family without options."""
    return TRANSFORMS[family](ndim=ndim)


@cache
def small(family: str, ndim: int) -> AbstractTransform:
    """The family with as few parameters as it can have, in float64: for derivatives by differences."""
    made = _SMALL[family](ndim) if family in _SMALL else TRANSFORMS[family](ndim=ndim)
    return made.double()


def points_inside(ndim: int, count: int, *, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """``(count, ndim)`` points within -0.9..0.9, none on the faces of a lattice."""
    return (1.8 * torch.rand(count, ndim, generator=generator(seed), dtype=torch.float64) - 0.9).to(dtype)
