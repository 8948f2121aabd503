"""One picture of a file, with the depth, transparency and notes that it came with.

What is refused and what is converted follows one rule for every command:

| file | what happens |
|---|---|
| no picture, empty, damaged | refused |
| truncated | refused |
| more pixels than allowed | refused before it is decoded |
| several frames (GIF, APNG, WebP, TIFF) | the first is used, and noted |
| 16 bits a channel | kept; a 16-bit grey picture with transparency becomes one of 16-bit colour |
| 16-bit colour in another format than PNG | read with 8 bits, and noted |
| 32-bit integers, floats | read as float, and noted |
| CMYK, YCbCr, Lab, HSV | converted to RGB without the colour profile, and noted |
| palette, 1 bit | converted to RGB or grey |
| EXIF orientation | the picture is turned upright |
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unwarp._optional import require
from unwarp.data import png16
from unwarp.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MOST_PIXELS", "SUFFIXES", "Picture", "read_picture"]

MOST_PIXELS = 100_000_000
"""Pixels that a picture may have unless told otherwise: 400 MB of memory in RGBA."""

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""What counts as a picture in a folder; anything else in it is not looked at."""

_ORIENTATION = 0x0112
# How a TIFF is laid out stands among the same tags: size, depth, compression, strips, tiles, inks, colour profile. It
# is the file's alone.
_LAYOUT_TAGS = frozenset(
    {*range(254, 260), 262, 266, 273, *range(277, 280), 284, 317, *range(322, 326), 332, 334, 338, 339, 347}
    | {*range(529, 533), 34675}
)
_PLAIN = ("L", "RGB", "RGBA", "LA", "I;16")
_WIDE = ("I", "F", "I;16B", "I;16L", "I;16N")
_FOREIGN = ("CMYK", "YCbCr", "LAB", "HSV", "RGBX")


@dataclass(frozen=True)
class Picture:
    """Pixels, and what has to be written back with them.

    Attributes:
        pixels: ``(height, width, channels)``, upright; uint8, uint16 or float32. Channels: grey or RGB, then alpha.
        alpha: whether the last channel is alpha.
        format: of the file, as Pillow calls it, for example ``"PNG"``.
        exif: the file's EXIF block with its orientation set to upright; empty without one.
        icc: the file's colour profile.
        notes: what was converted on the way; empty for a picture that is what it seems.
    """

    pixels: NDArray[Any]
    alpha: bool
    format: str
    exif: bytes = b""
    icc: bytes | None = None
    notes: tuple[str, ...] = ()

    @property
    def largest(self) -> float:
        """The value of white."""
        return float(np.iinfo(self.pixels.dtype).max) if self.pixels.dtype.kind == "u" else 1.0


def read_picture(path: Path | str, *, most_pixels: int = MOST_PIXELS) -> Picture:
    """Read a picture by the rules above.

    Args:
        path: of the file.
        most_pixels: how many a picture may have.

    Raises:
        DataError: the file is refused. The message begins with the path and says why.
    """
    path = Path(path)
    image_module = require("PIL.Image", extra="train")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd metadata: the rules above decide
        try:
            _raise_limit(image_module, most_pixels)
            with image_module.open(path) as image:
                _refuse_huge(path, image.size, most_pixels)
                return _picture(path, image)
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(f"{path}: no such file.") from None
        except (image_module.UnidentifiedImageError, image_module.DecompressionBombError) as error:
            kind = "huge" if isinstance(error, image_module.DecompressionBombError) else "unreadable"
            raise DataError(f"{path}: {kind}: {_first_line(error)}") from error
        except Exception as error:  # a broken byte makes a decoder fail in any way whatever
            kind = "truncated" if "truncated" in str(error).lower() else "unreadable"
            raise DataError(f"{path}: {kind}: {_first_line(error)}") from error


def _raise_limit(image_module: ModuleType, most_pixels: int) -> None:
    """Pillow has a limit of its own for the whole process: a larger one that is asked for takes its place."""
    settings, name = vars(image_module), "MAX_IMAGE_PIXELS"
    if settings[name] is not None and most_pixels > settings[name]:
        settings[name] = most_pixels


def _refuse_huge(path: Path, size: tuple[int, int], most_pixels: int) -> None:
    width, height = size
    if width * height > most_pixels:
        raise DataError(
            f"{path}: huge: expected at most {most_pixels:,} pixels, got {width} x {height}. "
            "Allow more by --max-pixels, for training by data.megapixels, or make it smaller."
        )


def _picture(path: Path, image: "Image") -> Picture:
    """Decode an opened image."""
    notes: list[str] = []
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        notes.append(f"animated: the first of {frames} frames is used")
    # A profile of other colours than those that are handed on would falsify them.
    icc: bytes | None = None if image.mode in _FOREIGN else image.info.get("icc_profile")
    layouts = png16.layouts(image)  # gone after the decoding
    image.load()  # of a TIFF this turns the picture and forgets the orientation
    exif, orientation = _upright_exif(image)
    if image.format == "PNG" and png16.is_wide(layouts):
        pixels, alpha = png16.read(path, layouts[0])
    else:
        if image.mode in ("RGB", "RGBA") and any(";16" in layout for layout in layouts):
            notes.append("16-bit colour: read with 8 bits")
        pixels, alpha = _pixels(image, notes)
    return Picture(_turned(pixels, orientation), alpha, str(image.format), exif, icc, tuple(notes))


def _pixels(image: "Image", notes: list[str]) -> tuple[NDArray[Any], bool]:
    """Pixels as ``(h, w, c)`` and whether the last channel is alpha."""
    if image.mode in _WIDE or (image.mode == "I;16" and image.format not in ("PNG", "TIFF")):
        return _wide(image, notes), False
    if image.mode in _FOREIGN:
        notes.append(f"{image.mode}: converted to RGB")
    if image.mode not in _PLAIN:
        image = image.convert(_plain_mode(image))
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    array = np.array(image)
    return (array[..., None] if array.ndim == 2 else array), image.mode in ("LA", "RGBA")


def _wide(image: "Image", notes: list[str]) -> NDArray[Any]:
    """Grey pictures of more than 8 bits that are no plain 16-bit PNG or TIFF."""
    values = np.array(image)
    if image.mode.startswith("I;16"):
        return values.astype(np.uint16)[..., None]
    if image.mode == "I" and values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max:
        notes.append("32-bit integers: taken as 16-bit")
        return values.astype(np.uint16)[..., None]
    notes.append("floats: taken as they are, 0 black and 1 white" if image.mode == "F" else "32-bit integers: scaled")
    scale = 1.0 if image.mode == "F" else float(np.iinfo(np.int32).max)
    return (values.astype(np.float32) / np.float32(scale))[..., None]


def _plain_mode(image: "Image") -> str:
    if image.mode in ("PA", "La", "RGBa") or (image.mode == "P" and "transparency" in image.info):
        return "RGBA"
    return "L" if image.mode == "1" else "RGB"


def _upright_exif(image: "Image") -> tuple[bytes, int]:
    """The EXIF block for the upright picture, and the orientation it had: 1 to 8."""
    exif = image.getexif()
    if not exif:
        return b"", 1
    orientation = int(exif.get(_ORIENTATION, 1))
    if _ORIENTATION in exif:
        exif[_ORIENTATION] = 1
    for tag in _LAYOUT_TAGS.intersection(exif):
        del exif[tag]
    return exif.tobytes() if len(exif) else b"", orientation


def _turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turned so that it stands upright (EXIF 2.3, tag 0x0112)."""
    turned = pixels.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else pixels
    turned = turned[::-1] if orientation in (3, 4, 7, 8) else turned
    turned = turned[:, ::-1] if orientation in (2, 3, 6, 7) else turned
    return np.ascontiguousarray(turned)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
