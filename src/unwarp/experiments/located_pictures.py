"""Where a co-localiser looks for digits, and where they are."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

import unwarp
from unwarp._optional import require
from unwarp._typing import Float, Integer
from unwarp.models.co_localiser import CROP, CoLocaliser
from unwarp.training.colocalisation_module import FRAME, overlap
from unwarp.transforms import Attention
from unwarp.viz import transformer_figure
from unwarp.viz.style import halo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_located"]


def draw_located(
    model: CoLocaliser,
    images: Float[Tensor, "batch channels h w"],
    found: Integer[Tensor, "batch 3"],
    *,
    names: Sequence[str],
    title: str,
) -> "Figure":
    """Images with the crop and the digit's own frame, dashed, on them, each beside the crop.

    Args:
        model: the co-localiser.
        images: to look at.
        found: ``(label, row, column)`` of each digit's frame.
        names: what to call the digits.
        title: over the whole figure.
    """
    with torch.no_grad():
        theta = model(images, found[:, 0])
        crops = unwarp.warp(images, theta, "attention", (CROP, CROP))
    shares = cast(list[float], overlap(theta, found[:, 1:], tuple(images.shape[-2:])).tolist())
    captions = [_caption(name, share) for name, share in zip(names, shares, strict=True)]
    figure = transformer_figure(images, crops, theta, Attention(), captions=captions, title=title)
    rectangle = require("matplotlib.patches", extra="train").Rectangle
    corners = cast(list[tuple[int, int]], found[:, 1:].tolist())
    for ax, (row, column) in zip(figure.axes[::2], corners, strict=True):
        corner = (column - 0.5, row - 0.5)
        ax.add_patch(
            rectangle(
                corner, FRAME, FRAME, fill=False, edgecolor="white", linewidth=1, linestyle="--", path_effects=halo(1)
            )
        )
    return figure


def _caption(name: str, share: float) -> str:
    """By intersection over union: more than half counts as found."""
    return f"{name}: {'found' if share > 0.5 else 'missed'}, {100 * share:.0f} %"
