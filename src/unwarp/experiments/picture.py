"""The paper's figure for a trained network: what its transformer looks at, and what it hands on."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unwarp.errors import OptionError
from unwarp.training.theta_probe import transformers
from unwarp.viz import show_image, transformer_figure
from unwarp.viz.style import INK, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["contact_sheet", "straightening_figure"]


def straightening_figure(model: nn.Module, images: Tensor, labels: Tensor, *, title: str | None = None) -> "Figure":
    """Draw inputs with the sampled region on them, each beside the transformer's output.

    Of images with several channels each channel is drawn, one after the other; of volumes the means along their depth,
    without a region.

    Args:
        model: a network with a spatial transformer that takes the images themselves.
        images: ``(batch, channels, height, width)``, or ``(batch, 1, depth, height, width)``.
        labels: the true classes, ``(batch,)``; ``(batch, answers)`` where an image has several.
        title: over the whole figure.

    Raises:
        OptionError: there is no spatial transformer in the network.
    """
    found = list(transformers(model).values())
    if not found:
        raise OptionError("model: expected a network with a spatial transformer, got one without. Draw an st- network.")
    transformer = found[0]
    with torch.inference_mode():
        guesses: Tensor = model(images).argmax(-1)
        theta = transformer.localise(images)
        outputs = transformer.sampler.warp(images, theta, transformer.transform, transformer.size)
    captions = [f"{_digits(label)} read as {_digits(guess)}" for label, guess in zip(labels, guesses, strict=True)]
    if images.ndim == 5:
        return _projections(images, outputs, captions, title)
    channels = images.shape[1]
    return transformer_figure(
        images.flatten(0, 1)[:, None],
        outputs.movedim(-3, 1).flatten(0, 1).unsqueeze(-3),
        theta.repeat_interleave(channels, 0),
        transformer.transform,
        captions=[text for caption in captions for text in (caption, *[""] * (channels - 1))],
        title=title,
        pairs_per_row=4 if theta.ndim == len(transformer.transform.theta_shape) + 1 else 2,
        align_corners=transformer.sampler.align_corners,
    )


def _projections(volumes: Tensor, outputs: Tensor, captions: Sequence[str], title: str | None) -> "Figure":
    """Volumes above what a transformer makes of them, each as its mean along the depth, the most ink white."""
    rows = [each.mean(2) / each.mean(2).amax((1, 2, 3), keepdim=True).clamp(min=1e-6) for each in (volumes, outputs)]
    figure = new_figure(1.25 * len(volumes), 2.9 if title else 2.6)
    if title:
        figure.suptitle(plain(title), color=INK, fontsize=11)
    for place, (name, pictures) in enumerate(zip(("input", "output"), rows, strict=True)):
        for index, picture in enumerate(pictures):
            ax = show_image(picture, ax=figure.add_subplot(2, len(volumes), place * len(volumes) + index + 1))
            if index == 0:
                ax.set_ylabel(name, color=INK, fontsize=8)
            if place == 0:
                ax.set_title(captions[index], loc="left", color=INK, fontsize=9)
    return figure


def _digits(answer: Tensor) -> str:
    """One class, or several in a row."""
    return "".join(str(int(each)) for each in answer.reshape(-1))


def contact_sheet(images: Tensor, *, columns: int = 10) -> "Figure":
    """Draw many images in rows.

    Args:
        images: ``(batch, channels, height, width)``.
        columns: images in a row.
    """
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    figure = new_figure(0.8 * columns, 0.8 * rows)
    for index, image in enumerate(images):
        show_image(image, ax=figure.add_subplot(rows, columns, index + 1))
    return figure
