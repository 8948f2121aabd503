"""The fully connected network (FCN) of the paper's distorted-MNIST experiments."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from unwarp._typing import Float

__all__ = ["FCN"]


class FCN(nn.Module):
    """Two hidden layers of rectified linear units and a linear classifier (Jaderberg et al. 2015, appendix A.4).

    The paper gives 128 to 256 units a layer and about 400,000 parameters for every network. Both hold only for images
    of 42 x 42 (202 units); at 28 x 28 it would take 349 units and at 60 x 60 only 108. The experiments keep the widths.

    Args:
        size: height and width of the images.
        channels: of the images.
        classes: how many logits to return.
        width: units of each hidden layer.

    Examples:
        >>> import torch
        >>> FCN((28, 28))(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 10])
    """

    def __init__(self, size: Sequence[int], *, channels: int = 1, classes: int = 10, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * math.prod(size), width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, classes),
        )

    def forward(self, images: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        return self.layers(images)
