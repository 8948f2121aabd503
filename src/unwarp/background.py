"""What lies around an image, judged by its border: ``fill_value="background"``."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from unwarp._typing import Shaped

Kernel = TypeVar("Kernel")


def of_border(image: Shaped[Tensor, "batch channels *in"]) -> Shaped[Tensor, "batch channels"]:
    """The median of the pixels along the border, for each image and channel.

    The median is a value that the border has, and an object that touches less than half of it does not change it.
    """
    if image.is_complex():
        return torch.complex(of_border(image.real), of_border(image.imag))
    ends = [image.select(axis, side) for axis in range(2, image.ndim) for side in (0, -1)]
    # Sorted, not torch.median, which has no deterministic gradient on a GPU.
    border = torch.cat([end.reshape(*image.shape[:2], -1) for end in ends], dim=2).sort(dim=2).values
    return border[:, :, (border.shape[2] - 1) // 2]


def fill_around(
    evaluate: Callable[[Tensor, Kernel | str, str, bool | float], Tensor],
    image: Shaped[Tensor, "#batch channels *in"],
    mode: Kernel | str,
    antialias: bool | float,
    *,
    axes: int,
) -> Shaped[Tensor, "batch *k channels *out"]:
    """Samples of each image, and its own background where the position lies outside of it.

    Backends fill with one value a channel for the whole batch. Here the samples of a white image over black say which
    positions are outside: 0 there, 1 inside, NaN where the position is.

    Args:
        evaluate: samples an image, given a mode, a padding mode and anti-aliasing.
        mode, antialias: as in `unwarp.sample`.
        axes: number of the output's axes behind the channels.
    """
    sampled = evaluate(image, mode, "border", antialias)
    dtype = image.real.dtype if image.is_floating_point() or image.is_complex() else torch.float32
    with torch.no_grad():
        white = evaluate(torch.ones(1, 1, *image.shape[2:], dtype=dtype, device=image.device), "nearest", "fill", False)
    fill = of_border(image)
    fill = fill.reshape(fill.shape[0], *(1,) * (sampled.ndim - 2 - axes), fill.shape[1], *(1,) * axes)
    return torch.where(white == 0, fill, sampled)
