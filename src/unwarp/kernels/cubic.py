"""Cubic convolution, from bicubic to tricubic."""

import math

import torch
from torch import Tensor

from unwarp._numbers import is_number
from unwarp.errors import OptionError
from unwarp.kernels.base import AbstractKernel


class Cubic(AbstractKernel):
    """Keys' cubic convolution (1981).

    k(t) = (a + 2) |t|^3 - (a + 3) |t|^2 + 1 for |t| <= 1, a (|t|^3 - 5 |t|^2 + 8 |t| - 4) for |t| < 2, else 0.

    It passes through the pixels and has a continuous slope, so the gradient has no jumps at the lattice. It overshoots:
    values may leave the range of the image.

    Args:
        a: slope at distance 1. -0.75 is what `torch.nn.functional.grid_sample` and OpenCV use; -0.5 (Keys, Pillow, and
            torch's antialiased `interpolate`) reproduces quadratic images exactly. A number, which is not learned.

    Raises:
        OptionError: a is not a finite number.
    """

    name = "bicubic"
    support = 2.0

    def __init__(self, a: float = -0.75) -> None:
        super().__init__()
        if torch.is_tensor(a):
            raise OptionError(
                "a: expected a number, got a tensor, to which the fused ops would pass no gradient. Use float(a), or, "
                "to learn it, a kernel of your own with a parameter (docs/kernels/your_own.md)."
            )
        if not is_number(a) or not math.isfinite(a):
            raise OptionError(f"a: expected a finite number, got {a!r}. Use -0.75 or -0.5.")
        self.a = float(a)

    def forward(self, distance: Tensor) -> Tensor:
        # Exactly 0 at distances 1 and 2. The square is taken of t, not of |t|, whose second derivative at 0 is lost.
        near, beyond = distance.clamp(-1, 1), torch.relu(distance.abs() - 1).clamp_max(1)
        middle = 1 - near * near * (1 + (self.a + 2) * (1 - near.abs()))
        return middle + self.a * beyond * (1 - beyond) * (1 - beyond)

    def weights(self, fraction: Tensor) -> Tensor:
        # Powers of the fraction itself: without abs() every derivative is right on the lattice, and at fraction 0 the
        # weights are exactly (0, 1, 0, 0).
        a, f = self.a, fraction
        g = 1 - f
        inner = f * (-a + f * ((2 * a + 3) - (a + 2) * f))
        return torch.stack([a * f * g * g, 1 - f * f * ((a + 3) - (a + 2) * f), inner, a * f * f * g], dim=-1)

    def extra_repr(self) -> str:
        return f"a={self.a}"
