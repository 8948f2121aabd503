"""Readers of a line of characters: straightened first or only shrunk, then read by a CRNN."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.nn import ConvLocaliser, SpatialTransformer
from unwarp.transforms import AbstractTransform

__all__ = ["CRNN", "Contrast", "LineReader", "Shrink", "crnn", "st_crnn"]

LINE = (24, 96)
"""Height and width of what the CRNN reads."""

_LOOK = (32, 64)  # what the localiser sees: a line's place and bend show in a small image as well


class CRNN(nn.Module):
    """Convolutions, a recurrent layer along the line, a class for every step of 4 pixels (Shi et al. 2017).

    Args:
        channels: of the images.
        classes: characters and, as class 0, CTC's blank.
        width: filters of the first convolution; the last has twice as many.

    Examples:
        >>> import torch
        >>> CRNN()(torch.zeros(2, 1, 24, 96)).shape
        torch.Size([2, 24, 35])
    """

    def __init__(self, *, channels: int = 1, classes: int = 35, width: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(channels, width),
            nn.MaxPool2d(2),
            *_convolution(width, 2 * width),
            nn.MaxPool2d(2),
            *_convolution(2 * width, 2 * width),
            nn.MaxPool2d((2, 1)),
            *_convolution(2 * width, 2 * width),
        )
        self.memory = nn.GRU(2 * width * (LINE[0] // 8), 2 * width, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(4 * width, classes)

    def forward(self, images: Float[Tensor, "batch channels 24 width"]) -> Float[Tensor, "batch steps classes"]:
        """Logits of every step."""
        columns = self.features(images).flatten(1, 2).transpose(1, 2)
        steps, _ = self.memory(columns)
        return self.classify(steps)


class LineReader(nn.Module):
    """Something that brings a picture to the size of a line, and a network that reads it.

    Args:
        transformer: from images to lines.
        reader: from lines to the logits of every step.
    """

    def __init__(self, transformer: nn.Module, reader: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer
        self.reader = reader

    def forward(self, images: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch steps classes"]:
        """Logits of every step."""
        return self.reader(self.transformer(images))


class Shrink(nn.Module):
    """Brings pictures to a size, anti-aliased.

    Args:
        size: height and width.
    """

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)

    def forward(self, images: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels height width"]:
        return F.interpolate(images, self.size, mode="bilinear", antialias=True)


class Contrast(nn.Module):
    """How far each pixel is from its picture's mean, beside the other pixels: ink is the same on any ground.

    Without it the strongest thing that a localiser sees is whether a picture is light or dark.
    """

    def forward(self, images: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h w"]:
        distances = (images - images.mean((-2, -1), keepdim=True)).abs()
        return distances / distances.mean((-2, -1), keepdim=True).clamp_min(1e-3) - 1


def crnn(size: Sequence[int], *, channels: int = 1, classes: int = 35, width: int = 32) -> LineReader:
    """The reader without a transformer: the whole picture, shrunk to the size of a line.

    Args:
        size: height and width of the images; any.
        channels: of the images.
        classes: characters and the blank.
        width: filters of the first convolution.
    """
    del size
    return LineReader(Shrink(LINE), CRNN(channels=channels, classes=classes, width=width))


def st_crnn(
    size: Sequence[int],
    *,
    transform: str | AbstractTransform = "thin_plate_spline",
    channels: int = 1,
    classes: int = 35,
    width: int = 32,
) -> LineReader:
    """The reader behind a transformer, which samples the line out of the full picture (Shi et al. 2018).

    The localiser looks at the contrasts of a shrunk picture. Beyond the picture its edge pixels are sampled: grounds
    are not black.

    Args:
        size: height and width of the images; any.
        transform: what straightens a line.
        channels: of the images.
        classes: characters and the blank.
        width: filters of the first convolution.

    Examples:
        >>> import torch
        >>> st_crnn((64, 128))(torch.zeros(2, 1, 64, 128)).shape
        torch.Size([2, 24, 35])
    """
    del size
    localiser = nn.Sequential(Shrink(_LOOK), Contrast(), ConvLocaliser(channels, _LOOK, hidden=64))
    transformer = SpatialTransformer(localiser, transform, LINE, features=64, padding_mode="border")
    return LineReader(transformer, CRNN(channels=channels, classes=classes, width=width))


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
