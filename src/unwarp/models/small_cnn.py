"""A small convolutional classifier for images of any size."""

from collections.abc import Sequence

from torch import Tensor, nn

from unwarp import _checks
from unwarp._typing import Float

__all__ = ["SmallCNN"]

_SIDE = 8  # images are halved while they are at least this high and wide
_MOST_STAGES = 6
_WIDEST = 8  # times the filters of the first stage


class SmallCNN(nn.Module):
    """Stages of convolution 3x3, batch normalisation, rectifier and halving, until 4 to 7 pixels are left.

    Args:
        size: height and width of the images.
        channels: of the images.
        classes: how many logits to return.
        filters: of the first stage; each stage has twice as many as the one before, up to eight times.

    Examples:
        >>> import torch
        >>> SmallCNN((112, 80), channels=3, classes=5)(torch.zeros(2, 3, 112, 80)).shape
        torch.Size([2, 5])
    """

    def __init__(self, size: Sequence[int], *, channels: int = 3, classes: int = 10, filters: int = 32) -> None:
        super().__init__()
        height, width = _checks.size(tuple(size), 2)
        layers: list[nn.Module] = []
        given, made = channels, filters
        for stage in range(_MOST_STAGES):
            layers += [nn.Conv2d(given, made, 3, padding=1, bias=False), nn.BatchNorm2d(made), nn.ReLU()]
            given, made = made, min(2 * made, _WIDEST * filters)
            if stage and min(height, width) < _SIDE:
                break
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            height, width = -(-height // 2), -(-width // 2)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(given * height * width, classes))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        return self.layers(images)
