"""Figures as files of several formats."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unwarp._optional import require
from unwarp._whole_file import write_whole
from unwarp.errors import OptionError
from unwarp.viz.png import encode_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ANIMATIONS", "FORMATS", "file_format", "save_figure"]

FORMATS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".pdf": "pdf", ".svg": "svg", "": "png"}
"""What a figure is written as, by the suffix of its file."""

ANIMATIONS = {".gif": "gif", "": "gif"}
"""The same of an animation."""

# No date, no version: the same figure gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


def file_format(path: Path, name: str, formats: dict[str, str] = FORMATS) -> str:
    """The format of a file to write.

    Raises:
        OptionError: its suffix stands for none of the formats. ``name`` is the option that the file was given by.
    """
    found = formats.get(path.suffix.lower())
    if found is None:
        known = ", ".join(suffix for suffix in formats if suffix)
        raise OptionError(
            f"{name}: expected a file with the suffix {known}, got {path}. Use {path.with_suffix(next(iter(formats)))}."
        )
    return found


def save_figure(figure: "Figure", path: Path, *, name: str = "path", dpi: int = 150) -> Path:
    """Draw a figure into a file of the format that its suffix says; folders that are missing are made.

    Args:
        figure: what to draw.
        path: of the file; without a suffix it becomes a PNG.
        name: of the option that the path was given by, for the error.
        dpi: pixels an inch.

    Returns:
        The path written.

    Raises:
        OptionError: another suffix than those of `FORMATS`.
        OSError: the file cannot be written.
    """
    kind = file_format(path, name)
    return write_whole(path, encode_png(figure, dpi=dpi) if kind == "png" else _encoded(figure, kind, dpi))


def _encoded(figure: "Figure", kind: str, dpi: int) -> bytes:
    buffer = BytesIO()
    with require("matplotlib", extra="train").rc_context({"svg.hashsalt": "unwarp"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=_METADATA.get(kind))
    return buffer.getvalue()
