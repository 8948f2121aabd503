"""Pictures into files: as deep as they were, with their transparency, EXIF block and colour profile."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from unwarp._optional import require
from unwarp._whole_file import write_whole
from unwarp.data import png16
from unwarp.data.picture import Picture

if TYPE_CHECKING:
    from PIL.Image import Exif

__all__ = ["output_suffix", "write_picture"]

_JPEG = ("JPEG", "MPO")
_QUALITY = 95
_SAMPLE_FORMAT, _SIGNED = 339, 2


def output_suffix(picture: Picture, suffix: str) -> str:
    """The suffix of the file to write: the given one where its format can hold the picture, else ``.png``.

    JPEG has no transparency and 8 bits; GIF would cost colours; 16-bit colour is written as PNG alone. Floats,
    negative values and integers of 32 bits are kept by TIFF, and become 16 bits from black to white elsewhere.
    """
    depth, channels, lowered = picture.pixels.dtype, picture.pixels.shape[2], suffix.lower()
    if lowered in (".tif", ".tiff"):
        keeps = depth == np.uint8 or channels == 1
    elif lowered == ".webp":
        keeps = depth == np.uint8
    else:
        plain = depth == np.uint8 and not picture.alpha
        keeps = plain and lowered in (".jpg", ".jpeg", ".bmp", ".ppm" if channels == 3 else ".pgm")
    return suffix if keeps else ".png"


def write_picture(path: Path, pixels: NDArray[Any], like: Picture) -> Path:
    """Write pixels whole or not at all: a program that is killed leaves no half file.

    Args:
        path: of the file; missing folders are made. Its suffix says the format, and has to fit: `output_suffix`.
        pixels: ``(h, w, c)`` in the depth of ``like``.
        like: the picture they come from.

    Raises:
        OSError: the file cannot be written.
    """
    return write_whole(path, _encoded(pixels, path.suffix.lower(), like))


def _encoded(pixels: NDArray[Any], suffix: str, like: Picture) -> bytes:
    if suffix == ".png" and pixels.dtype != np.uint8:
        return png16.encode(_as_16_bit(pixels, like), exif=like.exif, icc=like.icc)
    image_module = require("PIL.Image", extra="train")
    # Pillow has no signed 16 bits: their bytes are handed on as unsigned ones, and a tag of the TIFF has the sign.
    plain = pixels.view(np.uint16) if pixels.dtype == np.int16 else pixels
    image = image_module.fromarray(plain[..., 0] if pixels.shape[2] == 1 else plain)
    options: dict[str, Any] = {"exif": like.exif} if like.exif else {}
    if pixels.dtype == np.int16:
        options["exif"] = _with_sign(image_module.Exif(), like.exif)
    if like.icc:
        options["icc_profile"] = like.icc
    name = cast("str", image_module.registered_extensions()[suffix])
    if name in _JPEG:
        options |= {"quality": _QUALITY, "subsampling": 0}
    if name == "WEBP":
        options |= {"lossless": True}
    if name in ("BMP", "PPM"):
        options = {}
    buffer = BytesIO()
    image.save(buffer, format=name, **options)
    return buffer.getvalue()


def _with_sign(tags: "Exif", given: bytes) -> "Exif":
    """The given tags, and that the values of the TIFF are signed (TIFF 6.0, section 19)."""
    if given:
        tags.load(given)
    tags[_SAMPLE_FORMAT] = _SIGNED
    return tags


def _as_16_bit(pixels: NDArray[Any], like: Picture) -> NDArray[np.uint16]:
    if pixels.dtype == np.uint16:
        return pixels
    return np.rint(like.shares(pixels).clip(0, 1) * np.iinfo(np.uint16).max).astype(np.uint16)
