"""The network with two transformers side by side: 2xST-FCN (Jaderberg et al. 2015, appendix A.1)."""

import math
from collections.abc import Sequence

from unwarp.models.fcn import FCN
from unwarp.models.transformed_classifier import TransformedClassifier
from unwarp.nn import DenseLocaliser, ParallelSpatialTransformer
from unwarp.transforms import AbstractTransform

__all__ = ["two_st_fcn"]


def two_st_fcn(
    size: Sequence[int],
    *,
    transform: str | AbstractTransform = "affine",
    pooling: int = 1,
    channels: int = 2,
    classes: int = 19,
    width: int = 256,
) -> TransformedClassifier:
    """Two transformers that each see and warp all channels, and an `FCN` on both results.

    Args:
        size: height and width of the images.
        transform: what each of the two localisers predicts.
        pooling: side of the averaging windows behind the transformers.
        channels: of the images; the classifier sees twice as many.
        classes: how many logits to return.
        width: units of each hidden layer of the classifier.

    Examples:
        >>> import torch
        >>> two_st_fcn((42, 42), pooling=2)(torch.zeros(4, 2, 42, 42)).shape
        torch.Size([4, 19])
    """
    localisers = [DenseLocaliser(channels * math.prod(size)) for _ in range(2)]
    transformer = ParallelSpatialTransformer(localisers, transform)
    pooled = [n // pooling for n in size]
    classifier = FCN(pooled, channels=2 * channels, classes=classes, width=width)
    return TransformedClassifier(transformer, classifier, pooling=pooling)
