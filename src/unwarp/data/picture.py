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
| signed 16-bit TIFF | kept: -32,768 is black and 32,767 white |
| 32-bit integers from 0 to 65,535 | taken as 16-bit, and noted |
| other 32-bit integers | kept: the picture's least value is black and its greatest white; noted |
| unsigned 32-bit integers above 2,147,483,647 | refused |
| floats | kept: 0 is black and 1 white; noted |
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
# As Pillow decodes TIFFs of signed 16-bit and unsigned 32-bit integers: all of them into signed 32-bit integers.
_SIGNED_16 = ("I;16S", "I;16BS", "I;16NS")
_UNSIGNED_32 = "I;32N"


@dataclass(frozen=True)
class Picture:
    """Pixels, and what has to be written back with them.

    Attributes:
        pixels: ``(height, width, channels)``, upright; uint8, uint16, int16, int32 or float32. Channels: grey or RGB,
            then alpha.
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
        return self._ends[1]

    def shares(self, pixels: NDArray[Any]) -> NDArray[np.floating]:
        """Pixels in the depth of this picture, as shares from 0, this picture's black, to 1, its white."""
        black, white = self._ends
        # float32 tells all values of 16 bits apart, but not those of 32.
        kind = np.float64 if pixels.dtype == np.int32 else np.float32
        return (pixels.astype(kind) - kind(black)) / kind(white - black or 1.0)

    @property
    def _ends(self) -> tuple[float, float]:
        """The values of black and white."""
        depth = self.pixels.dtype
        if depth.kind == "f":
            return 0.0, 1.0
        if depth == np.int32:  # no file uses the whole range of 32 bits: all of it would be one grey
            return float(self.pixels.min()), float(self.pixels.max())
        return float(np.iinfo(depth).min), float(np.iinfo(depth).max)


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
        pixels, alpha = _pixels(path, image, layouts, notes)
    return Picture(_turned(pixels, orientation), alpha, str(image.format), exif, icc, tuple(notes))


def _pixels(path: Path, image: "Image", layouts: list[str], notes: list[str]) -> tuple[NDArray[Any], bool]:
    """Pixels as ``(h, w, c)`` and whether the last channel is alpha."""
    if image.mode in _WIDE or (image.mode == "I;16" and image.format not in ("PNG", "TIFF")):
        return _wide(path, image, layouts, notes)[..., None], False
    if image.mode in _FOREIGN:
        notes.append(f"{image.mode}: converted to RGB")
    if image.mode not in _PLAIN:
        image = image.convert(_plain_mode(image))
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    array = np.array(image)
    return (array[..., None] if array.ndim == 2 else array), image.mode in ("LA", "RGBA")


def _wide(path: Path, image: "Image", layouts: list[str], notes: list[str]) -> NDArray[Any]:
    """Grey pictures of more than 8 bits that are no plain 16-bit PNG or TIFF."""
    values = np.array(image)
    if image.mode == "F":
        notes.append("floats: taken as they are, 0 black and 1 white")
        return values.astype(np.float32)
    if image.mode.startswith("I;16"):
        return values.astype(np.uint16)
    if any(layout in _SIGNED_16 for layout in layouts):
        return values.astype(np.int16)
    least, most = int(values.min()), int(values.max())
    if least < 0 and _UNSIGNED_32 in layouts:
        raise DataError(
            f"{path}: deep: expected integers of at most {np.iinfo(np.int32).max:,}, got "
            f"{int(values.view(np.uint32).max()):,}. Save it with 16 bits or as floats."
        )
    if least >= 0 and most <= np.iinfo(np.uint16).max:
        notes.append("32-bit integers: taken as 16-bit")
        return values.astype(np.uint16)
    notes.append("32-bit integers: the least value is black and the greatest white")
    return values.astype(np.int32)


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
