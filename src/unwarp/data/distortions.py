"""The distorted-MNIST tasks R, RTS, P, E and TC.

Digits are rotated (R), rotated, scaled and translated (RTS), seen in perspective (P), bent elastically (E), or
translated among clutter (TC). Pure functions: images and a generator in, distorted images out, a batch at a time. Each
draws the theta of every image (`unwarp.data.distortion_thetas`) and warps the batch once. What lies outside of a digit
is black, like its background.

Spatial Transformer Networks (Jaderberg et al., 2015), section 4.1 and appendix A.4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import torch
from torch import Tensor

from unwarp import _checks
from unwarp._typing import Float, Integer, Shaped
from unwarp.backends import available_backends
from unwarp.data import clutter
from unwarp.data import distortion_thetas as thetas
from unwarp.errors import ShapeError
from unwarp.functional import warp

Apply: TypeAlias = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Distortion:
    """A task's distortion.

    Attributes:
        name: what the command line and the catalogue call it.
        size: ``(height, width)`` of the canvas it yields.
        apply: from digits ``(n, 28, 28)``, unsigned bytes or floats in 0..1, and a generator to float32 images
            ``(n, 1, *size)`` in 0..1.
        channels: of the images.
        classes: that an image may belong to: the ten digits.
    """

    name: str
    size: tuple[int, ...]
    apply: Apply
    channels: int = 1
    classes: int = 10

    def make(
        self, digits: Shaped[Tensor, "n 28 28"], labels: Integer[Tensor, "n"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "n 1 *size"], Integer[Tensor, "n"]]:
        """Images of these digits and what is to be read from them: the digits."""
        return self.apply(digits, generator), labels


def rotated(digits: Shaped[Tensor, "n 28 28"], generator: torch.Generator) -> Float[Tensor, "n 1 28 28"]:
    """R: rotation uniform in [-90, 90] degrees, canvas 28x28.

    Examples:
        >>> rotated(torch.zeros(2, 28, 28), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 1, 28, 28])
    """
    images = as_images(digits)
    return _warp(images, thetas.rotation(len(images), generator), "affine")


def rotated_scaled_translated(
    digits: Shaped[Tensor, "n 28 28"], generator: torch.Generator
) -> Float[Tensor, "n 1 42 42"]:
    """RTS: rotation in [-45, 45] degrees, scale in [0.7, 1.2], at a random place, canvas 42x42."""
    images = as_images(digits)
    theta = thetas.rotation_scale_translation(len(images), generator)
    return _warp(images, theta, "affine", (thetas.RTS_CANVAS, thetas.RTS_CANVAS))


def projected(digits: Shaped[Tensor, "n 28 28"], generator: torch.Generator) -> Float[Tensor, "n 1 28 28"]:
    """P: scale in [0.75, 1], then each corner moved by 5 pixels RMS, canvas 28x28."""
    images = as_images(digits)
    return _warp(images, thetas.projective(len(images), generator), "projective")


def elastic(digits: Shaped[Tensor, "n 28 28"], generator: torch.Generator) -> Float[Tensor, "n 1 28 28"]:
    """E: scale in [0.75, 1], then a thin-plate spline's 16 control points moved by N(0, 1.5 pixels), canvas 28x28."""
    images = as_images(digits)
    return _warp(images, thetas.elastic(len(images), generator), "thin_plate_spline")


def translated_cluttered(digits: Shaped[Tensor, "n 28 28"], generator: torch.Generator) -> Float[Tensor, "n 1 60 60"]:
    """TC: at a random place of a 60x60 canvas, with six 6x6 squares of the batch's other digits; sums stop at 1."""
    images = as_images(digits)
    canvas = thetas.TC_CANVAS
    theta = thetas.translation(len(images), generator)
    pieces = clutter.draw(len(images), digit=thetas.DIGIT, canvas=canvas, generator=generator)
    placed = _warp(images, theta, "affine", (canvas, canvas))
    return (placed + clutter.strew(images, pieces, canvas=canvas)).clamp_(max=1.0)


DISTORTIONS: dict[str, Distortion] = {
    "r": Distortion("r", (28, 28), rotated),
    "rts": Distortion("rts", (42, 42), rotated_scaled_translated),
    "p": Distortion("p", (28, 28), projected),
    "e": Distortion("e", (28, 28), elastic),
    "tc": Distortion("tc", (60, 60), translated_cluttered),
}


def get(name: str) -> Distortion:
    """The distortion of that name.

    Raises:
        OptionError: there is none; the message names the nearest.
    """
    _checks.option("distortion", name, tuple(DISTORTIONS))
    return DISTORTIONS[name]


def _warp(
    images: Float[Tensor, "n 1 28 28"], theta: Tensor, transform: str, size: tuple[int, int] | None = None
) -> Float[Tensor, "n 1 h w"]:
    return warp(images, theta, transform, size, backend=fastest_backend())


@cache
def fastest_backend() -> str:
    """The compiled ops if they are there, else torch's own, which are twice as fast here as the reference."""
    return "native" if available_backends().get("native", "absent") is None else "aten"


def as_images(digits: Shaped[Tensor, "n 28 28"]) -> Float[Tensor, "n 1 28 28"]:
    """Digits as float32 images in 0..1 with one channel; unsigned bytes are divided by 255, floats taken as they are.

    Raises:
        ShapeError: not ``(n, 28, 28)``, or no digit at all.
    """
    _checks.tensor("digits", digits)
    if digits.ndim != 3 or digits.shape[1:] != (thetas.DIGIT, thetas.DIGIT) or len(digits) == 0:
        raise ShapeError(f"digits: expected (n, 28, 28) with n > 0, got {tuple(digits.shape)}. Use Digits.images.")
    images = digits.float().unsqueeze(1)
    return images if digits.is_floating_point() else images.div_(255)
