"""How a picture of any size, depth and mode becomes what a network sees."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unwarp._optional import require
from unwarp._typing import Integer
from unwarp.data.picture import Picture

__all__ = ["FITS", "Fit", "Intake"]

Fit: TypeAlias = Literal["stretch", "pad", "crop"]
FITS: tuple[Fit, ...] = ("stretch", "pad", "crop")


@dataclass(frozen=True)
class Intake:
    """The size, channels and place in which a network sees a picture.

    Attributes:
        height: of the network's input, in pixels.
        width: of the network's input.
        channels: 1 for grey (ITU-R 601), 3 for RGB.
        fit: ``"stretch"`` to the whole input whatever the proportions, ``"pad"`` with background until all of the
            picture is in it, or ``"crop"`` the middle of the picture.
        background: grey from 0 to 1 that shows through transparent pixels and beside a padded picture.
    """

    height: int
    width: int
    channels: int = 3
    fit: Fit = "stretch"
    background: float = 0.0

    def image(self, picture: Picture) -> Integer[Tensor, "channels height width"]:
        """The picture as the network sees it: bytes, shrunk with anti-aliasing."""
        image_module = require("PIL.Image", extra="train")
        channels = _with_channels(_opaque(_as_bytes(picture), picture.alpha, self.background), self.channels)
        image = image_module.fromarray(channels[..., 0] if self.channels == 1 else channels)
        box, (height, width) = self._box(picture.pixels.shape[:2]), self._inner(picture.pixels.shape[:2])
        small = np.asarray(image.resize((width, height), image_module.Resampling.BILINEAR, box=box))
        filled = np.full((self.height, self.width, self.channels), round(255 * self.background), np.uint8)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        filled[top : top + height, left : left + width] = small.reshape(height, width, self.channels)
        return torch.from_numpy(filled).permute(2, 0, 1).contiguous()

    def frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """How far the network's input reaches in the picture: factors from its normalised ``(x, y)`` to the picture's.

        Args:
            size: ``(height, width)`` of the picture.

        Returns:
            ``(x, y)``: 1 for the whole picture, less where it is cropped, more where it is padded.
        """
        left, top, right, bottom = self._box(size)
        height, width = self._inner(size)
        return self.width / width * (right - left) / size[1], self.height / height * (bottom - top) / size[0]

    def _box(self, size: tuple[int, ...]) -> tuple[float, float, float, float]:
        """What of the picture is taken: left, top, right, bottom in pixels."""
        height, width = size
        if self.fit != "crop":
            return (0.0, 0.0, float(width), float(height))
        scale = max(self.height / height, self.width / width)
        margin_x, margin_y = (width - self.width / scale) / 2, (height - self.height / scale) / 2
        return (margin_x, margin_y, width - margin_x, height - margin_y)

    def _inner(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Height and width that the picture takes in the input; both margins of an axis are equal."""
        if self.fit != "pad":
            return self.height, self.width
        scale = min(self.height / size[0], self.width / size[1])
        return _within(self.height, size[0] * scale), _within(self.width, size[1] * scale)


def _within(whole: int, part: float) -> int:
    """The nearest size to ``part`` that leaves two equal margins of whole pixels in ``whole``."""
    return max(whole - 2 * round((whole - part) / 2), 2 - whole % 2)


def _as_bytes(picture: Picture) -> NDArray[np.uint8]:
    pixels: NDArray[Any] = picture.pixels
    if pixels.dtype == np.uint8:
        return pixels
    return np.rint(255 * np.nan_to_num(picture.shares(pixels)).clip(0, 1)).astype(np.uint8)


def _opaque(pixels: NDArray[np.uint8], alpha: bool, background: float) -> NDArray[np.uint8]:
    """Without the alpha channel: laid over the background."""
    if not alpha:
        return pixels
    share = pixels[..., -1:].astype(np.float32) / 255
    blended = pixels[..., :-1] * share + 255 * background * (1 - share)
    return np.rint(blended).astype(np.uint8)


def _with_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    given = pixels.shape[2]
    if given == channels:
        return np.ascontiguousarray(pixels)
    if given == 1:
        return np.repeat(pixels, channels, axis=2)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(pixels.astype(np.float32) @ weights).astype(np.uint8)[..., None]
