"""Animations: how a transformer's theta changes, while it is trained or step by step."""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unwarp._optional import require
from unwarp._typing import Float
from unwarp._whole_file import write_whole
from unwarp.errors import OptionError, ShapeError
from unwarp.functional import warp as warp_images
from unwarp.transforms import AbstractTransform
from unwarp.viz.panels import transformer_figure
from unwarp.viz.png import pixels_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 160.0  # seconds: four times as long is what the file format counts up to
_COLOURS = 128  # of a frame: greys, lines and letters need no more


def theta_frames(
    images: Float[Tensor, "batch channels h w"],
    thetas: Float[Tensor, "steps batch *theta"],
    transform: AbstractTransform,
    *,
    warp: Callable[[Tensor], Tensor] | None = None,
    labels: Sequence[str] | None = None,
    pairs_per_row: int = 4,
    cells: int | None = None,
    align_corners: bool = False,
) -> "list[Figure]":
    """Draw the paper's figure for every theta of a sequence.

    Args:
        images: the same in every frame.
        thetas: any sequence: of epochs, of the steps of an inverse compositional transformer, of an interpolation.
        transform: their family.
        warp: from a theta ``(batch, *theta)`` to the outputs. Default: `unwarp.warp` of the images.
        labels: over the frames; "1", "2", ... by default.
        pairs_per_row, cells, align_corners: as in `transformer_figure`.

    Returns:
        One figure a frame, all of one size.

    Raises:
        ShapeError: labels and thetas are not equally many, or there is no theta.

    Examples:
        >>> from unwarp.transforms import Rigid
        >>> angles = torch.linspace(0, 1, 5)
        >>> thetas = torch.stack([angles, 0 * angles, 0 * angles], dim=1)[:, None]
        >>> frames = theta_frames(torch.rand(1, 1, 8, 8), thetas, Rigid())
    """
    names = [str(step) for step in range(1, len(thetas) + 1)] if labels is None else labels
    if len(names) != len(thetas) or not len(thetas):
        raise ShapeError(f"labels: expected one for each of {len(thetas)} thetas, got {len(names)}.")

    def plainly(theta: Tensor) -> Tensor:
        return warp_images(images, theta, transform, align_corners=align_corners)

    make = warp or plainly
    with torch.no_grad():
        return [
            transformer_figure(
                images,
                make(theta),
                theta,
                transform,
                title=name,
                pairs_per_row=pairs_per_row,
                cells=cells,
                align_corners=align_corners,
            )
            for name, theta in zip(names, thetas, strict=True)
        ]


def save_gif(figures: "Sequence[Figure]", path: Path | str, *, seconds: float = 0.3, dpi: int = 100) -> Path:
    """Write figures as an endless animation; the last one stays four times as long.

    Args:
        figures: the frames, all of one size.
        path: of the ``.gif``; folders that are missing are made.
        seconds: how long a frame is shown.
        dpi: pixels an inch.

    Returns:
        The path written.

    Raises:
        OptionError: there is no frame, or no time to see it.
        OSError: the file cannot be written.
    """
    if not figures or not 0.02 <= seconds <= _LONGEST:
        raise OptionError(
            f"figures, seconds: expected a frame or more and 0.02 to {_LONGEST}, got {len(figures)}, {seconds}."
        )
    image_module = require("PIL.Image", extra="train")
    frames = [image_module.fromarray(pixels_of(figure, dpi=dpi)).quantize(_COLOURS) for figure in figures]
    milliseconds = round(1000 * seconds)
    durations = [milliseconds] * (len(frames) - 1) + [4 * milliseconds]
    buffer = BytesIO()
    frames[0].save(buffer, save_all=True, append_images=frames[1:], duration=durations, loop=0, format="GIF")
    return write_whole(Path(path), buffer.getvalue())
