"""Sampling kernels: one-dimensional weights, applied along each axis."""

from unwarp.kernels.base import AbstractKernel
from unwarp.kernels.linear import Linear
from unwarp.kernels.nearest import Nearest
from unwarp.kernels.resolve import MODES, resolve

__all__ = ["MODES", "AbstractKernel", "Linear", "Nearest", "resolve"]
