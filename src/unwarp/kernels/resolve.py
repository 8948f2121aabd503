"""Kernel names: what ``mode=`` accepts."""

from collections.abc import Callable
from functools import cache, partial

from unwarp._checks import nearest_names
from unwarp.errors import OptionError
from unwarp.kernels.base import AbstractKernel
from unwarp.kernels.bspline import BSpline
from unwarp.kernels.cubic import Cubic
from unwarp.kernels.gaussian import Gaussian
from unwarp.kernels.lanczos import Lanczos
from unwarp.kernels.linear import Linear
from unwarp.kernels.nearest import Nearest

_FACTORIES: dict[str, Callable[[], AbstractKernel]] = {
    "nearest": Nearest,
    "bilinear": Linear,
    "bicubic": Cubic,
    "lanczos2": partial(Lanczos, 2),
    "lanczos3": partial(Lanczos, 3),
    "lanczos4": partial(Lanczos, 4),
    "bspline0": partial(BSpline, 0),
    "bspline1": partial(BSpline, 1),
    "bspline2": partial(BSpline, 2),
    "bspline3": partial(BSpline, 3),
    "bspline4": partial(BSpline, 4),
    "bspline5": partial(BSpline, 5),
    "bspline6": partial(BSpline, 6),
    "bspline7": partial(BSpline, 7),
    "gaussian": Gaussian,
}
_ALIASES = {"linear": "bilinear", "cubic": "bicubic"}

MODES = tuple(_FACTORIES)
"""Every name that ``mode=`` accepts, aliases apart."""


def resolve(mode: str | AbstractKernel) -> AbstractKernel:
    """The kernel a ``mode`` names; a kernel object is returned as it is.

    Raises:
        OptionError: no kernel has that name.
    """
    if isinstance(mode, AbstractKernel):
        return mode
    name = _ALIASES.get(mode, mode)
    if name not in _FACTORIES:
        raise OptionError(
            f"mode: expected one of {', '.join(MODES)} or a kernel, got {mode!r}.{nearest_names(mode, MODES)}"
        )
    return _shared(name)


@cache
def _shared(name: str) -> AbstractKernel:
    return _FACTORIES[name]()
