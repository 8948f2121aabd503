"""From pixels to B-spline coefficients: the inverse of sampling the spline at the pixels.

Sampling a spline with coefficients c at the pixels is a convolution with the B-spline's integer samples b. Its inverse
is a cascade of recursive filters, one pair for each pole z of b within the unit circle (Unser, Aldroubi and Eden 1993):

    1 / b = product over poles of (1 - z)^2 / ((1 - z s)(1 - z / s)),   s the shift by one pixel.

Each recursion is evaluated as 1 / (1 - z s) = (1 + z s)(1 + z^2 s^2)(1 + z^4 s^4)..., a handful of shifted additions
that end when z^L is below the resolution of float64. They are plain tensor operations, so derivatives of any order,
forward mode and vmap need no further formula. The image is first extended by its padding, whose coefficients are then
those of the infinitely padded image.
"""

import math

import numpy as np
import torch
from torch import Tensor

from unwarp import padding
from unwarp.padding import PaddingMode

_RESOLUTION = 2.0**-53
_EXTENDED: tuple[PaddingMode, ...] = ("zeros", "border", "fill")


def interpolation_coefficients(
    image: Tensor, poles: tuple[float, ...], mode: PaddingMode, *, align_corners: bool
) -> Tensor:
    """Coefficients of the spline through the pixels of the padded image.

    Args:
        image: ``(batch, channels, *size)``.
        poles: of the spline's order, from `spline_poles`.

    Returns:
        ``(batch, channels, *size + 2 * margin)``. The margin is 0 for reflection and circular padding, whose
        coefficients repeat as the image does. The other paddings end in coefficients of their own, which die away from
        the image's edge; beyond the margin they are those of a constant image.
    """
    steps = [_doublings(pole) for pole in poles]
    margin = _margin(poles, image) if mode in _EXTENDED else 0
    reach = sum(2**step - 1 for step in steps)
    for axis in range(2, image.ndim):
        extended = _extend(image, axis, margin + reach, mode, align_corners=align_corners)
        image = _filter(extended, axis, poles, steps)
    return image


def spline_poles(order: int) -> tuple[float, ...]:
    """Poles of the prefilter: the roots within the unit circle of the B-spline's samples at the integers."""
    samples = [_sample(order, k) for k in range(-(order // 2), order // 2 + 1)]
    roots = np.roots(samples).real
    return tuple(sorted(float(root) for root in roots if abs(root) < 1))


def _sample(order: int, k: int) -> float:
    """The centred B-spline at an integer, times order! (exact: an integer over a power of two)."""
    from_left_end = (order + 1) / 2 - abs(k)
    terms = ((-1) ** i * math.comb(order + 1, i) * max(0.0, from_left_end - i) ** order for i in range(order + 2))
    return sum(terms)


def _doublings(pole: float) -> int:
    """How many factors of the product make its remainder vanish."""
    return math.ceil(math.log2(math.log(_RESOLUTION) / math.log(abs(pole))))


def _margin(poles: tuple[float, ...], image: Tensor) -> int:
    resolution = torch.finfo(image.dtype).eps / 4
    return math.ceil(math.log(resolution) / math.log(max(abs(pole) for pole in poles)))


def _extend(image: Tensor, axis: int, by: int, mode: PaddingMode, *, align_corners: bool) -> Tensor:
    n = image.shape[axis]
    index = torch.arange(-by, n + by, device=image.device)
    extended = image.index_select(axis, padding.map_index(index, n, mode, align_corners=align_corners))
    if mode != "zeros":
        return extended
    inside = padding.inside_taps(index, n).to(image.dtype)
    return extended * inside.view(-1, *(1,) * (image.ndim - 1 - axis))


def _filter(extended: Tensor, axis: int, poles: tuple[float, ...], steps: list[int]) -> Tensor:
    """Both recursions of every pole, which use up the extension."""
    for pole, count in zip(poles, steps, strict=True):
        for step in range(count):
            extended = _add_shifted(extended, axis, 2**step, pole ** (2**step))
        extended = extended * (1 - pole) ** 2
    return extended


def _add_shifted(values: Tensor, axis: int, shift: int, factor: float) -> Tensor:
    """Multiply by (1 + factor s^shift)(1 + factor s^-shift): the values without ``shift`` of them at either end."""
    n = values.shape[axis] - shift
    causal = values.narrow(axis, shift, n) + factor * values.narrow(axis, 0, n)
    return causal.narrow(axis, 0, n - shift) + factor * causal.narrow(axis, shift, n - shift)
