"""Readers of several digits in one image: glimpse by glimpse, or all at once (Sønderby et al. 2015)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.models.cnn import CNN
from unwarp.nn import ConvLocaliser, RecurrentSpatialTransformer
from unwarp.transforms import AbstractTransform

__all__ = ["GlimpseReader", "WholeReader", "recurrent_st_cnn", "sequence_cnn"]


class GlimpseReader(nn.Module):
    """Takes one glimpse an answer and classifies each by the same network.

    Args:
        transformer: from images to glimpses ``(batch, steps, channels, *size)``.
        classifier: of a glimpse.
    """

    def __init__(self, transformer: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer
        self.classifier = classifier

    def forward(self, images: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch steps classes"]:
        """Logits of each answer."""
        glimpses: Tensor = self.transformer(images)
        return self.classifier(glimpses.flatten(0, 1)).unflatten(0, glimpses.shape[:2])


class WholeReader(nn.Module):
    """Halves the image and reads all answers at once by one network.

    Args:
        classifier: from images to ``answers * classes`` logits.
        answers: how many there are.
    """

    def __init__(self, classifier: nn.Module, *, answers: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.answers = answers

    def forward(self, images: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch answers classes"]:
        """Logits of each answer."""
        return self.classifier(F.avg_pool2d(images, 2)).unflatten(1, (self.answers, -1))


def recurrent_st_cnn(
    size: Sequence[int],
    *,
    transform: str | AbstractTransform = "affine",
    answers: int = 3,
    channels: int = 1,
    classes: int = 10,
    width: int = 64,
) -> GlimpseReader:
    """A GRU that takes one 28 x 28 glimpse an answer, and the `CNN` of the single-digit experiments on each.

    Args:
        size: height and width of the images.
        transform: of each glimpse.
        answers: how many there are.
        channels: of the images.
        classes: how many logits an answer has.
        width: filters of each convolution of the classifier.

    Examples:
        >>> import torch
        >>> recurrent_st_cnn((100, 100))(torch.zeros(2, 1, 100, 100)).shape
        torch.Size([2, 3, 10])
    """
    localiser = ConvLocaliser(channels, tuple(size), hidden=128)
    glimpses = RecurrentSpatialTransformer(localiser, transform, (28, 28), steps=answers, hidden=256)
    return GlimpseReader(glimpses, CNN((28, 28), channels=channels, classes=classes, width=width))


def sequence_cnn(
    size: Sequence[int], *, answers: int = 3, channels: int = 1, classes: int = 10, width: int = 64
) -> WholeReader:
    """The `CNN` on the halved image, with the logits of all answers at its end."""
    halved = [n // 2 for n in size]
    return WholeReader(CNN(halved, channels=channels, classes=answers * classes, width=width), answers=answers)
