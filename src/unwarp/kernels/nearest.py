"""Nearest-neighbour sampling."""

import torch
from torch import Tensor

from unwarp.kernels.base import AbstractKernel


class Nearest(AbstractKernel):
    """k(t) = 1 for -1/2 < t < 1/2, and halfway at the even pixel: the value of the closest pixel.

    Positions halfway between two pixels go to the even one, as in torch. The gradient with respect to positions is
    zero everywhere, so a localiser learns nothing through this kernel. Integer and bool images are allowed.
    """

    name = "nearest"
    support = 0.5
    floating_only = False

    @property
    def offsets(self) -> range:
        return range(1)

    def anchor(self, position: Tensor) -> Tensor:
        return position.detach().round()

    def forward(self, distance: Tensor) -> Tensor:
        # Half open: with anti-aliasing, where this is the box that averages an area, each pixel belongs to one box.
        return ((distance >= -self.support) & (distance < self.support)).to(distance.dtype)

    def weights(self, fraction: Tensor) -> Tensor:
        return torch.ones_like(fraction)[..., None]
