"""Distractors of the cluttered task: squares cut from other digits and strewn over the canvas."""

from typing import NamedTuple

import torch
from torch import Tensor

from unwarp._typing import Float, Integer

DISTRACTORS = 6
PATCH = 6


class Pieces(NamedTuple):
    """Which squares are cut and where they go, `DISTRACTORS` an image; corners are ``(row, column)``."""

    donor: Integer[Tensor, "n k"]
    cut_from: Integer[Tensor, "n k 2"]
    put_at: Integer[Tensor, "n k 2"]


def draw(count: int, *, digit: int, canvas: int, generator: torch.Generator) -> Pieces:
    """Draw the distractors of `count` images: the donor among the batch's other images, both corners uniform.

    A batch of one image has no other: the image is then its own donor.

    Args:
        count: images in the batch.
        digit: side of the images that squares are cut from.
        canvas: side of the canvas that they are put on, whole.
        generator: the source of chance.
    """
    others = torch.randint(max(count - 1, 1), (count, DISTRACTORS), generator=generator)
    donor = (torch.arange(count)[:, None] + 1 + others) % count
    cut_from = torch.randint(digit - PATCH + 1, (count, DISTRACTORS, 2), generator=generator)
    put_at = torch.randint(canvas - PATCH + 1, (count, DISTRACTORS, 2), generator=generator)
    return Pieces(donor, cut_from, put_at)


def strew(images: Float[Tensor, "n 1 h w"], pieces: Pieces, *, canvas: int) -> Float[Tensor, "n 1 canvas canvas"]:
    """A black canvas for each image with the distractors added up on it."""
    height, width = images.shape[-2:]
    source = pieces.donor[..., None] * (height * width) + _offsets(pieces.cut_from, row=width)
    values = images.flatten()[source].flatten(1)
    empty = images.new_zeros(len(images), canvas * canvas)
    return empty.scatter_add_(1, _offsets(pieces.put_at, row=canvas).flatten(1), values).view(-1, 1, canvas, canvas)


def _offsets(corner: Integer[Tensor, "n k 2"], *, row: int) -> Integer[Tensor, "n k pixels"]:
    """Positions of a square's pixels in a flattened image whose rows have `row` pixels."""
    side = torch.arange(PATCH)
    square = (side[:, None] * row + side).flatten()
    return (corner[..., 0] * row + corner[..., 1])[..., None] + square
