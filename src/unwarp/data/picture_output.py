"""Pictures into files: as deep as they were, with their transparency, EXIF block and colour profile."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from unwarp._optional import require
from unwarp.data import png16
from unwarp.data.picture import Picture

__all__ = ["output_suffix", "write_picture"]

_JPEG = ("JPEG", "MPO")
_QUALITY = 95


def output_suffix(picture: Picture, suffix: str) -> str:
    """The suffix of the file to write: the given one where its format can hold the picture, else ``.png``.

    JPEG has no transparency and 8 bits; GIF would cost colours; 16-bit colour is written as PNG alone. Floats are
    kept by TIFF, and become 16 bits elsewhere.
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
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(_encoded(pixels, path.suffix.lower(), like))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _encoded(pixels: NDArray[Any], suffix: str, like: Picture) -> bytes:
    if suffix == ".png" and pixels.dtype != np.uint8:
        return png16.encode(_as_16_bit(pixels), exif=like.exif, icc=like.icc)
    image_module = require("PIL.Image", extra="train")
    image = image_module.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    options: dict[str, Any] = {"exif": like.exif} if like.exif else {}
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


def _as_16_bit(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    if pixels.dtype == np.uint16:
        return pixels
    return np.rint(pixels.clip(0, 1) * np.iinfo(np.uint16).max).astype(np.uint16)
