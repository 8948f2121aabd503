"""Distractors of the cluttered task: squares cut from other digits and strewn over the canvas."""

from typing import NamedTuple

import torch
from torch import Tensor

from unwarp._typing import Float, Integer

DISTRACTORS = 6
PATCH = 6


class Pieces(NamedTuple):
    """Which squares are cut and where they go, ``k`` an image; corners are ``(row, column)``."""

    donor: Integer[Tensor, "n k"]
    cut_from: Integer[Tensor, "n k 2"]
    put_at: Integer[Tensor, "n k 2"]


def draw(
    count: int,
    *,
    digit: int,
    canvas: int,
    generator: torch.Generator,
    squares: int = DISTRACTORS,
    patch: int = PATCH,
) -> Pieces:
    """Draw the distractors of `count` images: the donor among the batch's other images, both corners uniform.

    A batch of one image has no other: the image is then its own donor.

    Args:
        count: images in the batch.
        digit: side of the images that squares are cut from.
        canvas: side of the canvas that they are put on, whole.
        generator: the source of chance.
        squares: distractors an image.
        patch: side of a square.
    """
    others = torch.randint(max(count - 1, 1), (count, squares), generator=generator)
    donor = (torch.arange(count)[:, None] + 1 + others) % count
    cut_from = torch.randint(digit - patch + 1, (count, squares, 2), generator=generator)
    put_at = torch.randint(canvas - patch + 1, (count, squares, 2), generator=generator)
    return Pieces(donor, cut_from, put_at)


def scatter(
    images: Float[Tensor, "n 1 h h"],
    corner: Integer[Tensor, "n 2"],
    *,
    canvas: int,
    squares: int,
    generator: torch.Generator,
) -> Float[Tensor, "n 1 canvas canvas"]:
    """Whole images on black canvases, their upper left corners at ``(row, column)``, with distractors added if any."""
    placed = place(images, corner, canvas=canvas)
    if not squares:
        return placed
    pieces = draw(len(images), digit=images.shape[-1], canvas=canvas, generator=generator, squares=squares)
    return (placed + strew(images, pieces, canvas=canvas)).clamp_(max=1.0)


def place(
    images: Float[Tensor, "n 1 h h"], put_at: Integer[Tensor, "n 2"], *, canvas: int
) -> Float[Tensor, "n 1 canvas canvas"]:
    """A black canvas for each image with the whole image on it, its upper left corner at ``(row, column)``."""
    donor = torch.arange(len(images))[:, None]
    pieces = Pieces(donor, torch.zeros(len(images), 1, 2, dtype=torch.long), put_at[:, None])
    return strew(images, pieces, canvas=canvas, patch=images.shape[-1])


def strew(
    images: Float[Tensor, "n 1 h w"], pieces: Pieces, *, canvas: int, patch: int = PATCH
) -> Float[Tensor, "n 1 canvas canvas"]:
    """A black canvas for each image with squares of ``patch`` pixels added up on it."""
    height, width = images.shape[-2:]
    source = pieces.donor[..., None] * (height * width) + _offsets(pieces.cut_from, row=width, patch=patch)
    values = images.flatten()[source].flatten(1)
    empty = images.new_zeros(len(images), canvas * canvas)
    places = _offsets(pieces.put_at, row=canvas, patch=patch).flatten(1)
    return empty.scatter_add_(1, places, values).view(-1, 1, canvas, canvas)


def _offsets(corner: Integer[Tensor, "n k 2"], *, row: int, patch: int) -> Integer[Tensor, "n k pixels"]:
    """Positions of a square's pixels in a flattened image whose rows have `row` pixels."""
    side = torch.arange(patch)
    square = (side[:, None] * row + side).flatten()
    return (corner[..., 0] * row + corner[..., 1])[..., None] + square
