"""Sampling kernels: one-dimensional weights, applied along each axis."""

from unwarp.kernels.base import AbstractKernel
from unwarp.kernels.bspline import BSpline
from unwarp.kernels.cubic import Cubic
from unwarp.kernels.gaussian import Gaussian
from unwarp.kernels.lanczos import Lanczos
from unwarp.kernels.linear import Linear
from unwarp.kernels.nearest import Nearest
from unwarp.kernels.resolve import MODES, resolve

__all__ = [
    "MODES",
    "AbstractKernel",
    "BSpline",
    "Cubic",
    "Gaussian",
    "Lanczos",
    "Linear",
    "Nearest",
    "resolve",
]
