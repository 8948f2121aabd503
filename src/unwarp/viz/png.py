"""Figures as PNG, or as pixels."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unwarp._optional import require
from unwarp._whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def encode_png(figure: "Figure", *, dpi: int = 150) -> bytes:
    """Draw a figure.

    Args:
        figure: as the other functions of `unwarp.viz` return it; for axes, ``ax.figure``.
        dpi: pixels an inch.

    Returns:
        The bytes of a PNG file.
    """
    buffer = BytesIO()
    # No date, no version: the same figure gives the same bytes.
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save_png(figure: "Figure", path: Path | str, *, dpi: int = 150) -> Path:
    """Draw a figure into a file; folders that are missing are made.

    Returns:
        The path written.

    Raises:
        OSError: the file cannot be written.
    """
    return write_whole(Path(path), encode_png(figure, dpi=dpi))


def pixels_of(figure: "Figure", *, dpi: int = 100) -> NDArray[np.uint8]:
    """Draw a figure into an array ``(height, width, 3)``, for an animation or a log."""
    canvas = require("matplotlib.backends.backend_agg", extra="train").FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
