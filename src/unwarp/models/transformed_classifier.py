"""Networks that straighten their input before they classify it: ST-FCN and ST-CNN."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from unwarp._typing import Float
from unwarp.errors import ShapeError
from unwarp.models.cnn import CNN
from unwarp.models.fcn import FCN
from unwarp.nn import ConvLocaliser, DenseLocaliser, SpatialTransformer
from unwarp.transforms import AbstractTransform

__all__ = ["TransformedClassifier", "st_cnn", "st_fcn"]


class TransformedClassifier(nn.Module):
    """A spatial transformer, average pooling, a classifier.

    Args:
        transformer: straightens the images.
        classifier: sees what the transformer and the pooling leave.
        pooling: side of the averaging windows between the two, in pixels; 1 does not pool.

    Attributes:
        transformer: for theta and the straightened images, ``transformer(images, return_theta=True)``.
    """

    def __init__(self, transformer: nn.Module, classifier: nn.Module, *, pooling: int = 1) -> None:
        super().__init__()
        self.transformer = transformer
        self.classifier = classifier
        self.pooling = pooling

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        return self.classifier(F.avg_pool2d(self.transformer(images), self.pooling))


def st_fcn(
    size: Sequence[int],
    *,
    transform: str | AbstractTransform = "affine",
    pooling: int = 1,
    output_size: Sequence[int] | None = None,
    channels: int = 1,
    classes: int = 10,
    width: int = 256,
) -> TransformedClassifier:
    """The ST-FCN of appendix A.4: a localiser of three dense layers of 32 units before an `FCN`.

    Args:
        size: height and width of the images.
        transform: what the localiser predicts.
        pooling: side of the averaging windows behind the transformer; the paper uses 2 on RTS and TC.
        output_size: height and width of what the transformer samples; those of the images when left out.
        channels: of the images.
        classes: how many logits to return.
        width: units of each hidden layer of the classifier.

    Raises:
        ShapeError: the pooling leaves no pixel.

    Examples:
        >>> import torch
        >>> st_fcn((42, 42), pooling=2)(torch.zeros(4, 1, 42, 42)).shape
        torch.Size([4, 10])
    """
    transformer = SpatialTransformer(DenseLocaliser(channels * math.prod(size)), transform, output_size)
    classifier = FCN(_pooled(output_size or size, pooling), channels=channels, classes=classes, width=width)
    return TransformedClassifier(transformer, classifier, pooling=pooling)


def st_cnn(
    size: Sequence[int],
    *,
    transform: str | AbstractTransform = "affine",
    pooling: int = 1,
    output_size: Sequence[int] | None = None,
    channels: int = 1,
    classes: int = 10,
    width: int = 64,
) -> TransformedClassifier:
    """The ST-CNN of appendix A.4: a localiser of two 5x5 convolutions on the halved image before a `CNN`.

    Args:
        size: height and width of the images.
        transform: what the localiser predicts.
        pooling: side of the averaging windows behind the transformer; the paper uses 2 on RTS and TC.
        output_size: height and width of what the transformer samples; those of the images when left out.
        channels: of the images.
        classes: how many logits to return.
        width: filters of each convolution of the classifier; the localiser has 20.

    Raises:
        ShapeError: the pooling leaves the classifier too few pixels.

    Examples:
        >>> import torch
        >>> st_cnn((42, 42), pooling=2)(torch.zeros(4, 1, 42, 42)).shape
        torch.Size([4, 10])
    """
    transformer = SpatialTransformer(ConvLocaliser(channels, size), transform, output_size)
    classifier = CNN(_pooled(output_size or size, pooling), channels=channels, classes=classes, width=width)
    return TransformedClassifier(transformer, classifier, pooling=pooling)


def _pooled(size: Sequence[int], pooling: int) -> tuple[int, ...]:
    if min(size) < pooling:
        raise ShapeError(
            f"pooling: expected at most {min(size)} for {tuple(size)} pixels behind the transformer, got {pooling}. "
            "Pool less, or let the transformer sample more pixels."
        )
    return tuple(n // pooling for n in size)
