"""Classifiers of volumes: by a 3D transformer that turns them into a picture, and by a 3D network (appendix A.3)."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.models.cnn import CNN
from unwarp.nn import ConvLocaliser, SpatialTransformer
from unwarp.transforms import Affine

__all__ = ["CNN3D", "FlattenedVolume", "st_volume"]


class FlattenedVolume(nn.Module):
    """A 3D transformer, the mean along the depth of what it samples, a classifier of pictures.

    The transformer learns to turn the volume so that its projection can be read.

    Args:
        transformer: warps volumes.
        classifier: of pictures.
    """

    def __init__(self, transformer: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer
        self.classifier = classifier

    def forward(self, volumes: Float[Tensor, "batch channels d h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of volumes."""
        return self.classifier(self.transformer(volumes).mean(dim=2))


def st_volume(
    size: Sequence[int], *, channels: int = 1, classes: int = 10, width: int = 64, pooling: int = 2
) -> FlattenedVolume:
    """An affine 3D transformer and the `CNN` of the 2D experiments.

    Args:
        size: depth, height and width of the volumes.
        channels: of the volumes.
        classes: how many logits to return.
        width: filters of each convolution of the classifier; the localiser has 20.
        pooling: how many times smaller than the volume along each axis the transformer's grid is.

    Examples:
        >>> import torch
        >>> st_volume((60, 60, 60))(torch.zeros(2, 1, 60, 60, 60)).shape
        torch.Size([2, 10])
    """
    sampled = [n // pooling for n in size]
    transformer = SpatialTransformer(ConvLocaliser(channels, tuple(size), ndim=3), Affine(ndim=3), tuple(sampled))
    return FlattenedVolume(transformer, CNN(sampled[1:], channels=channels, classes=classes, width=width))


class CNN3D(nn.Module):
    """A 3D network without a transformer: halve, then convolution and max-pooling twice, linear classifier.

    Convolutions are 5 voxels wide, not padded, each followed by a rectifier: the layers of the 3D localiser, with more
    filters.

    Args:
        size: depth, height and width of the volumes.
        channels: of the volumes.
        classes: how many logits to return.
        width: filters of each convolution.

    Examples:
        >>> import torch
        >>> CNN3D((60, 60, 60))(torch.zeros(2, 1, 60, 60, 60)).shape
        torch.Size([2, 10])
    """

    def __init__(self, size: Sequence[int], *, channels: int = 1, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        left = [((n // 2 - 4) // 2 - 4) // 2 for n in size]
        self.layers = nn.Sequential(
            nn.AvgPool3d(2),
            nn.Conv3d(channels, width, 5),
            nn.MaxPool3d(2),
            nn.ReLU(),
            nn.Conv3d(width, width, 5),
            nn.MaxPool3d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(width * math.prod(left), classes),
        )

    def forward(self, volumes: Float[Tensor, "batch channels d h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of volumes."""
        return self.layers(volumes)
