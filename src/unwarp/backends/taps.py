"""Plain sampling: the kernel's taps along each axis, and the sum over their product."""

import itertools
import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from unwarp import padding
from unwarp._typing import Float, Integer, Shaped
from unwarp.backends.base import Sampling


def blend_taps(
    source: Shaped[Tensor, "N channels *in"], positions: Float[Tensor, "T points D"], sampling: Sampling
) -> Shaped[Tensor, "T channels points"]:
    """V = sum over taps of U[tap] k(x - tap) k(y - tap) ...; positions are pixels, none of them NaN."""
    size = source.shape[2:]
    taps = [_axis_taps(positions[..., axis], n, sampling) for axis, n in enumerate(reversed(size))]
    return _sum_over_product(source, taps, size)


def _axis_taps(
    position: Float[Tensor, "T points"], n: int, sampling: Sampling
) -> list[tuple[Integer[Tensor, "T points"], Float[Tensor, "T points"]]]:
    """Pixel index and weight of each tap along one axis."""
    kernel = sampling.kernel
    bounded = _bounded(position, n, sampling)
    anchor = kernel.anchor(bounded)
    weights = kernel.weights(bounded - anchor)
    first = anchor.to(torch.int64)
    taps: list[tuple[Tensor, Tensor]] = []
    for offset, weight in zip(kernel.offsets, weights.unbind(-1), strict=True):
        index = first + offset
        if sampling.padding == "zeros":
            weight = weight * padding.inside_taps(index, n)
        taps.append((padding.map_index(index, n, sampling.padding, align_corners=sampling.align_corners), weight))
    return taps


def _bounded(position: Tensor, n: int, sampling: Sampling) -> Tensor:
    """Positions that convert to an integer; what is clamped passes no gradient."""
    if sampling.padding == "border" and sampling.kernel.support <= 1:
        # Same values as clamping the taps, and the gradient is 0 at the border as well as beyond it.
        return torch.where((position > 0) & (position < n - 1), position, position.detach().clamp(0, n - 1))
    return position.clamp(-padding.LARGEST_POSITION, padding.LARGEST_POSITION)


def _sum_over_product(
    source: Shaped[Tensor, "N channels *in"], taps: Sequence[Sequence[tuple[Tensor, Tensor]]], size: Sequence[int]
) -> Tensor:
    """Sum over the product of the axes' taps; ``taps`` is in x, y, z order."""
    strides = [math.prod(size[len(size) - axis :]) for axis in range(len(size))]
    flat = source.flatten(2)

    def term(combination: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        index = reduce(torch.add, (tap * stride for (tap, _), stride in zip(combination, strides, strict=True)))
        return _weigh(_gather(flat, index), reduce(torch.mul, (weight for _, weight in combination)))

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
