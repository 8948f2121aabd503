"""Random warps of training pictures, by the library's own transforms: all of them in one sampling."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from unwarp._typing import Float
from unwarp.data.distortion_thetas import uniform
from unwarp.errors import OptionError
from unwarp.functional import warp
from unwarp.transforms import AbstractTransform, Compose, Projective, ThinPlateSpline

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are warped at random; without arguments they stay as they are.

    Convention: rotation and scaling are those of the picture on the screen, also where it is not square.

    Attributes:
        degrees: largest rotation either way.
        scale: largest factor, and one over it the smallest; 1 keeps the size.
        shift: largest shift along each axis, as a part of the picture's size.
        perspective: largest entry of the homography's last row; 0.3 is a strong tilt.
        bend: standard deviation of the 4 x 4 control points of a thin-plate spline, as a part of the picture's size.
        flip: whether half of the pictures are mirrored left to right.
        background: grey from 0 to 1 of what lies outside of the picture.
        mode: the sampling kernel, by the name that `warp` knows it by.
    """

    degrees: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    perspective: float = 0.0
    bend: float = 0.0
    flip: bool = False
    background: float = 0.0
    mode: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        for name in ("degrees", "shift", "perspective", "bend"):
            if not getattr(self, name) >= 0:
                raise OptionError(f"augment.{name}: expected 0 or more, got {getattr(self, name)}.")
        if not self.scale >= 1:
            raise OptionError(f"augment.scale: expected at least 1, the largest factor, got {self.scale}.")

    @property
    def active(self) -> bool:
        """Whether pictures change at all."""
        return self != self._nothing

    @property
    def _nothing(self) -> "Augmentation":
        return Augmentation(background=self.background, mode=self.mode)

    def apply(self, images: Float[Tensor, "n c h w"], generator: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Warp every picture by a map of its own."""
        if not self.active:
            return images
        transform, theta = self.draw(len(images), (images.shape[2], images.shape[3]), generator)
        padding_mode = "fill" if self.background else "zeros"
        return warp(images, theta, transform, mode=self.mode, padding_mode=padding_mode, fill_value=self.background)

    def draw(
        self, count: int, size: tuple[int, int], generator: torch.Generator
    ) -> tuple[AbstractTransform, Float[Tensor, "count *theta"]]:
        """A family, and one random theta of it for each picture of ``(height, width)``."""
        homography = Projective().from_matrix(self._matrices(count, size, generator))
        if not self.bend:
            return Projective(), homography
        spline = ThinPlateSpline()
        # Normalised coordinates are 2 wide, so a part of the picture's size is twice as much of them.
        noise = 2 * self.bend * torch.randn(count, *spline.theta_shape, generator=generator)
        bent = spline.identity() + noise
        if replace(self, bend=0.0) == self._nothing:
            return spline, bent  # by itself it has a fused op
        family = Compose(Projective(), spline)
        return family, family.join(homography, bent)

    def _matrices(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Float[Tensor, "n 3 3"]:
        aspect = size[1] / size[0]
        angle = uniform(count, -self.degrees, self.degrees, generator) * (math.pi / 180)
        factor = torch.exp(uniform(count, -1.0, 1.0, generator) * math.log(self.scale))
        mirror = 1 - 2 * (torch.rand(count, generator=generator) < 0.5 * self.flip).float()
        matrix = torch.zeros(count, 3, 3)
        # Between the rotation and the picture stand its proportions: x is aspect times as long as y.
        matrix[:, 0, 0], matrix[:, 0, 1] = mirror * angle.cos() * factor, -mirror * angle.sin() * factor / aspect
        matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin() * factor * aspect, angle.cos() * factor
        matrix[:, :2, 2] = 2 * self.shift * uniform((count, 2), -1.0, 1.0, generator)
        matrix[:, 2, :2] = self.perspective * uniform((count, 2), -1.0, 1.0, generator)
        matrix[:, 2, 2] = 1
        return matrix
