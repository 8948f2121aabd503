"""Digits as crops of a larger image show them, with how sure one can be of each: for co-localisation's embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unwarp._typing import Float, Integer, Shaped
from unwarp.data import clutter
from unwarp.data.distortions import as_images
from unwarp.data.mnist import NUM_CLASSES
from unwarp.data.scattered import FRAME

__all__ = ["Crops"]

REACH = 14  # pixels that a crop lies beside the digit's frame at most, along each axis
LOST = 10  # pixels from which on a crop says nothing of its digit
_LEAST = 0.05  # of a digit's probability, so that it stays the most probable one


@dataclass(frozen=True)
class Crops:
    """28x28 crops, half of them of the digit's own frame and half up to 14 pixels beside it, along each axis.

    The answer is a probability for each digit. It falls linearly with the crop's distance from the frame, until at 10
    pixels nearly all is spread over all digits alike.

    Attributes:
        name: what settings call it.
        squares: 6x6 distractors in the 56x56 pixels that a crop is taken from.

    Examples:
        >>> from unwarp.data import mnist_subset
        >>> digits = mnist_subset.subset("test")[:4]
        >>> images, chances = Crops("crops").make(digits.images, digits.labels, torch.Generator().manual_seed(0))
        >>> images.shape, chances.shape
        (torch.Size([4, 1, 28, 28]), torch.Size([4, 10]))
    """

    name: str
    squares: int = 0

    size = (FRAME, FRAME)
    channels = 1
    classes = NUM_CLASSES

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 1 28 28"], Float[Tensor, "n 10"]]:
        """Crops, and the probabilities of the digits in each."""
        count = len(digits)
        shift = torch.randint(-REACH, REACH + 1, (count, 2), generator=generator)
        shift[torch.rand(count, generator=generator) < 0.5] = 0
        canvas = FRAME + 2 * REACH
        # A crop beside the digit is the digit moved the other way.
        placed = clutter.scatter(
            as_images(digits), REACH + shift, canvas=canvas, squares=self.squares, generator=generator
        )
        distance = shift.square().sum(1, keepdim=True).sqrt()
        sure = (1 - distance / LOST).clamp(min=_LEAST)
        one_hot = torch.nn.functional.one_hot(labels.long(), NUM_CLASSES)
        return placed[..., REACH:-REACH, REACH:-REACH], sure * one_hot + (1 - sure) / NUM_CLASSES
