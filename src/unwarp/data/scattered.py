"""Digits placed anywhere, plain or among clutter, and where they are: for co-localisation (appendix A.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from unwarp._typing import Float, Integer, Shaped
from unwarp.data import clutter
from unwarp.data.distortions import as_images
from unwarp.data.mnist import NUM_CLASSES, Digits

__all__ = ["CANVAS", "FRAME", "Scattered", "per_class"]

FRAME, CANVAS = 28, 84  # pixels


@dataclass(frozen=True)
class Scattered:
    """Each digit whole somewhere in 84x84 pixels, with squares of other digits among it.

    Attributes:
        name: what settings call it.
        squares: 6x6 distractors an image; the paper's T has none and its TC sixteen.

    Examples:
        >>> from unwarp.data import mnist_subset
        >>> digits = mnist_subset.subset("test")[:4]
        >>> images, found = Scattered("tc84", squares=16).make(
        ...     digits.images, digits.labels, torch.Generator().manual_seed(0)
        ... )
        >>> images.shape, found.shape
        (torch.Size([4, 1, 84, 84]), torch.Size([4, 3]))
    """

    name: str
    squares: int = 0

    size = (CANVAS, CANVAS)
    channels = 1
    classes = NUM_CLASSES

    @property
    def crops(self) -> str:
        """The task whose images look like crops of these."""
        return "cluttered-crops" if self.squares else "crops"

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 1 84 84"], Integer[Tensor, "n 3"]]:
        """Images, and for each the digit and the upper left corner of its frame, ``(label, row, column)``."""
        corner = torch.randint(CANVAS - FRAME + 1, (len(digits), 2), generator=generator)
        shown = clutter.scatter(as_images(digits), corner, canvas=CANVAS, squares=self.squares, generator=generator)
        return shown, torch.cat([labels[:, None], corner], dim=1)


def per_class(digits: Digits, count: int) -> Digits:
    """The first ``count`` digits of every class, in the order of the classes; fewer of a class that has fewer."""
    chosen = torch.cat([torch.nonzero(digits.labels == label).flatten()[:count] for label in range(NUM_CLASSES)])
    return Digits(digits.images[chosen], digits.labels[chosen])
