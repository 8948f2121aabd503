"""Classifiers with transformers of later papers in the place of the ST-CNN's, for comparison on the same data."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from unwarp.models.cnn import CNN
from unwarp.models.transformed_classifier import TransformedClassifier
from unwarp.nn import ConvLocaliser, InverseCompositionalTransformer, SharedLocaliser, SpatialTransformer
from unwarp.transforms import AbstractTransform

__all__ = ["ic_st_cnn", "shared_st_cnn"]


def ic_st_cnn(
    size: Sequence[int],
    *,
    transform: str | AbstractTransform = "affine",
    steps: int = 4,
    pooling: int = 1,
    channels: int = 1,
    classes: int = 10,
    width: int = 64,
) -> TransformedClassifier:
    """An ST-CNN whose transformer looks several times (Lin & Lucey 2017).

    Args:
        size: height and width of the images.
        transform: what the localiser predicts in each step; a matrix family.
        steps: how many times.
        pooling: side of the averaging windows behind the transformer.
        channels: of the images.
        classes: how many logits to return.
        width: filters of each convolution of the classifier.

    Examples:
        >>> import torch
        >>> ic_st_cnn((28, 28))(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 10])
    """
    transformer = InverseCompositionalTransformer(ConvLocaliser(channels, tuple(size)), transform, steps=steps)
    classifier = CNN([n // pooling for n in size], channels=channels, classes=classes, width=width)
    return TransformedClassifier(transformer, classifier, pooling=pooling)


def shared_st_cnn(
    size: Sequence[int],
    *,
    transform: str | AbstractTransform = "affine",
    channels: int = 1,
    classes: int = 10,
    width: int = 64,
    hidden: int = 20,
) -> TransformedClassifier:
    """An ST-CNN whose localiser looks through the classifier's convolutions (Finnveden, Jansson & Lindeberg 2020).

    There is no pooling between transformer and classifier, since the same layers see the input before and after.

    Args:
        size: height and width of the images.
        transform: what the localiser predicts.
        channels: of the images.
        classes: how many logits to return.
        width: filters of each convolution.
        hidden: units of the one dense layer that is the localiser's own.

    Examples:
        >>> import torch
        >>> shared_st_cnn((28, 28))(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 10])
    """
    classifier = CNN(size, channels=channels, classes=classes, width=width)
    last = cast(nn.Linear, classifier.layers[-1])
    head = nn.Sequential(nn.Linear(last.in_features, hidden), nn.LeakyReLU())
    localiser = SharedLocaliser(_AllButLast(classifier.layers), head)
    transformer = SpatialTransformer(localiser, transform, features=hidden)
    return TransformedClassifier(transformer, classifier)


class _AllButLast(nn.Module):
    """The layers of a network before its last one, those that stand there now: any may have been replaced."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self._layers = (layers,)  # in a tuple, or they would become this module's own

    def forward(self, x: Tensor) -> Tensor:
        for layer in list(self._layers[0])[:-1]:
            x = layer(x)
        return x
