"""The paper's figure for a trained network: what its transformer looks at, and what it hands on."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unwarp.errors import OptionError
from unwarp.training.theta_probe import transformers
from unwarp.viz import show_image, transformer_figure
from unwarp.viz.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["contact_sheet", "straightening_figure"]


def straightening_figure(model: nn.Module, images: Tensor, labels: Tensor, *, title: str | None = None) -> "Figure":
    """Draw inputs with the sampled region on them, each beside the transformer's output.

    Args:
        model: a network with a spatial transformer that takes the images themselves.
        images: ``(batch, channels, height, width)``.
        labels: the true classes, ``(batch,)``.
        title: over the whole figure.

    Raises:
        OptionError: there is no spatial transformer in the network.
    """
    found = list(transformers(model).values())
    if not found:
        raise OptionError("model: expected a network with a spatial transformer, got one without. Draw an st- network.")
    with torch.inference_mode():
        predicted: Tensor = model(images).argmax(1)
        outputs, theta = found[0](images, return_theta=True)
    captions = [f"{int(label)} read as {int(guess)}" for label, guess in zip(labels, predicted, strict=True)]
    return transformer_figure(images, outputs, theta, found[0].transform, captions=captions, title=title)


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
