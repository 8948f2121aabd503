"""Linear, bilinear and trilinear sampling."""

import torch
from torch import Tensor

from unwarp.kernels.base import AbstractKernel


class Linear(AbstractKernel):
    """k(t) = max(0, 1 - abs(t)), the paper's bilinear kernel (eq. 5).

    On the pixel lattice, where the kernel has a kink, the gradient is the right-hand difference, as in torch. The
    paper's eq. 7 taken literally is no one-sided derivative there.
    """

    name = "bilinear"
    support = 1.0

    def forward(self, distance: Tensor) -> Tensor:
        # 1 - abs(t), such that every slope is the right-hand one: clamp passes it at its bound, relu does not.
        return torch.relu(1 - distance.clamp_min(0)) - torch.relu(-distance).clamp_max(1)

    def weights(self, fraction: Tensor) -> Tensor:
        # Not through forward: abs() has the gradient 0 at the lattice, where every identity transform starts.
        return torch.stack([1 - fraction, fraction], dim=-1)
