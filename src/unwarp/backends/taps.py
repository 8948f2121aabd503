"""Plain sampling: the kernel's taps along each axis, and the sum over their product."""

import itertools
import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from unwarp import padding
from unwarp._typing import Float, Integer, Shaped
from unwarp.backends.base import Sampling


class _Tap(NamedTuple):
    """One tap of every sample along one axis."""

    pixel: Integer[Tensor, "T points"]
    weight: Float[Tensor, "T points"]
    inside: Tensor | None
    """Mask of the taps that count: no other pixel, which may be NaN, reaches the sample. ``None``: all do."""


def blend_taps(
    source: Shaped[Tensor, "N channels *in"], positions: Float[Tensor, "T points D"], sampling: Sampling
) -> Shaped[Tensor, "T channels points"]:
    """V = sum over taps of U[tap] k(x - tap) k(y - tap) ...; positions are pixels, none of them NaN."""
    size = source.shape[2:]
    taps = [_axis_taps(positions[..., axis], n, sampling) for axis, n in enumerate(reversed(size))]
    return _sum_over_product(source, taps, size)


def _axis_taps(position: Float[Tensor, "T points"], n: int, sampling: Sampling) -> list[_Tap]:
    kernel = sampling.kernel
    bounded = _bounded(position, n, sampling)
    anchor = kernel.anchor(bounded)
    weights = kernel.weights(bounded - anchor)
    first = anchor.to(torch.int64)
    filled = sampling.padding == "fill"
    extent = padding.inside_extent(position, n, align_corners=sampling.align_corners) if filled else None
    taps: list[_Tap] = []
    for offset, weight in zip(kernel.offsets, weights.unbind(-1), strict=True):
        index = first + offset
        inside = padding.inside_taps(index, n) if sampling.padding == "zeros" else extent
        mapped = padding.map_index(index, n, sampling.padding, align_corners=sampling.align_corners)
        taps.append(_Tap(mapped, weight, inside))
    return taps


def _bounded(position: Tensor, n: int, sampling: Sampling) -> Tensor:
    """Positions that convert to an integer; what is clamped passes no gradient."""
    if sampling.padding == "border" and sampling.kernel.support <= 1:
        # Same values as clamping the taps, and the gradient is 0 at the border as well as beyond it, where every tap is
        # the edge pixel.
        beyond = torch.where(position < 0, -1, torch.where(position > n - 1, n, position)).detach()
        return torch.where((position > 0) & (position < n - 1), position, beyond)
    return position.clamp(-padding.LARGEST_POSITION, padding.LARGEST_POSITION)


def _sum_over_product(
    source: Shaped[Tensor, "N channels *in"], taps: Sequence[Sequence[_Tap]], size: Sequence[int]
) -> Tensor:
    """Sum over the product of the axes' taps; ``taps`` is in x, y, z order."""
    strides = [math.prod(size[len(size) - axis :]) for axis in range(len(size))]
    flat = source.flatten(2)

    def term(combination: Sequence[_Tap]) -> Tensor:
        index = reduce(torch.add, (tap.pixel * stride for tap, stride in zip(combination, strides, strict=True)))
        values = _gather(flat, index)
        masks = [tap.inside for tap in combination if tap.inside is not None]
        if masks:
            # Not a weight of 0: infinity times 0 is NaN, and so is NaN times 0.
            values = torch.where(reduce(torch.logical_and, masks)[:, None], values, 0)
        return _weigh(values, reduce(torch.mul, (tap.weight for tap in combination)))

    return reduce(torch.add, map(term, itertools.product(*taps)))


def _gather(flat: Shaped[Tensor, "N channels pixels"], index: Integer[Tensor, "T points"]) -> Tensor:
    images, channels, _ = flat.shape
    # All warps of an image as one row of points: an image expanded by warps would have a gradient that large.
    where = index.reshape(images, 1, -1).expand(-1, channels, -1)
    gathered = torch.unflatten(flat.gather(-1, where), -1, (-1, index.shape[1]))
    return gathered.transpose(1, 2).flatten(0, 1)


def _weigh(values: Shaped[Tensor, "T channels points"], weight: Float[Tensor, "T points"]) -> Tensor:
    if values.is_floating_point() or values.is_complex():
        return values * weight[:, None]
    return torch.where(weight[:, None] > 0, values, 0)
