"""Cluttered sequences: three digits on a slope among clutter, to be read from left to right (Sønderby et al. 2015)."""

import torch
from torch import Tensor

from unwarp._typing import Float, Integer, Shaped
from unwarp.data import clutter
from unwarp.data.distortions import as_images

__all__ = ["ClutteredSequences"]

_DIGIT, _CANVAS, _LENGTH = 28, 100, 3
_DISTRACTORS, _PATCH = 8, 9


class ClutteredSequences:
    """Three digits side by side on a line of random slope in 100x100 pixels, with eight 9x9 squares of other digits.

    The digits' frames do not overlap: their left edges are at least 28 pixels apart, and the 16 pixels that are left
    over are shared at random between both sides and the gaps. Their heights lie on a line from anywhere on the left to
    anywhere on the right. The second and third digits are those of the batch in random orders.

    Examples:
        >>> from unwarp.data import mnist_subset
        >>> digits = mnist_subset.subset("test")[:4]
        >>> task = ClutteredSequences()
        >>> images, labels = task.make(digits.images, digits.labels, torch.Generator().manual_seed(0))
        >>> images.shape, labels.shape
        (torch.Size([4, 1, 100, 100]), torch.Size([4, 3]))
    """

    name = "sequences"
    size = (_CANVAS, _CANVAS)
    channels = 1
    classes = 10
    length = _LENGTH

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 1 100 100"], Integer[Tensor, "n 3"]]:
        """Images of three digits and the three digits, from left to right."""
        images, count = as_images(digits), len(digits)
        others = [torch.randperm(count, generator=generator) for _ in range(_LENGTH - 1)]
        orders = [torch.arange(count), *others]
        pieces = clutter.draw(
            count, digit=_DIGIT, canvas=_CANVAS, generator=generator, squares=_DISTRACTORS, patch=_PATCH
        )
        shown = clutter.strew(images, pieces, canvas=_CANVAS, patch=_PATCH)
        for order, corner in zip(orders, _corners(count, generator).unbind(1), strict=True):
            shown += clutter.place(images[order], corner, canvas=_CANVAS)
        return shown.clamp_(max=1.0), torch.stack([labels[order] for order in orders], dim=1)


def _corners(count: int, generator: torch.Generator) -> Integer[Tensor, "count 3 2"]:
    """Upper left corners of the digits' frames, ``(row, column)``."""
    spare = torch.randint(_CANVAS - _LENGTH * _DIGIT + 1, (count, _LENGTH), generator=generator).sort(dim=1).values
    column = spare + _DIGIT * torch.arange(_LENGTH)
    ends = torch.randint(_CANVAS - _DIGIT + 1, (count, 2, 1), generator=generator)
    along = torch.linspace(0, 1, _LENGTH)
    row = (ends[:, 0] + along * (ends[:, 1] - ends[:, 0])).round().long()
    return torch.stack([row, column], dim=-1)
