"""PNG files of 16-bit colour, which Pillow reads with 8 bits and does not write at all.

Reading: Pillow decodes the file twice, once keeping the high byte of each value and once the low one. Writing: PNG is a
few chunks around zlib (W3C, Portable Network Graphics, 3rd edition, sections 5 and 11).
"""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from unwarp._optional import require

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["encode", "is_wide", "layouts", "read"]

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type of the header
WIDE = ("RGB;16B", "RGBA;16B", "LA;16B")  # how Pillow decodes 16-bit PNGs that it cannot hold
_PREDICTED_FROM_ABOVE = b"\2"
_LEVEL = 6


def layouts(image: "Image") -> list[str]:
    """How Pillow is about to decode each part of an opened image; empty once it has."""
    tiles = cast("list[Any]", getattr(image, "tile", []))
    return [tile.args if isinstance(tile.args, str) else str(tile.args[0]) for tile in tiles if tile.args]


def is_wide(found: Sequence[str]) -> bool:
    """Whether the layouts of a PNG are of 16-bit colour, or of 16-bit grey with alpha."""
    return len(found) == 1 and found[0] in WIDE


def read(path: Path, layout: str) -> tuple[NDArray[np.uint16], bool]:
    """Pixels ``(h, w, c)`` of a file of that layout, and whether the last channel is alpha."""
    if layout == "LA;16B":  # two values of two bytes each: decoded as if they were four channels of one byte
        bytes_ = _decode(path, "RGBA")
        high, low = bytes_[..., ::2], bytes_[..., 1::2]
    else:
        high, low = _decode(path, layout), _decode(path, layout.replace(";16B", ";16L"))
    return high.astype(np.uint16) * np.uint16(256) + low, layout != "RGB;16B"


def encode(pixels: NDArray[np.uint16], *, exif: bytes = b"", icc: bytes | None = None) -> bytes:
    """The bytes of a PNG file.

    Args:
        pixels: ``(h, w, c)``: grey, grey and alpha, RGB, or RGB and alpha.
        exif: a block as Pillow makes it; empty for none.
        icc: a colour profile.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    extra = _chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc)) if icc else b""
    extra += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")) if exif else b""
    data = _chunk(b"IDAT", zlib.compress(_rows(pixels), _LEVEL))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + data + _chunk(b"IEND", b"")


def _rows(pixels: NDArray[np.uint16]) -> bytes:
    """Rows as differences, byte by byte, from the row above: they compress far better."""
    rows = pixels.astype(">u2").reshape(len(pixels), -1).view(np.uint8)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    differences = rows - above  # modulo 256, as the format has it
    return b"".join(_PREDICTED_FROM_ABOVE + row.tobytes() for row in differences)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _decode(path: Path, layout: str) -> NDArray[np.uint8]:
    """Decode with another idea of what the bytes are than the file's own; both have as many bits a pixel."""
    image_module = require("PIL.Image", extra="train")
    with image_module.open(path) as image:
        image.tile = [tile._replace(args=layout) for tile in image.tile]
        return cast("NDArray[np.uint8]", np.array(image))
