"""How much of pictures a command takes in: pixels of one, and bytes of many at a time."""

import warnings
from pathlib import Path

from unwarp._optional import require
from unwarp.errors import OptionError

__all__ = ["decoded_bytes", "pixel_limit"]

_MOST_MEGAPIXELS = 1e6
_BYTES = 4  # a pixel, in colour with transparency; with 16 bits a channel it is twice as many


def pixel_limit(megapixels: float, name: str) -> int:
    """Pixels that a picture may have, of millions that a user asked for by the option ``name``.

    Raises:
        OptionError: the number is not positive, not finite, or beyond any picture.
    """
    if not 0 < megapixels <= _MOST_MEGAPIXELS:
        raise OptionError(
            f"{name}: expected millions of pixels above 0 and up to {_MOST_MEGAPIXELS:,.0f}, got {megapixels}. "
            f"For pictures of any size use {_MOST_MEGAPIXELS:.0f}."
        )
    return round(megapixels * 1e6)


def decoded_bytes(path: Path) -> float:
    """About how much memory a picture takes, by the head of its file.

    Returns:
        0 for a file that is no picture; infinity for one that Pillow calls a decompression bomb.
    """
    image_module = require("PIL.Image", extra="train")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limit of a command decides what is too large
        try:
            with image_module.open(path) as image:
                width, height = image.size
        except image_module.DecompressionBombError:
            return float("inf")
        except Exception:  # whoever reads the picture says what is wrong with it
            return 0
    return _BYTES * width * height
