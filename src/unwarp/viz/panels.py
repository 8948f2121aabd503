"""The paper's figure: each input with the sampled region drawn on it, and the transformer's output beside it."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unwarp._optional import require
from unwarp._typing import Float, Shaped
from unwarp.errors import OptionError, ShapeError
from unwarp.transforms.base import AbstractTransform
from unwarp.viz.grids import draw_region
from unwarp.viz.style import INK, color_of, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 0.15
"""Blank border unless told otherwise: most regions of a trained transformer leave the image by no more."""


def show_image(image: Shaped[Tensor, "*channels h w"], *, ax: "Axes | None" = None, margin: float = 0.0) -> "Axes":
    """Show one image, its pixels unsmoothed.

    Args:
        image: ``(h, w)``, ``(1, h, w)`` in greys or ``(3, h, w)`` in colours; 0..1, or bytes. Values outside are cut.
        ax: where to draw. Default: new axes.
        margin: blank border around the image, as a part of its size.

    Returns:
        The axes drawn on, in pixel coordinates: the centre of the first pixel is at 0.

    Raises:
        ShapeError: the image has another shape.
    """
    ax = new_figure(3, 3).add_subplot() if ax is None else ax
    pixels = _displayable(image)
    height, width = pixels.shape[:2]
    ax.imshow(pixels.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.set_xlim(-0.5 - margin * width, width - 0.5 + margin * width)
    ax.set_ylim(height - 0.5 + margin * height, -0.5 - margin * height)
    return ax


def transformer_figure(
    images: Shaped[Tensor, "batch channels h w"],
    outputs: Shaped[Tensor, "batch *k channels h_out w_out"],
    theta: Float[Tensor, "batch *k *theta"],
    transform: AbstractTransform,
    *,
    captions: Sequence[str] | None = None,
    title: str | None = None,
    pairs_per_row: int = 4,
    cells: int | None = None,
    align_corners: bool = False,
    margin: float = MARGIN,
) -> "Figure":
    """Draw the inputs, what is sampled of each, and the outputs, as in figure 1 and tables 1 and 2 of the paper.

    Args:
        images: what the transformer saw.
        outputs: what it gave; ``(batch, k, channels, h_out, w_out)`` for k transformers side by side.
        theta: ``(batch, *theta_shape)`` or ``(batch, k, *theta_shape)``.
        transform: its family.
        captions: one a sample, for example label and prediction.
        title: over the whole figure.
        pairs_per_row: samples in a row of the figure.
        cells, align_corners: as in `draw_region`.
        margin: blank border around each picture, as a part of its size: how far a region that leaves it still shows.

    Returns:
        The figure, for `save_png` or a notebook.

    Raises:
        ShapeError: images, outputs, theta and captions are not equally many.
        OptionError: ``pairs_per_row`` is not positive.
    """
    outputs = outputs[:, None] if outputs.ndim == 4 else outputs
    _check_counts(images, outputs, theta, captions)
    if pairs_per_row < 1:
        raise OptionError(f"pairs_per_row: expected at least 1, got {pairs_per_row}.")
    draw = partial(
        draw_region, transform=transform, size=tuple(images.shape[-2:]), cells=cells, align_corners=align_corners
    )
    columns = min(pairs_per_row, len(images))
    slimmest = max(height / width for height, width in (images.shape[-2:], outputs.shape[-2:]))
    figure, pairs = _layout(len(images), columns, outputs.shape[1], title, height=1.25 * min(1.0, slimmest))
    for index, axes in enumerate(pairs):
        _draw_pair(axes, images[index], outputs[index], margin, lambda ax, theta=theta[index]: draw(theta, ax=ax))
        if captions is not None:
            axes[0].set_title(plain(captions[index]), loc="left", x=margin / (1 + 2 * margin), color=INK, fontsize=9)
    for axes in pairs[-columns:]:
        for ax, text in zip(axes, ["input", *["output"] * outputs.shape[1]], strict=True):
            ax.set_xlabel(text, color=INK, fontsize=8, labelpad=0)
    return figure


def _displayable(image: Tensor) -> Tensor:
    pixels = image.detach().cpu()
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float().clamp(0, 1)
    if pixels.ndim == 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim == 2:
        return pixels
    if pixels.ndim != 3 or pixels.shape[0] != 3:
        raise ShapeError(
            f"image: expected (h, w), (1, h, w) or (3, h, w), got {tuple(image.shape)}. Show one image at a time."
        )
    return pixels.movedim(0, -1)


def _check_counts(images: Tensor, outputs: Tensor, theta: Tensor, captions: Sequence[str] | None) -> None:
    if images.ndim != 4 or outputs.ndim != 5 or 0 in images.shape:
        raise ShapeError(
            f"images, outputs: expected (batch, channels, h, w), got {tuple(images.shape)} and {tuple(outputs.shape)}."
        )
    counts = {"images": len(images), "outputs": len(outputs), "theta": len(theta)}
    if captions is not None:
        counts["captions"] = len(captions)
    if len(set(counts.values())) > 1:
        raise ShapeError(f"{', '.join(counts)}: expected one each for every sample, got {list(counts.values())}.")


def _layout(
    count: int, columns: int, outputs: int, title: str | None, *, height: float
) -> "tuple[Figure, list[list[Axes]]]":
    """A figure with axes for each sample, 1.25 inches wide and as high as is said: an input's and each output's."""
    rows = math.ceil(count / columns)
    figure = new_figure(columns * 1.25 * (1 + outputs), rows * (height + 0.25) + (0.4 if title else 0.1))
    if title:
        figure.suptitle(plain(title), color=INK, fontsize=11)
    spec = figure.add_gridspec(rows, columns)
    places = [spec[divmod(index, columns)].subgridspec(1, 1 + outputs) for index in range(count)]
    return figure, [[figure.add_subplot(place[0, k]) for k in range(1 + outputs)] for place in places]


def _draw_pair(
    axes: "list[Axes]", image: Tensor, outputs: Tensor, margin: float, draw: "Callable[[Axes], Axes]"
) -> None:
    # The same margin for inputs and outputs: their titles and labels then stand at the same height.
    for ax, picture in zip(axes, [image, *outputs], strict=True):
        show_image(picture, ax=ax, margin=margin)
        ax.spines[:].set_visible(False)
    draw(axes[0])
    for k, ax in enumerate(axes[1:]):
        _draw_frame(ax, outputs.shape[-2:], color_of(k))


def _draw_frame(ax: "Axes", size: Sequence[int], color: str) -> None:
    """A frame in the colour of the region, which shows where an output comes from."""
    height, width = size
    rectangle = require("matplotlib.patches", extra="train").Rectangle
    ax.add_patch(rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=color, linewidth=2))
