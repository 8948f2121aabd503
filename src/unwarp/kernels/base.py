"""The sampling kernel k(t; Phi) of the paper: weight as a function of distance, one axis at a time.

An image of D dimensions is sampled with the product of D one-dimensional kernels. A kernel of your own is a subclass
with a ``support`` and a ``forward``; its parameters may be learnable. `weights` calls ``forward`` at the distances of
the taps; override it where an exact value or a slope at the lattice needs a formula of its own. Anti-aliasing calls
``forward`` at distances divided by the stretch.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from unwarp.padding import PaddingMode


class AbstractKernel(nn.Module):
    """A one-dimensional sampling kernel.

    Attributes:
        name: what ``mode=`` calls it; also what backends recognise it by.
        support: radius in pixels; the kernel is zero at and beyond it.
        partition_of_unity: whether the weights sum to 1 at every position. Where they do not, they are divided by
            their sum.
        floating_only: whether the result is a blend, so that integer images make no sense.

    Examples:
        >>> class Parzen(AbstractKernel):
        ...     name, support, partition_of_unity = "parzen", 2.0, False
        ...     def forward(self, distance):
        ...         return (1 - distance.abs() / 2).clamp_min(0) ** 3
        >>> Parzen().weights(torch.tensor([0.0])).shape
        torch.Size([1, 4])
    """

    name: str = "custom"
    support: float
    partition_of_unity: bool = True
    floating_only: bool = True

    @abstractmethod
    def forward(self, distance: Tensor) -> Tensor:
        """k(distance), elementwise; distances are in pixels."""

    @property
    def offsets(self) -> range:
        """Taps relative to the anchor pixel: ``1 - r .. r`` with ``r = ceil(support)``."""
        radius = math.ceil(self.support)
        return range(1 - radius, radius + 1)

    def anchor(self, position: Tensor) -> Tensor:
        """The pixel that the taps are counted from: the one at or before the position."""
        return position.detach().floor()

    def weights(self, fraction: Tensor) -> Tensor:
        """Weights of the taps for a position ``fraction`` pixels after its anchor.

        Args:
            fraction: ``(...)``, within 0..1.

        Returns:
            ``(..., taps)``, in the order of `offsets`.
        """
        offsets = torch.tensor(list(self.offsets), dtype=fraction.dtype, device=fraction.device)
        weights = self(fraction[..., None] - offsets)
        return weights if self.partition_of_unity else weights / weights.sum(-1, keepdim=True)

    def prefilter(self, image: Tensor, padding_mode: PaddingMode, *, align_corners: bool) -> Tensor:
        """Coefficients that the kernel blends instead of the pixels; the pixels themselves for most kernels.

        They may reach beyond the image, along each axis by the same number of pixels on either side.
        """
        del padding_mode, align_corners
        return image
