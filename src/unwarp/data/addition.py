"""MNIST addition: two distorted digits in the two channels of an image, whose sum is to be told (appendix A.1)."""

import torch
from torch import Tensor

from unwarp._typing import Float, Integer, Shaped
from unwarp.data import distortion_thetas
from unwarp.data.distortions import rotated_scaled_translated

__all__ = ["Addition"]


class Addition:
    """Each channel shows one digit of the batch, distorted by itself as in RTS; the answer is their sum, 0 to 18.

    The digits of the second channel are those of the first in a random order, so that an epoch shows each digit once in
    each channel.

    Examples:
        >>> from unwarp.data import mnist_subset
        >>> digits = mnist_subset.subset("test")[:4]
        >>> images, sums = Addition().make(digits.images, digits.labels, torch.Generator().manual_seed(0))
        >>> images.shape, sums.shape
        (torch.Size([4, 2, 42, 42]), torch.Size([4]))
    """

    name = "addition"
    size = (distortion_thetas.RTS_CANVAS, distortion_thetas.RTS_CANVAS)
    channels = 2
    classes = 19

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 2 42 42"], Integer[Tensor, "n"]]:
        """Images of two digits and their sums."""
        other = torch.randperm(len(digits), generator=generator)
        channels = [rotated_scaled_translated(part, generator) for part in (digits, digits[other])]
        return torch.cat(channels, dim=1), labels + labels[other]
