"""Whether a spatial transformer has collapsed, judged by where it samples, and what to do about it in plain words."""

from typing import NamedTuple

import torch
from torch import Tensor

from unwarp._typing import Float
from unwarp.nn.regularisers import determinants, lattice_points
from unwarp.transforms import AbstractTransform

__all__ = ["CollapseWarning", "Look", "look", "signs"]

LARGEST_ZOOM = 2.0
"""Beyond this the image fills less than a quarter of the output. The paper's data need 1 / 0.7."""

LARGEST_SHARE_OUTSIDE = 0.75
SMALLEST_ZOOM = 0.05
"""Below this the whole output shows a spot of a pixel or two."""

SMALLEST_SPREAD = 1e-3
"""In half image widths: a fiftieth of a pixel at 40 pixels."""


_ZOOMED_OUT = (
    "If the padding differs from the background, use padding_mode='fill', fill_value='background'. Otherwise lower the "
    "localiser's learning rate (parameter_groups), add outside_penalty, or limit scale with Bounded."
)
_OFF = (
    "Start again with a lower learning rate for the localiser (parameter_groups), add outside_penalty, or limit shift "
    "with Bounded."
)
_ZOOMED_IN = (
    "Lower the localiser's learning rate (parameter_groups), add identity_penalty, or limit scale with Bounded."
)
_CONSTANT = (
    "Raise the learning rate of its regression layer (parameter_groups, regression_lr_scale), and see that the "
    "localiser's rectifiers leak (negative_slope=0.1)."
)
_NO_GRADIENT = (
    "No gradient reaches its localiser: all its rectifiers may be dead (use negative_slope=0.1), or every sample lies "
    "outside of the image."
)


class CollapseWarning(UserWarning):
    """A spatial transformer does what no task asks for."""


class Look(NamedTuple):
    """Where a transformer samples, over a batch.

    Attributes:
        outside: share of samples outside of the image, NaN positions among them.
        zoom: how much of the image along an axis the output shows, as against the family's start: the median over
            images and output, of the root of the Jacobian's determinant.
        spread: standard deviation of the positions over the batch, in half image widths; ``None`` for a single theta.
    """

    outside: float
    zoom: float
    spread: float | None


def look(theta: Float[Tensor, "batch *params"], transform: AbstractTransform, *, points: int = 17) -> Look:
    """Measure where a batch of thetas samples, on a regular lattice of the output."""
    with torch.no_grad():
        mapped = transform(theta, lattice_points(transform, points, theta))
        inside = (mapped.abs() <= 1 + 1e-4).all(-1)  # the lattice has the image's own corners
        spread = mapped.std(0, unbiased=False).mean().item() if len(theta) > 1 else None
        zoom = _zoom(theta, transform, points) / _zoom(transform.start()[None].to(theta), transform, points)
    return Look(1 - inside.float().mean().item(), zoom, spread)


def _zoom(theta: Tensor, transform: AbstractTransform, points: int) -> float:
    return determinants(theta, transform, points=points).abs().nanmedian().item() ** (1 / transform.ndim)


def signs(seen: Look, constant_epochs: int, gradient: float | None, patience: int) -> dict[str, str]:
    """What has gone wrong: each sign of collapse, with a sentence that begins behind the transformer's name.

    Args:
        seen: where it samples.
        constant_epochs: for how many epochs in a row all images got the same theta.
        gradient: largest norm of the localiser's gradient in the epoch; ``None`` if not known.
        patience: epochs that a transformer may take to begin.
    """
    found: dict[str, str] = {}
    if seen.zoom > LARGEST_ZOOM:
        part = f"{1 / seen.zoom:.0%} of the output's width"
        found["zoomed out"] = f"has zoomed out: the image fills {part}, the rest is padding. {_ZOOMED_OUT}"
    elif seen.outside > LARGEST_SHARE_OUTSIDE:
        part = f"{seen.outside:.0%} of its samples lie outside, where no gradient leads back"
        found["off the image"] = f"looks off the image: {part}. {_OFF}"
    elif seen.zoom < SMALLEST_ZOOM:
        part = f"{seen.zoom:.1%} of the image's width"
        found["zoomed in"] = f"has zoomed in on a spot: the output shows {part}. {_ZOOMED_IN}"
    if constant_epochs >= patience:
        advice = _NO_GRADIENT if gradient == 0 else _CONSTANT
        found["constant"] = f"has given all images the same theta for {constant_epochs} epochs. {advice}"
    return found
