"""Lines of digits and letters, drawn anew for every batch: bent, turned, narrowing, on a noisy ground.

The fonts come with matplotlib. A line is composed of glyphs on a straight strip, and the strip is then sampled at the
positions that the bent line's pixels have on it.
"""

from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

import unwarp
from unwarp._optional import require
from unwarp._typing import Float, Integer, Shaped

__all__ = ["ALPHABET", "Lines", "spelled"]

ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without I and O, which are 1 and 0 in some fonts.

Character ``ALPHABET[k]`` is answer ``k + 1``; 0 is no character: CTC's blank, and what fills short lines up."""

_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic")
_SHORTEST, _LONGEST = 3, 6
_CELL = (32, 24)  # of a glyph on the strip
_SIZE = (64, 128)


class Lines:
    """What a line looks like: three to six characters of one font, at most 15 degrees askew, bent by up to 16 pixels.

    Attributes:
        size: ``(height, width)`` of the images.
        channels: of the images.
        classes: characters and the blank.
        length: of the longest line.
    """

    name = "lines"
    size = _SIZE
    channels = 1
    classes = len(ALPHABET) + 1
    length = _LONGEST

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 1 64 128"], Integer[Tensor, "n 6"]]:
        """As many lines as there are digits. Nothing else of the digits is used: other tasks are made of them."""
        del labels
        return self.draw(len(digits), generator)

    def draw(
        self, count: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 1 64 128"], Integer[Tensor, "n 6"]]:
        """Draw lines.

        Args:
            count: how many.
            generator: all chance comes from it.

        Returns:
            Images in 0..1, and the characters of each, filled up with 0.

        Examples:
            >>> images, answers = Lines().draw(2, torch.Generator().manual_seed(0))
            >>> images.shape, answers.shape
            (torch.Size([2, 1, 64, 128]), torch.Size([2, 6]))
        """
        lengths = torch.randint(_SHORTEST, _LONGEST + 1, (count,), generator=generator)
        answers = torch.randint(1, self.classes, (count, _LONGEST), generator=generator)
        answers = answers.where(torch.arange(_LONGEST) < lengths[:, None], 0)
        fonts = torch.randint(len(_FONTS), (count,), generator=generator)
        points = _positions(count, lengths, generator)
        ink = unwarp.sample(_strips(answers, lengths, fonts), points, antialias=False)
        return _on_a_ground(ink, generator), answers


def spelled(answers: Integer[Tensor, "length"]) -> str:
    """The characters of one line."""
    return "".join(ALPHABET[answer - 1] for answer in cast(list[int], answers.tolist()) if answer)


@cache
def _glyphs() -> Float[Tensor, "fonts characters 32 24"]:
    """Every character of every font, each in the middle of its cell, 0 to 1."""
    image, draw = (require(f"PIL.{part}", extra="train") for part in ("Image", "ImageDraw"))
    fonts = require("PIL.ImageFont", extra="train")
    folder = Path(require("matplotlib", extra="train").get_data_path()) / "fonts" / "ttf"
    height, width = _CELL

    def glyph(font: Any, character: str) -> Tensor:  # noqa: ANN401 - Pillow is loaded on demand
        canvas = image.new("L", (width, height))
        draw.Draw(canvas).text((width / 2, 26), character, font=font, fill=255, anchor="ms")
        return torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8).reshape(height, width)

    loaded = [fonts.truetype(folder / f"{name}.ttf", 27) for name in _FONTS]
    return torch.stack([torch.stack([glyph(font, one) for one in ALPHABET]) for font in loaded]).float() / 255


def _strips(answers: Tensor, lengths: Tensor, fonts: Tensor) -> Float[Tensor, "n 1 32 144"]:
    """Straight lines, each from the left edge of its strip."""
    glyphs = torch.cat([torch.zeros(len(_FONTS), 1, *_CELL), _glyphs()], dim=1)
    cells = glyphs[fonts[:, None], answers]
    return cells.movedim(1, 2).flatten(2)[:, None]


def _positions(count: int, lengths: Tensor, generator: torch.Generator) -> Float[Tensor, "n 64 128 2"]:
    """Where each pixel of an image lies on its strip, normalised; outside of -1..1 beyond the line."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

    angle, cell = uniform(-0.26, 0.26), uniform(12.5, 16.0)  # radians; width of a character in pixels
    half_width = lengths[:, None, None] * cell / 2
    half_height = cell * _CELL[0] / _CELL[1] / 2
    bend, narrowing = uniform(-16, 16), uniform(-0.3, 0.3)
    shift_x, shift_y = uniform(-8, 8), uniform(-5, 5)
    y, x = torch.meshgrid(torch.arange(_SIZE[0]) - 31.5, torch.arange(_SIZE[1]) - 63.5, indexing="ij")
    x, y = x - shift_x, y - shift_y
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    place = along / half_width  # -1..1 from the first character to the last
    depth = bend * (along / 45).square() - bend / 2
    height = half_height * (1 + narrowing * place.clamp(-1.2, 1.2))
    used = 2 * lengths[:, None, None] / _LONGEST  # of the strip's 2 units
    return torch.stack([(place + 1) / 2 * used - 1, (across - depth) / height], dim=-1)


def _on_a_ground(ink: Float[Tensor, "n 1 h w"], generator: torch.Generator) -> Float[Tensor, "n 1 h w"]:
    """Light on dark or dark on light, with a slope in brightness and noise."""
    count = len(ink)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    ground, contrast = uniform(0.0, 0.35), uniform(0.35, 0.65)
    slope = uniform(-0.1, 0.1) * torch.linspace(-1, 1, ink.shape[-1])
    image = ground + slope + contrast * ink
    image = torch.where(uniform(0, 1) < 0.5, 1 - image, image)
    return (image + 0.05 * torch.randn(ink.shape, generator=generator)).clamp(0, 1)
