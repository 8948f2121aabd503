"""A Gaussian kernel whose width can be learned."""

import math

import torch
from torch import Tensor, nn

from unwarp._numbers import is_number
from unwarp.errors import OptionError
from unwarp.kernels.base import AbstractKernel

_NARROWEST = 0.1
"""Pixels. A narrower Gaussian is 0 in float32 at every pixel when the position lies halfway between two."""

_WIDEST = 1e3
"""Supports. A wider Gaussian is the same parabola."""


class Gaussian(AbstractKernel):
    """k(t) = exp(-t^2 / (2 sigma^2)) - exp(-s^2 / (2 sigma^2)) for |t| < s, the support; weights divided by their sum.

    The second term takes away the step at the end of the support. This kernel blurs: it does not pass through the
    pixels, and the identity transform does not return the image.

    The support is fixed when the kernel is made, at ``truncate * sigma`` and at least one pixel. A learned sigma that
    outgrows it approaches the parabola 1 - (t / s)^2; give a larger ``truncate`` where sigma may grow. Below 0.1 pixels
    and above 1000 supports sigma has no effect and no gradient.

    Args:
        sigma: standard deviation in pixels.
        truncate: support in multiples of the initial sigma.
        learnable: whether sigma is a parameter (its logarithm is, so that it stays positive).

    Examples:
        >>> kernel = Gaussian(1.5, learnable=True)
        >>> [name for name, _ in kernel.named_parameters()]
        ['log_sigma']
    """

    name = "gaussian"
    partition_of_unity = False
    log_sigma: Tensor
    _rounded_away: float = 0.0

    def __init__(self, sigma: float = 0.5, *, truncate: float = 4.0, learnable: bool = False) -> None:
        super().__init__()
        for argument, given in (("sigma", sigma), ("truncate", truncate)):
            if not is_number(given):
                raise OptionError(
                    f"{argument}: expected a number, got {given!r}. Use a Python float; learnable=True trains sigma."
                )
        if not (sigma >= _NARROWEST and math.isfinite(sigma)):
            raise OptionError(
                f"sigma: expected at least {_NARROWEST} pixels, got {sigma!r}. Use mode='nearest' instead."
            )
        if not (truncate >= 1 and math.isfinite(truncate)):
            raise OptionError(f"truncate: expected at least 1 standard deviation, got {truncate!r}. 3 to 4 is usual.")
        self.support = max(1.0, truncate * sigma)
        value = torch.tensor(math.log(sigma))
        if learnable:
            self.log_sigma = nn.Parameter(value)
        else:
            self.register_buffer("log_sigma", value)
            self._rounded_away = math.log(sigma) - torch.tensor(math.log(sigma), device="cpu").item()

    @property
    def sigma(self) -> Tensor:
        """The standard deviation in pixels."""
        return self._sigma(self.log_sigma.dtype)

    def forward(self, distance: Tensor) -> Tensor:
        precision = 0.5 / self._sigma(distance.dtype).to(distance.dtype) ** 2
        square = distance * distance
        # exp(-p t^2) - exp(-p s^2), without the loss of digits of that difference for large sigma.
        within = (precision * (square - self.support**2)).clamp_max(0)
        bell = -torch.exp(-precision * square) * torch.expm1(within)
        # Half open, so that the slope at either end is the right-hand one.
        return torch.where((distance >= -self.support) & (distance < self.support), bell, 0)

    def _sigma(self, dtype: torch.dtype) -> Tensor:
        """The standard deviation in at least that dtype: in float64 what a float32 buffer has lost is added again."""
        log_sigma = self.log_sigma.to(torch.promote_types(self.log_sigma.dtype, dtype)) + self._rounded_away
        return log_sigma.exp().clamp(_NARROWEST, _WIDEST * self.support)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma.item():.4g}, support={self.support:.4g}"
