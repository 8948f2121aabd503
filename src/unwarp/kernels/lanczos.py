"""Lanczos kernels: a sinc under a wider sinc."""

import math

import torch
from torch import Tensor

from unwarp._numbers import is_integer
from unwarp.errors import OptionError
from unwarp.kernels.base import AbstractKernel

_SERIES = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(10))
"""Taylor coefficients of sin(x) / x in x^2: exact to float64 for |x| <= 1."""


class Lanczos(AbstractKernel):
    """k(t) = sinc(t) sinc(t / lobes) for |t| < lobes, with sinc(t) = sin(pi t) / (pi t) (Lanczos; Duchon 1979).

    The weights are divided by their sum: the kernel alone does not keep a constant image constant. It passes through
    the pixels exactly. Sharper than cubic, with ringing at edges.

    Args:
        lobes: radius in pixels, at least 1; 2, 3 and 4 are usual.
    """

    partition_of_unity = False

    def __init__(self, lobes: int = 3) -> None:
        super().__init__()
        if not is_integer(lobes) or lobes < 1:
            raise OptionError(f"lobes: expected at least 1, a whole number, got {lobes!r}. Use 2, 3 or 4.")
        self.lobes = int(lobes)
        self.support = float(lobes)
        self.name = f"lanczos{lobes}"

    def forward(self, distance: Tensor) -> Tensor:
        product = sinc(distance) * sinc(distance / self.lobes)
        # Half open, so that the second derivative at either end is the right-hand one.
        return torch.where((distance >= -self.lobes) & (distance < self.lobes), product, 0)

    def extra_repr(self) -> str:
        return f"lobes={self.lobes}"


def sinc(distance: Tensor) -> Tensor:
    """sin(pi t) / (pi t): exactly 0 at the integers but 0, and right to every derivative at 0.

    `torch.sinc` is neither: sin of a rounded multiple of pi is 1e-7, and its second derivative at 0 is 0. Around 0 this
    is the Taylor series, elsewhere (-1)^k sin(pi (t - k)) / (pi t) with k the nearest integer.
    """
    scaled = math.pi * distance
    near = scaled.abs() <= 1
    inner = scaled.clamp(-1, 1)
    square = inner * inner
    series = torch.full_like(square, _SERIES[-1])
    for coefficient in reversed(_SERIES[:-1]):
        series = series * square + coefficient
    nearest = distance.detach().round()
    sign = 1 - 2 * torch.remainder(nearest, 2)
    quotient = sign * torch.sin(math.pi * (distance - nearest)) / torch.where(near, 1, scaled)
    return torch.where(near, series, quotient)
