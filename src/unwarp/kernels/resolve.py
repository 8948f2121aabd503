"""Kernel names: what ``mode=`` accepts."""

import torch

from unwarp._checks import nearest_names
from unwarp.errors import OptionError
from unwarp.kernels.base import AbstractKernel
from unwarp.kernels.bspline import BSpline
from unwarp.kernels.cubic import Cubic
from unwarp.kernels.gaussian import Gaussian
from unwarp.kernels.lanczos import Lanczos
from unwarp.kernels.linear import Linear
from unwarp.kernels.nearest import Nearest

with torch.device("cpu"):  # whatever the default is when unwarp is imported
    _KERNELS: dict[str, AbstractKernel] = {
        "nearest": Nearest(),
        "bilinear": Linear(),
        "bicubic": Cubic(),
        "lanczos2": Lanczos(2),
        "lanczos3": Lanczos(3),
        "lanczos4": Lanczos(4),
        "bspline0": BSpline(0),
        "bspline1": BSpline(1),
        "bspline2": BSpline(2),
        "bspline3": BSpline(3),
        "bspline4": BSpline(4),
        "bspline5": BSpline(5),
        "bspline6": BSpline(6),
        "bspline7": BSpline(7),
        "gaussian": Gaussian(),
    }
_ALIASES = {"linear": "bilinear", "cubic": "bicubic"}

MODES = tuple(_KERNELS)
"""Every name that ``mode=`` accepts, aliases apart."""


def resolve(mode: str | AbstractKernel) -> AbstractKernel:
    """The kernel a ``mode`` names; a kernel object is returned as it is.

    Raises:
        OptionError: no kernel has that name.
    """
    if isinstance(mode, AbstractKernel):
        return mode
    name = _ALIASES.get(mode, mode) if isinstance(mode, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if name not in _KERNELS:
        raise OptionError(
            f"mode: expected one of {', '.join(MODES)} or a kernel, got {mode!r}.{nearest_names(mode, MODES)}"
        )
    return _KERNELS[name]
