"""Transform names: what ``transform=`` accepts."""

from concurrent.futures import ThreadPoolExecutor

import torch

from unwarp._checks import nearest_names
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms.affine import Affine
from unwarp.transforms.base import AbstractTransform
from unwarp.transforms.bounded import Bounded
from unwarp.transforms.bspline import BSpline
from unwarp.transforms.compose import Compose
from unwarp.transforms.diffeomorphic import Diffeomorphic
from unwarp.transforms.flow import Flow
from unwarp.transforms.inverse import Inverse
from unwarp.transforms.learned_basis import LearnedBasis
from unwarp.transforms.piecewise_affine import PiecewiseAffine
from unwarp.transforms.polar import LogPolar, Polar
from unwarp.transforms.projective import Projective
from unwarp.transforms.restricted import Attention, Rigid, Similarity, Translation
from unwarp.transforms.stationary_velocity import StationaryVelocity
from unwarp.transforms.thin_plate_spline import ThinPlateSpline

TRANSFORMS: dict[str, type[AbstractTransform]] = {
    "translation": Translation,
    "attention": Attention,
    "rigid": Rigid,
    "similarity": Similarity,
    "affine": Affine,
    "projective": Projective,
    "piecewise_affine": PiecewiseAffine,
    "thin_plate_spline": ThinPlateSpline,
    "b_spline": BSpline,
    "diffeomorphic": Diffeomorphic,
    "stationary_velocity": StationaryVelocity,
    "flow": Flow,
    "polar": Polar,
    "log_polar": LogPolar,
    "learned_basis": LearnedBasis,
    "compose": Compose,
    "inverse": Inverse,
    "bounded": Bounded,
}
"""Every name that ``transform=`` accepts."""

_shared: dict[tuple[str, int, torch.dtype], AbstractTransform] = {}


def resolve(transform: str | AbstractTransform, ndim: int) -> AbstractTransform:
    """The transform a name stands for, with its default options; an object is returned as it is.

    Raises:
        OptionError: no transform has that name.
        ShapeError: the transform is for another number of dimensions.
    """
    if isinstance(transform, AbstractTransform):
        if transform.ndim != ndim:
            there = ndim in transform.dimensions
            fix = f"Use {type(transform).__name__}(ndim={ndim})." if there else "The family does not exist in these."
            raise ShapeError(f"transform: expected one of {ndim} dimensions like the image, got {transform}. {fix}")
        return transform
    if not isinstance(transform, str) or transform not in TRANSFORMS:  # pyright: ignore[reportUnnecessaryIsInstance]
        known = ", ".join(TRANSFORMS)
        hint = f" Use {transform.__name__}()." if isinstance(transform, type) else nearest_names(transform, TRANSFORMS)
        raise OptionError(f"transform: expected one of {known} or a transform, got {transform!r}.{hint}")
    dtype = torch.get_default_dtype()  # of the numbers that a transform made now would have
    _make_once(transform, ndim, dtype)
    return _shared[transform, ndim, dtype]


def _make_once(name: str, ndim: int, dtype: torch.dtype) -> bool:
    """Make a shared transform if there is none yet: also while torch.compile traces, which cannot make modules."""
    if (name, ndim, dtype) in _shared:
        return False
    # In a thread of its own, which no tracing, inference or device mode of the first caller reaches: the object
    # outlives the call, and a fake or inference tensor in it would break every later one.
    with ThreadPoolExecutor(1) as apart:
        _shared[name, ndim, dtype] = apart.submit(TRANSFORMS[name], ndim=ndim).result()
    return True


# What torch.compiler.assume_constant_result does, which would load the compiler, two seconds' worth, at import.
_make_once._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]


def create(transform: str | AbstractTransform, ndim: int) -> AbstractTransform:
    """Like `resolve`, but a name gives an object of its own, whose buffers a module may move."""
    if isinstance(transform, str) and transform in TRANSFORMS:
        return TRANSFORMS[transform](ndim=ndim)
    return resolve(transform, ndim)
