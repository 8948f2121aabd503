"""Random transforms of the distorted-MNIST tasks: each draws the theta of a whole batch.

Convention: a theta maps normalised output points (the canvas) to input points (the 28x28 digit), with
``align_corners=False``. The tasks are told the other way round, as what happens to the digit (turned by an angle,
scaled by s, moved by t pixels of the canvas), so every theta here is the inverse of that. Pixels are the canvas's;
angles are drawn in the recipe's degrees and handled in radians; positive angles turn from x towards y, on the screen
clockwise.

Spatial Transformer Networks (Jaderberg et al., 2015), section 4.1 and appendix A.4; the points that the paper leaves
open are decided in ``docs/reproduction.md``.
"""

import math
from functools import cache

import torch
from torch import Tensor

from unwarp._typing import Float
from unwarp.data import homography
from unwarp.transforms import ThinPlateSpline

DIGIT = 28
RTS_CANVAS = 42
TC_CANVAS = 60

R_DEGREES = 90.0
RTS_DEGREES = 45.0
RTS_SCALES = (0.7, 1.2)
SHRINK = (0.75, 1.0)
P_DISTANCE_PIXELS = 5.0
E_SIGMA_PIXELS = 1.5


def rotation(count: int, generator: torch.Generator) -> Float[Tensor, "count 2 3"]:
    """R: turned by up to 90 degrees either way about the centre of a 28x28 canvas. Affine thetas."""
    angle = uniform(count, -R_DEGREES, R_DEGREES, generator).deg2rad()
    one, centred = torch.ones(count), torch.zeros(count, 2)
    return similarity(angle=angle, scale=one, shift=centred, canvas=DIGIT)


def rotation_scale_translation(count: int, generator: torch.Generator) -> Float[Tensor, "count 2 3"]:
    """RTS: turned by up to 45 degrees, scaled by 0.7 to 1.2, somewhere in a 42x42 canvas. Affine thetas.

    The digit's upright frame, 28 s pixels wide, lies anywhere within the canvas.
    """
    angle = uniform(count, -RTS_DEGREES, RTS_DEGREES, generator).deg2rad()
    scale = uniform(count, *RTS_SCALES, generator)
    room = (RTS_CANVAS - DIGIT * scale) / 2
    shift = room[:, None] * uniform((count, 2), -1.0, 1.0, generator)
    return similarity(angle=angle, scale=scale, shift=shift, canvas=RTS_CANVAS)


def projective(count: int, generator: torch.Generator) -> Float[Tensor, "count 8"]:
    """P: scaled by 0.75 to 1, then the corners of the 28x28 canvas moved, each by 5 pixels RMS. Projective thetas."""
    scale = uniform(count, *SHRINK, generator)
    half = DIGIT / 2
    straighten = homography.from_corners(moved_corners(count, generator) / half, homography.corners(1.0))
    straighten[:, :2] /= scale[:, None, None]
    return straighten.flatten(1)[:, :8].float()


def moved_corners(count: int, generator: torch.Generator) -> Float[Tensor, "count 4 2"]:
    """The canvas's corners after the noise of P, in centred pixels, float64.

    A corner moves in a random direction, normally distributed along x and y alike, by 5 pixels RMS. Quadrilaterals that
    are folded, turned over or miss the canvas's centre (one draw in 20,000) have no homography that could show the
    digit: they are drawn again.
    """
    half = DIGIT / 2
    square = homography.corners(half)
    sigma = P_DISTANCE_PIXELS / math.sqrt(2)
    moved = square + sigma * _normal((count, 4, 2), generator)
    while len(bad := torch.nonzero(~homography.is_sound(moved, half=half)).flatten()):
        moved[bad] = square + sigma * _normal((len(bad), 4, 2), generator)
    return moved


def elastic(count: int, generator: torch.Generator) -> Float[Tensor, "count 16 2"]:
    """E: scaled by 0.75 to 1, then the 4x4 control points moved by N(0, 1.5 pixels). Thin-plate spline thetas."""
    scale = uniform(count, *SHRINK, generator)
    noise = E_SIGMA_PIXELS / (DIGIT / 2) * _normal((count, len(_control()), 2), generator)
    return ((_control() + noise) / scale[:, None, None]).float()


def translation(count: int, generator: torch.Generator) -> Float[Tensor, "count 2 3"]:
    """T: placed whole somewhere in a 60x60 canvas, moved by whole pixels. Affine thetas."""
    room = TC_CANVAS - DIGIT
    shift = torch.randint(room + 1, (count, 2), generator=generator) - room / 2
    return similarity(angle=torch.zeros(count), scale=torch.ones(count), shift=shift, canvas=TC_CANVAS)


def similarity(
    *, angle: Float[Tensor, "n"], scale: Float[Tensor, "n"], shift: Float[Tensor, "n 2"], canvas: int
) -> Float[Tensor, "n 2 3"]:
    """Affine theta that shows a 28x28 digit on a square canvas, turned, scaled, then moved from the canvas's centre.

    In centred pixels ``c_in = R(-angle) (c_out - shift) / scale``; then both sides are divided by half their size.

    Args:
        angle: radians.
        scale: size of the digit relative to 28 pixels.
        shift: ``(x, y)`` in canvas pixels.
        canvas: side of the canvas in pixels.
    """
    cos, sin = angle.cos() / scale, angle.sin() / scale
    linear = torch.stack([torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)], dim=-2)
    moved = -(linear @ shift[:, :, None]) / (DIGIT / 2)
    return torch.cat([linear * (canvas / DIGIT), moved], dim=-1)


def uniform(shape: int | tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Uniform float32 in ``[low, high)``."""
    size = (shape,) if isinstance(shape, int) else shape
    return low + (high - low) * torch.rand(size, generator=generator)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@cache
def _control() -> Float[Tensor, "16 2"]:
    return ThinPlateSpline(control=(4, 4)).identity(dtype=torch.float64)
